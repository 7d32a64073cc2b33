"""A job's process that died: what killed it, told to the ledger by the worker that saw it."""

import contextlib
import logging
import queue
import re
import socket
import threading
import time
from typing import Any

import redis
from billiard.einfo import ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request as CeleryRequest

from services.errors import ServerDown
from services.queue.client import Client
from services.queue.ledger import RUNNING
from services.worker.kernels import renew_kernels

log = logging.getLogger("surco.worker")

_CAUSES = {
    "SIGSEGV": "memory access in native code",
    "SIGBUS": "memory access in native code",
    "SIGABRT": "native code gave up",
    "SIGILL": "an instruction this processor does not know",
    "SIGFPE": "arithmetic in native code",
    "SIGKILL": "killed from outside, perhaps for want of memory",
}


def explain(text: str) -> str:
    """The reason for the ledger, from billiard's "Worker exited prematurely: signal 11 (SIGSEGV) Job: 3."."""
    if found := re.search(r"signal \d+ \((\w+)\)", text):
        signal = found[1]
        return f"its process died of {signal} ({_CAUSES.get(signal, 'killed from outside')})"
    if found := re.search(r"exitcode (\d+)", text):
        return f"its process ended with exit code {found[1]}"
    return f"its process was lost ({text[:100]})"


class Deaths(threading.Thread):
    """Writes deaths to the ledger, off the consumer's loop; tries for as long as the lease would last."""

    def __init__(self) -> None:
        super().__init__(name="deaths", daemon=True)
        self._seen: queue.Queue[tuple[str, str]] = queue.Queue()
        self._client: Client | None = None

    def see(self, pid: int, reason: str) -> None:
        self._seen.put((f"{socket.gethostname()}:{pid}", reason))

    def begin(self, client: Client) -> None:
        """Start with the client to tell."""
        self._client = client
        self.start()

    def run(self) -> None:
        assert self._client is not None
        while True:
            worker, reason = self._seen.get()
            with contextlib.suppress(OSError):
                renew_kernels(reason)
            give_up = time.monotonic() + self._client.settings.lease_seconds
            while True:
                try:
                    tell_death(self._client, worker, reason)
                    break
                except (redis.RedisError, ServerDown, OSError) as error:
                    if time.monotonic() > give_up:
                        log.warning("The death of %s is left to the reconciler: %s", worker, error)
                        break
                    time.sleep(1)
                except Exception:
                    log.exception("The death of %s could not be told.", worker)
                    break


def tell_death(client: Client, worker: str, reason: str) -> str:
    """Fail the attempt that ran in the dead process `worker` (host:pid); its state then, "" if there is none.

    The ledger knows which job that was: its message may have named another.
    """
    job = client.ledger.run_by(worker)
    if job is None or job.state != RUNNING or job.worker != worker:
        return ""
    state = client.mark_failed(job, reason)
    if state:
        client.ledger.log(job.id, f"Attempt {job.attempts}: {reason}.")
        log.error("Job %s: %s", job.id[:12], reason)
    return state


DEATHS = Deaths()


class Request(CeleryRequest):
    """Celery's view of a running job, which hears of its process's death."""

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        error = exc_info.exception
        error = error.exc if isinstance(error, ExceptionWithTraceback) else error
        ours = self._already_cancelled or self._already_revoked  # the worker itself told it to go
        if isinstance(error, WorkerLostError | SystemExit) and not ours and self.worker_pid:
            DEATHS.see(self.worker_pid, explain(str(error)))
        return super().on_failure(exc_info, *args, **options)
