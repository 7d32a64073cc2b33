"""How an attempt ends when neither result nor fault decides: Redis away, a disk full, a job with no room."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import redis

from services.errors import ServerDown
from services.settings import Settings
from services.worker.tidy import tidy

if TYPE_CHECKING:
    from services.queue.client import Client
    from services.queue.job import Job
    from services.queue.lease import Lease

log = logging.getLogger("surco.worker")

LEAST_FREE = 128 << 20  # bytes under which a worker begins no job
FULL_TRIES = 5  # times that a job is handed on for want of room before it counts as an attempt
_DAY = 86_400


def insist(lease: "Lease", change: Callable[[], Any]) -> Any:
    """Make a change in the ledger; while Redis is away, again until the lease is lost.

    A change whose message could not be sent is made: the reconciler sends the message. A change that needs
    S3, which is away, is left to the reconciler as well. Both return None.
    """
    while True:
        try:
            return change()
        except ServerDown as down:
            log.warning("Left to the reconciler: %s", down)
            return None
        except redis.RedisError as error:
            if lease.lost.is_set():
                raise
            log.warning("Redis does not take a change (%s); again.", error)
            time.sleep(0.5)


def free_bytes(folder: Path) -> int:
    """Room on the disk of a folder, which need not be there yet."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    return shutil.disk_usage(there).free


def has_room(client: "Client", job_id: str, host: str) -> bool:
    """Whether a job may begin here; says in the ledger why not, and keeps this process off the queue.

    What killed attempts left goes first: it may be what fills the disk, and nobody else would clear it away.
    """
    if free_bytes(client.settings.work) >= LEAST_FREE:
        return True
    tidy(client.settings, client.ledger)
    free = free_bytes(client.settings.work)
    if free >= LEAST_FREE:
        return True
    reason = f"waits for a worker with room: the disk of {host} has {free >> 20} MiB free"
    log.error("No job begins: %s", reason)
    try:
        client.ledger.note(job_id, reason)
    except redis.RedisError as error:
        log.warning("%s", error)
    step_aside(client.settings, lambda: False)
    return False


def hand_on(client: "Client", job: "Job", lease: "Lease", reason: str) -> str:
    """The disk is full: queue the job again, without counting the attempt, at most `FULL_TRIES` times."""

    def change() -> str:
        key = f"surco:full:{job.id}"
        with client.ledger.redis.pipeline() as pipe:
            tries = pipe.incr(key).expire(key, _DAY).execute()[0]
        if tries > FULL_TRIES:
            return client.mark_failed(job, f"{reason} ({tries} times)")
        if not client.ledger.requeue(job.id, attempt=job.attempt_id):
            return ""
        client.ledger.note(job.id, reason)
        return "queued"

    return insist(lease, change) or ""


def step_aside(settings: Settings, leaving: Callable[[], bool]) -> None:
    """Let other workers have the next job: do nothing for half a lease, or until told to leave."""
    end = time.monotonic() + settings.lease_seconds / 2
    while time.monotonic() < end and not leaving():
        time.sleep(0.1)
