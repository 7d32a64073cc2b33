"""A worker that was told to go ends, whatever its main thread hangs on."""

import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

log = logging.getLogger("surco.worker")

MARGIN = 20.0  # seconds beyond the soft shutdown: to cancel jobs, which write a checkpoint, and to close
LAST = 3.0  # seconds that children have between SIGTERM and SIGKILL


class Ending(threading.Thread):
    """Watches for signals that end the worker, and ends it by force when its time is up.

    The interpreter writes the numbers of signals to a socket (`signal.set_wakeup_fd`) even while the main
    thread is stuck in a call, so that a signal handler that cannot run is no way to stay. A warm shutdown
    (SIGTERM, unless REMAP_SIGTERM is set) has no limit while jobs run.

    Parameters
    ----------
    soft_s : float
        Celery's soft shutdown, s: how long jobs may go on by themselves.
    busy : callable
        How many jobs run.
    leave : callable
        Ends this process at once; given by tests.
    """

    def __init__(
        self,
        soft_s: float,
        busy: Callable[[], int],
        *,
        margin: float = MARGIN,
        leave: Callable[[], None] | None = None,
    ):
        super().__init__(name="ending", daemon=True)
        self.limit = soft_s + margin
        self.busy, self._leave = busy, leave or leave_now
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)

    def watch(self) -> None:
        """Begin; call it in the main thread."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self.start()

    def run(self) -> None:
        cold = self._wait()
        end = time.monotonic() + self.limit
        while (warm := not cold and self.busy() > 0) or time.monotonic() < end:
            if warm:
                end = time.monotonic() + self.limit
            self._reader.settimeout(0.5)
            with contextlib.suppress(OSError):
                cold = cold or _cold(self._reader.recv(64), again=True)
        log.error("The worker did not end within %.0f s of being told to; it is ended now.", self.limit)
        self._leave()

    def _wait(self) -> bool:
        """Block until a signal comes that ends the worker; True if it ends jobs as well."""
        self._reader.settimeout(None)
        while True:
            numbers = self._reader.recv(64)
            if any(n in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT) for n in numbers):
                return _cold(numbers, again=False)


def _cold(numbers: bytes, *, again: bool) -> bool:
    if signal.SIGQUIT in numbers or (again and signal.SIGINT in numbers):
        return True
    return signal.SIGTERM in numbers and os.environ.get("REMAP_SIGTERM") == "SIGQUIT"


def leave_now() -> None:
    """Say where each thread stands, end the children, and go."""
    import psutil

    faulthandler.dump_traceback(file=sys.stderr)
    children = psutil.Process().children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.terminate()
    _, left = psutil.wait_procs(children, timeout=LAST)
    for child in left:
        with contextlib.suppress(psutil.Error):
            child.kill()
    os._exit(1)
