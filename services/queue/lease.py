"""A lease on a job: a lock on the server's clock that a thread renews, and that can be lost.

The script that claims a job takes the lease as well (`lua/claim.lua`); this module makes its token, keeps it
alive and lets it go.
"""

import os
import socket
import threading
import time
import uuid
from functools import cache
from pathlib import Path
from types import TracebackType

import redis
from redis.exceptions import LockError
from redis.lock import Lock


class Lease:
    """The right to run a job, held under `token` and renewed every sixth of its length once entered."""

    def __init__(self, client: redis.Redis, job_id: str, token: str, seconds: float = 60.0):
        self.seconds = seconds
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._lock = Lock(client, f"surco:lease:{job_id}", timeout=seconds, thread_local=False)
        self._lock.local.token = token.encode()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{job_id[:8]}", daemon=True)

    def _renew(self) -> None:
        good_until = time.monotonic() + self.seconds
        while not self._stop.wait(self.seconds / 6):
            asked = time.monotonic()
            try:
                self._lock.reacquire()
                good_until = asked + self.seconds
            except LockError:
                break
            except redis.RedisError:
                # The server may be restarting: ours until the time we were granted has run out.
                if time.monotonic() >= good_until:
                    break
        if not self._stop.is_set():
            self.lost.set()

    def release(self) -> None:
        """Stop renewing and let go; a lease that is gone, or a server that is, is no error.

        Whatever moves a job out of `running` has let go of its lease already.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        try:
            self._lock.release()
        except (LockError, redis.RedisError):
            self.lost.set()

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def new_token() -> str:
    """A token for one claim of this process: `place:pid:start:random`."""
    return f"{_place()}:{os.getpid()}:{_start(os.getpid())}:{uuid.uuid4().hex}"


def holder_is_dead(token: str) -> bool:
    """Whether the process that made a token is known to be dead, so that nobody need wait for its lease.

    Only a process of this place can be judged from here, by its number and when it was started.
    """
    place, _, rest = token.partition(":")
    pid, _, rest = rest.partition(":")
    start = rest.partition(":")[0]
    if place != _place() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return bool(start) and _start(int(pid)) not in ("", start)


@cache
def _place() -> str:
    """Host, boot and PID namespace: within one place a process number means one process.

    Containers often share a host's name, and a host's numbers begin anew when it boots.
    """
    parts = [socket.gethostname().replace(":", "-")]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    except OSError:
        pass  # no Linux: the name alone
    return "/".join(parts)


def _start(pid: int) -> str:
    """When a process was started, in the kernel's ticks since boot; "" where that cannot be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
