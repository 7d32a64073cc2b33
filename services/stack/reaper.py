"""The reaper: a process that outlives the supervisor by just as long as it takes to kill what is left.

The supervisor starts this file by its path, so that it imports nothing and is there at once. It inherits the
folder's lock and reads from a pipe which process groups there are; when the pipe ends, however the supervisor
ended, it kills those groups and only then lets the lock go.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Reaper:
    """The supervisor's side: tells of groups, and starts another reaper where one was killed."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder, self.lock = folder, lock
        self.groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self.tend()

    def watch(self, group: int) -> None:
        self.groups.add(group)
        self._tell([f"+{group}"])

    def forget(self, group: int) -> None:
        self.groups.discard(group)
        self._tell([f"-{group}"])

    def tend(self) -> None:
        """Start a reaper where there is none, and tell it of every group."""
        if self._process is not None and self._process.poll() is None:
            return
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", __file__, str(self.folder)], cwd="/", stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[self.lock],
                start_new_session=True,
            )  # fmt: skip
        except OSError:
            return  # no memory or no process number left: at the next tick
        self._tell([f"+{group}" for group in self.groups])

    def _tell(self, lines: list[str]) -> None:
        if self._process is None or self._process.stdin is None:
            return
        # A reaper that was killed: the next `tend` starts another, which is told of all groups.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._process.stdin.fileno(), "".join(f"{line}\n" for line in lines).encode())


def reap() -> None:
    """The reaper's side."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(_alive, groups)):
        time.sleep(0.02)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    reap()
