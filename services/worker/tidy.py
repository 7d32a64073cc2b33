"""What killed attempts leave on this machine: work folders, half-fetched files, messages never told.

A worker clears them away at its start, and `surco gc` when asked. Nothing is touched that a running attempt
of any worker on this home may be using: the ledger says which attempts run, and what is young stays.
"""

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from services.queue.ledger import RUNNING, Ledger
from services.settings import Settings
from services.worker.health import ALIVE

log = logging.getLogger("surco.worker")

DAY = 86_400.0
LEASES = 10  # lease times without a write after which a work folder that no attempt has is left behind


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nobody needs any more."""

    path: Path
    size: int
    why: str


def leftovers(
    settings: Settings, ledger: Ledger, *, older_than: float = DAY, now: float | None = None
) -> list[Leftover]:
    """What can go at the time `now`, in s since the epoch; `redis.RedisError` where the ledger is away."""
    now = time.time() if now is None else now
    found = list(_work(settings, ledger, now))
    for path in sorted(settings.cache.glob("*/**/*.part")):
        if now - path.stat().st_mtime > older_than:
            found.append(Leftover(path, size_of(path), "half fetched"))
    jobs = [path for path in sorted(settings.cache.glob("*")) if path.is_dir()]
    known = ledger.states([path.name for path in jobs])
    if known:  # an empty ledger was wiped: what is cached is wanted again after `surco rebuild`
        for path in jobs:
            if path.name not in known and now - newest(path) > older_than:
                found.append(Leftover(path, size_of(path), "cache of a job that is gone"))
    for path in sorted(settings.outbox.with_name("outbox-aside").glob("*")):
        if now - newest(path) > max(older_than, 30 * DAY):
            found.append(Leftover(path, size_of(path), "could not be told to MLflow"))
    for path in sorted((settings.home / ALIVE).glob("*")):
        if now - newest(path) > DAY:
            found.append(Leftover(path, size_of(path), "sign of life of a worker that is gone"))
    return found


def _work(settings: Settings, ledger: Ledger, now: float) -> Iterator[Leftover]:
    """Work folders, named `<job>-<attempt>`, of attempts that do not run."""
    running = {f"{job.id[:16]}-{job.attempt_id}" for job in ledger.in_state(RUNNING)}
    for path in sorted(settings.work.glob("*")):
        # An attempt that lost its lease goes on until its next beat.
        if (
            path.is_dir()
            and path.name not in running
            and now - newest(path) > LEASES * settings.lease_seconds
        ):
            yield Leftover(path, size_of(path), "work of an attempt that was killed")


def remove(found: Leftover) -> None:
    """Take it away; no matter if another worker does the same."""
    if found.path.is_dir():
        shutil.rmtree(found.path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            found.path.unlink()


def tidy(settings: Settings, ledger: Ledger, *, now: float | None = None) -> int:
    """Clear away what can go; returns how many bytes that were. Never raises: it is not worth a worker."""
    try:
        found = leftovers(settings, ledger, now=now)
    except (redis.RedisError, OSError) as error:
        log.info("Nothing was cleared away: %s", error)
        return 0
    for one in found:
        remove(one)
    size = sum(one.size for one in found)
    if found:
        log.info("Cleared away %d leftovers of killed attempts, %.1f MB.", len(found), size / 1e6)
    return size


def start_tidying(settings: Settings, ledger: Ledger) -> None:
    """`tidy`, beside whatever else starts."""
    threading.Thread(target=tidy, args=(settings, ledger), name="tidy", daemon=True).start()


def newest(path: Path) -> float:
    """When something in a folder was last written, s since the epoch."""
    with contextlib.suppress(OSError):
        return max((p.lstat().st_mtime for p in (path, *path.rglob("*"))), default=0.0)
    return time.time()  # somebody is at it


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    total = 0
    for file in (path, *path.rglob("*")):
        with contextlib.suppress(OSError):
            total += file.lstat().st_size if file.is_file() else 0
    return total
