"""One job from claim to DONE.json, in the process that Celery spawned for it."""

import logging
import os
import shutil
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any

import redis

from jobs.closure import code_version
from jobs.context import Context, Stopped
from jobs.kinds import all_kinds, find_kind, parse_spec
from services.queue.client import Client
from services.queue.growing import grow_ready
from services.queue.lease import Lease
from services.queue.ledger import CANCELLED, DEAD, QUEUED, RUNNING, Job
from services.storage.retrying import RetryingStore
from services.tracking.tracker import MlflowTracker
from services.worker.cost import Meter
from services.worker.parting import hand_on, has_room, insist, step_aside
from surco.errors import InputError
from surco.files import is_disk_full

log = logging.getLogger("surco.worker")

PARTING = (signal.SIGTERM, signal.SIGQUIT)


class Unpublished(Exception):
    """A job ran to its end, and what says so is not in the store."""


class Beat:
    """The job's pulse: raises `Stopped` once lease or job is lost, or the worker is told to go."""

    def __init__(self, client: Client, job: Job, lease: Lease):
        self.client, self.job, self.lease = client, job, lease
        self.leaving = threading.Event()
        self._looked = 0.0

    def __call__(self) -> None:
        if self.lease.lost.is_set():
            raise Stopped("the lease is lost")
        if self.leaving.is_set():
            raise Stopped("the worker shuts down")
        if time.monotonic() - self._looked < 1.0:
            return
        self._looked = time.monotonic()
        try:
            state = self.client.ledger.holds(self.job.id, self.job.attempt_id)
        except redis.RedisError:
            return  # the lease's own clock decides how long we may go on without the server
        if state != RUNNING:
            raise Stopped(f"the ledger says it is {state}")

    def leave(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: stop at the next beat."""
        self.leaving.set()


def run_job(client: Client, job_id: str) -> str:
    """Claim, run and publish a job; returns the state it was left in, or "" if there was none to run.

    The message's job says which queue has work; the ledger says which job that is. "refused" where all that
    is queued there was asked for by other code than this process has.
    """
    host = socket.gethostname()
    if not has_room(client, job_id, host):
        return ""
    codes = {kind: code_version(kind) for kind in all_kinds()}
    claim = client.claim(job_id, f"{host}:{os.getpid()}", codes=codes)
    if claim is None or isinstance(claim, str):
        return claim or ""
    with Lease(client.ledger.redis, claim.job.id, claim.token, client.settings.lease_seconds) as lease:
        return _under_lease(client, claim.job, lease)


def _under_lease(client: Client, job: Job, lease: Lease) -> str:
    beat = Beat(client, job, lease)
    # Celery tells its children to go by SIGTERM, or by SIGQUIT where REMAP_SIGTERM says so; its own handler
    # would end the process here and now, and the attempt would count as a death.
    previous = {n: signal.signal(n, beat.leave) for n in PARTING} if _main_thread() else {}
    try:
        return _attempt(client, job, beat)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _attempt(client: Client, job: Job, beat: Beat) -> str:
    """Run the job; whatever happens, the ledger hears how it ended."""
    lease, tracker, log_line = beat.lease, None, _logger(client, job)
    context, meter = None, Meter()
    try:
        kind = find_kind(job.kind)
        if kind.tracked:
            tracker = MlflowTracker(client.settings, job, sweep_name=client.ledger.sweep_name(job.sweep))
        context = _context(client, job, beat, tracker, log_line)
        done = context.done(job.id)
        if done is None:
            spec = parse_spec(job.kind, job.spec)
            shutil.rmtree(context.workdir, ignore_errors=True)
            if tracker:
                tracker.begin(job)
            context.publish(kind.run(spec, context))
            done = context.done(job.id)
        if done is None:
            raise Unpublished("S3 took DONE.json and does not have it")
        result = done["result"]
        insist(lease, lambda: client.ledger.finish(job.id, result, attempt=job.attempt_id))
        if kind.grows:
            _grow(client)
        return _close(tracker, "FINISHED", "done")
    except Stopped as stop:
        if beat.leaving.is_set():
            insist(lease, lambda: client.ledger.requeue(job.id, attempt=job.attempt_id))
        log_line(f"Stopped: {stop}.")
        return _close(tracker, "KILLED" if _cancelled(client, job) else "", "stopped")
    except (MemoryError, Exception) as error:
        reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if is_disk_full(error):
            log_line(reason)
            _sweep(context)
            state = hand_on(client, job, lease, reason)
            if state == QUEUED:
                lease.release()
                step_aside(client.settings, beat.leaving.is_set)
            return _close(tracker, "FAILED" if state == DEAD else "", state)
        fatal = isinstance(error, InputError)
        log_line(reason if fatal else traceback.format_exc().rstrip())
        state = insist(lease, lambda: client.mark_failed(job, reason, fatal=fatal)) or ""
        return _close(tracker, "FAILED" if fatal or state == DEAD else "", state)
    finally:
        _unless_down(client.ledger.cost, job.id, meter.read())
        _sweep(context)


def _grow(client: Client) -> None:
    """Add the second round that the job has made possible; what hinders it here is left to the reconciler."""
    try:
        grow_ready(client)
    except redis.RedisError as error:
        log.warning("The second round is left to the reconciler: %s", error)


def _sweep(context: Context | None) -> None:
    if context is not None:
        shutil.rmtree(context.workdir, ignore_errors=True)


def _cancelled(client: Client, job: Job) -> bool:
    try:
        return client.ledger.holds(job.id, job.attempt_id) == CANCELLED
    except redis.RedisError:
        return False


def _logger(client: Client, job: Job) -> Callable[[str], None]:
    def write_log(line: str) -> None:
        log.info("%s %s", job.id[:12], line)
        _unless_down(client.ledger.log, job.id, line)

    return write_log


def _context(client: Client, job: Job, beat: Beat, tracker: Any, write_log: Callable[[str], None]) -> Context:
    told = 0.0

    def progress(done: float, total: float, note: str) -> None:
        nonlocal told
        if time.monotonic() - told > 0.5 or done >= total:
            told = time.monotonic()
            _unless_down(client.ledger.progress, job.id, done, total, note)

    return Context(
        job_id=job.id, store=RetryingStore(client.store, beat, write_log), tracker=tracker,
        workdir=client.settings.work / f"{job.id[:16]}-{job.attempt_id}", device=_device(), fence=job.fence,
        sweep=job.sweep,
        attempt_id=job.attempt_id, code=job.code,
        log=write_log, beat=beat, on_progress=progress, cache=client.settings.cache,
    )  # fmt: skip


def _unless_down(call: Any, *args: Any) -> None:
    """Log lines and progress are not worth a job: a Redis that is away is no reason to fail."""
    try:
        call(*args)
    except redis.RedisError:
        log.debug("Redis is away; a log line or progress mark was not kept.")


def _close(tracker: MlflowTracker | None, status: str, state: str) -> str:
    if tracker:
        tracker.close(status)
    return state


def _device() -> str:
    """The device of this process: its GPU if `nvidia-smi`'s driver is there, else the cores."""
    if not os.path.exists("/proc/driver/nvidia"):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
