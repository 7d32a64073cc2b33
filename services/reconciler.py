"""The reconciler: what puts right whatever a lost message or a dead worker left behind.

One of the workers' main processes runs it at a time. It re-rings queued jobs that have no doorbell,
takes back the jobs of workers whose lease ran out, and releases jobs whose needs are met.
"""

import logging
import os
import socket
import threading

import redis

from services.desk import Desk
from services.errors import ServerDown
from services.ledger import QUEUED, RUNNING, WAITING

log = logging.getLogger("surco.reconciler")

WORKERS = "surco:worker:"
GRACE = 5.0  # seconds a message may be between a queue and its unacked record


def reconcile(desk: Desk, *, grace: float = GRACE) -> dict[str, int]:
    """One look over the ledger; returns how many jobs were re-rung, taken back and released."""
    ledger, now = desk.ledger, desk.ledger.now()
    counts = {"rung": 0, "expired": 0, "released": 0}
    for job in ledger.in_state(RUNNING):
        held = ledger.redis.exists(f"surco:lease:{job.id}")
        if not held and now - job.started > grace:
            state = desk.bury(job, f"its worker {job.worker} died or lost its lease", fence=job.fence)
            counts["expired"] += bool(state)
    queued = [job for job in ledger.in_state(QUEUED) if now - job.queued > grace]
    waiting = desk.doorbell.waiting() if queued else set()
    delivered = desk.doorbell.delivered() if queued else set()
    for job in queued:
        # A worker that took a message and died before its claim leaves it delivered for a day.
        patience = desk.settings.lease_seconds if job.id in delivered else 0
        if job.id not in waiting and now - job.queued > patience:
            ledger.move(job.id, QUEUED, since=[QUEUED], queued=now)
            ledger.ring(job.queue, job.id)
            counts["rung"] += 1
    for job in ledger.in_state(WAITING):
        ledger.release(job.id)
        after = ledger.get(job.id)
        counts["released"] += bool(after and after.state != WAITING)
    return counts


class Reconciler(threading.Thread):
    """Calls `reconcile` every `seconds` while it holds the reconcilers' lock."""

    def __init__(self, desk: Desk, seconds: float):
        super().__init__(name="reconciler", daemon=True)
        self.desk, self.seconds = desk, seconds
        self.stop = threading.Event()

    def run(self) -> None:
        self._present()
        lock = self.desk.ledger.redis.lock(
            "surco:reconciler", timeout=3 * self.seconds, blocking=False, thread_local=False
        )
        while not self.stop.wait(self.seconds):
            try:
                self._present()
                if lock.owned():
                    lock.reacquire()
                elif not lock.acquire():
                    continue
                counts = reconcile(self.desk, grace=min(GRACE, self.seconds))
                if any(counts.values()):
                    log.info("%s", ", ".join(f"{v} {k}" for k, v in counts.items() if v))
            except (redis.RedisError, ServerDown, OSError) as error:
                log.warning("The reconciler waits: %s", error)

    def _present(self) -> None:
        """Sign the list of workers; the entry goes when nobody renews it."""
        name = f"{WORKERS}{socket.gethostname()}:{os.getpid()}"
        self.desk.ledger.redis.set(name, "up", ex=max(2, int(4 * self.seconds)))
