"""The reconciler: what puts right whatever a lost message or a dead worker left behind.

One of the workers' main processes runs it at a time. It sends lost messages anew,
takes back the jobs of workers whose lease ran out, and releases jobs whose needs are met.
"""

import logging
import os
import socket
import threading

import redis

from services.errors import ServerDown
from services.queue.client import Client
from services.queue.ledger import QUEUED, RUNNING, WAITING

log = logging.getLogger("surco.reconciler")

WORKERS = "surco:worker:"
GRACE = 5.0  # seconds a message may be between a queue and its unacked record


def reconcile(client: Client, *, grace: float = GRACE) -> dict[str, int]:
    """One look over the ledger; returns how many jobs were notified of, taken back and released."""
    ledger, now = client.ledger, client.ledger.now()
    counts = {"notified": 0, "expired": 0, "released": 0}
    for job in ledger.in_state(RUNNING):
        held = ledger.redis.exists(f"surco:lease:{job.id}")
        if not held and now - job.started > grace:
            state = client.mark_failed(
                job, f"its worker {job.worker} died or lost its lease", fence=job.fence
            )
            counts["expired"] += bool(state)
    queued = [job for job in ledger.in_state(QUEUED) if now - job.queued > grace]
    waiting = client.notifier.waiting() if queued else set()
    delivered = client.notifier.delivered() if queued else set()
    for job in queued:
        # A worker that took a message and died before its claim leaves it delivered for a day.
        patience = client.settings.lease_seconds if job.id in delivered else 0
        if job.id not in waiting and now - job.queued > patience:
            ledger.move(job.id, QUEUED, since=[QUEUED], queued=now)
            ledger.notify(job.queue, job.id)
            counts["notified"] += 1
    for job in ledger.in_state(WAITING):
        ledger.release(job.id)
        after = ledger.get(job.id)
        counts["released"] += bool(after and after.state != WAITING)
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
                counts = reconcile(self.client, grace=min(GRACE, self.seconds))
                if any(counts.values()):
                    log.info("%s", ", ".join(f"{v} {k}" for k, v in counts.items() if v))
            except (redis.RedisError, ServerDown, OSError) as error:
                log.warning("The reconciler waits: %s", error)

    def _present(self) -> None:
        """Sign the list of workers; the entry goes when nobody renews it."""
        name = f"{WORKERS}{socket.gethostname()}:{os.getpid()}"
        self.client.ledger.redis.set(name, "up", ex=max(2, int(4 * self.seconds)))
