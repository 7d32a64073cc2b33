"""A lease on a job: a lock on the server's clock that a thread renews, and that can be lost."""

import os
import socket
import threading
import time
import uuid
from types import TracebackType

import redis
from redis.exceptions import LockError
from redis.lock import Lock


class Lease:
    """Exclusive right to run a job, renewed every sixth of its length.

    The token names host and process, so that a worker on the same host can tell a dead holder from a
    busy one and need not wait for the lease to run out.
    """

    def __init__(self, client: redis.Redis, job_id: str, seconds: float = 60.0):
        self.seconds = seconds
        self.lost = threading.Event()
        self._stop = threading.Event()
        self._lock = Lock(client, f"surco:lease:{job_id}", timeout=seconds, thread_local=False)
        self._redis = client
        self._thread = threading.Thread(target=self._renew, name=f"lease-{job_id[:8]}", daemon=True)

    def acquire(self) -> bool:
        """Try once; True if the lease is ours now."""
        token = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        got = self._lock.acquire(blocking=False, token=token)
        if not got and (holder := self._dead_holder()):
            try:
                self._lock.do_release(holder)  # compares the token on the server, then deletes
            except LockError:
                return False
            got = self._lock.acquire(blocking=False, token=token)
        if got:
            self._thread.start()
        return bool(got)

    def _dead_holder(self) -> str | None:
        token = self._redis.get(self._lock.name)
        text = token.decode() if isinstance(token, bytes) else str(token or "")
        host, _, rest = text.partition(":")
        pid = rest.partition(":")[0]
        if host != socket.gethostname() or not pid.isdigit():
            return None
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return text
        except PermissionError:
            return None
        return None

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
        """Stop renewing and let go; a lease that was lost, or a server that is gone, is no error."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        try:
            self._lock.release()
        except (LockError, redis.RedisError):
            self.lost.set()

    def __enter__(self) -> "Lease":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
