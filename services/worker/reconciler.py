"""The reconciler: what puts right whatever a lost message or a dead worker left behind.

One of the workers' main processes runs it at a time. It sends lost messages anew,
takes back the jobs of workers whose lease ran out, and releases jobs whose needs are met.
"""

import logging
import threading
import time
from collections.abc import Callable

import redis
from redis.exceptions import LockError

from services.errors import ServerDown
from services.queue.client import Client
from services.queue.growing import grow_ready
from services.queue.hooks import tell_events
from services.worker.health import RECONCILER, Look, name, server_time, tell_look

log = logging.getLogger("surco.reconciler")

GRACE = 5.0  # seconds a lease may be missing, or a message be on its way
BATCH = 200  # jobs that one part of a round looks at
RENEW = 2.0  # seconds between two renewals of the lock in a long round


def reconcile(
    client: Client, *, grace: float = GRACE, batch: int = BATCH, renew: Callable[[], object] = lambda: None
) -> dict[str, int]:
    """One look over what may be left behind; returns how many jobs were notified of, taken back, released.

    Nothing here reads the whole ledger: each part takes at most `batch` jobs off an index, those that wait
    longest first, and the next round goes on. `renew` is called between the parts, each `RENEW` seconds, to
    keep the lock.
    """
    renew = _each(RENEW, renew)
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
    counts["grown"] = grow_ready(client)
    tell_events(client)
    return counts


def _each(seconds: float, call: Callable[[], object]) -> Callable[[], None]:
    """`call`, but at most once in so many seconds, from now on."""
    last = time.monotonic()

    def perhaps() -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            call()
            last = time.monotonic()

    return perhaps


class Reconciler(threading.Thread):
    """Calls `reconcile` every `seconds` while it holds the reconcilers' lock, and outlives every error."""

    def __init__(self, client: Client, seconds: float):
        super().__init__(name="reconciler", daemon=True)
        self.client, self.seconds = client, seconds
        self.stop = threading.Event()
        self.turned = time.monotonic()
        self._lock = client.ledger.redis.lock(
            "surco:reconciler", timeout=3 * seconds, blocking=False, thread_local=False
        )
        self._holder: tuple[str | None, str | None] = (None, None)
        self._seen = time.monotonic()
        self._told = ""

    def run(self) -> None:
        while not self.stop.wait(self.seconds):
            self.turn()

    def turn(self) -> None:
        """One look, if the lock is ours; never raises. What it met is told to the log and in Redis."""
        try:
            if self._mine():
                counts = reconcile(self.client, grace=min(GRACE, self.seconds), renew=self._renew)
                if any(counts.values()):
                    log.info("%s", ", ".join(f"{v} {k}" for k, v in counts.items() if v))
                self._tell(counts, "")
                self._told = ""
        except (redis.RedisError, ServerDown, OSError) as error:
            log.warning("The reconciler waits: %s", error)
            self._tell({}, str(error))
        except Exception as error:
            # A row nobody can read, a library's bug: the next look may be better, and no look is worse.
            problem = f"{type(error).__name__}: {error}"
            log.error("The reconciler met %s", problem, exc_info=problem != self._told)
            self._told = problem
            self._tell({}, problem)
        finally:
            self.turned = time.monotonic()

    def _renew(self) -> None:
        """Keep the lock during a long look, and let the others see that it goes on."""
        self._lock.reacquire()
        if time.monotonic() - self.turned > self.seconds:
            self.turned = time.monotonic()
            self._tell({}, "")

    def _mine(self) -> bool:
        """Whether the lock is ours, renewed or taken now."""
        if self._lock.owned():
            self._lock.reacquire()
            return True
        if self._lock.acquire():
            return True
        return self._take_from_the_dead()

    def _take_from_the_dead(self) -> bool:
        """Take the lock of a holder whose health key stood still for twice its time, on our own clock.

        Redis counts a lock's time on the wall clock: set back by a day, it keeps a dead holder's lock a day.
        """
        client, now = self.client.ledger.redis, time.monotonic()
        holder = client.get(self._lock.name), client.get(RECONCILER)
        if holder != self._holder:
            self._holder, self._seen = holder, now
            return False
        if holder[0] is None or now - self._seen < 6 * self.seconds:
            return False
        try:
            self._lock.do_release(holder[0])  # compares the token on the server, then deletes
        except LockError:
            return False
        log.warning("The lock of a reconciler that has stood still was broken.")
        return bool(self._lock.acquire())

    def _tell(self, counts: dict[str, int], error: str) -> None:
        try:
            client = self.client.ledger.redis
            tell_look(client, Look(name(), server_time(client), counts, error[:300]))
        except Exception as problem:
            log.debug("The reconciler's health was not told: %s", problem)
