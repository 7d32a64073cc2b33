"""The reconciler: what puts right whatever a lost message or a dead worker left behind.

One of the workers' main processes runs it at a time. It sends lost messages anew,
takes back the jobs of workers whose lease ran out, and releases jobs whose needs are met.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable

import redis

from services.errors import ServerDown
from services.queue.client import Client
from services.queue.hooks import tell_events

log = logging.getLogger("surco.reconciler")

WORKERS = "surco:worker:"
GRACE = 5.0  # seconds a lease may be missing, or a message be on its way
BATCH = 200  # jobs that one part of a round looks at


def reconcile(
    client: Client, *, grace: float = GRACE, batch: int = BATCH, renew: Callable[[], object] = lambda: None
) -> dict[str, int]:
    """One look over what may be left behind; returns how many jobs were notified of, taken back, released.

    Nothing here reads the whole ledger: each part takes at most `batch` jobs off an index, those that wait
    longest first, and the next round goes on. `renew` is called between the parts, to keep the lock.
    """
    ledger = client.ledger
    counts = {"notified": 0, "expired": 0, "released": 0, "told": 0}
    _, lost = ledger.overdue(grace, batch)
    for job in lost:
        reason = job.failing or f"its worker {job.worker} died or lost its lease"
        try:
            state = client.mark_failed(job, reason, attempt=job.attempt_id, fatal=bool(job.failing))
        except ServerDown as down:
            log.info("Job %s ends once S3 answers: %s", job.id[:12], down)
            break
        counts["expired"] += bool(state)
        renew()
    for queue, missing in client.notifier.missing(
        grace=grace, patience=client.settings.lease_seconds
    ).items():
        again = ledger.foremost(queue, min(missing, batch))
        client.notifier.many([(queue, job_id) for job_id in again])
        counts["notified"] += len(again)
    renew()
    counts["released"] += ledger.release_pending(batch)
    renew()
    counts["released"] += ledger.release_oldest(batch)
    renew()
    try:
        for job_id in ledger.unmirrored(batch, grace=grace):
            client.tell_store(job_id)
            counts["told"] += 1
            renew()
    except ServerDown as down:
        log.info("S3 has still to hear of ended jobs: %s", down)
    tell_events(client)
    return counts


class Reconciler(threading.Thread):
    """Calls `reconcile` every `seconds` while it holds the reconcilers' lock."""

    def __init__(self, client: Client, seconds: float):
        super().__init__(name="reconciler", daemon=True)
        self.client, self.seconds = client, seconds
        self.stop = threading.Event()

    def run(self) -> None:
        self._present()
        lock = self.client.ledger.redis.lock(
            "surco:reconciler", timeout=3 * self.seconds, blocking=False, thread_local=False
        )
        while not self.stop.wait(self.seconds):
            try:
                self._present()
                if lock.owned():
                    lock.reacquire()
                elif not lock.acquire():
                    continue
                counts = reconcile(self.client, grace=min(GRACE, self.seconds), renew=lock.reacquire)
                if any(counts.values()):
                    log.info("%s", ", ".join(f"{v} {k}" for k, v in counts.items() if v))
            except (redis.RedisError, ServerDown, OSError) as error:
                log.warning("The reconciler waits: %s", error)

    def _present(self) -> None:
        """Sign the list of workers; the entry goes when nobody renews it."""
        name = f"{WORKERS}{socket.gethostname()}:{os.getpid()}"
        self.client.ledger.redis.set(name, "up", ex=max(2, int(4 * self.seconds)))
