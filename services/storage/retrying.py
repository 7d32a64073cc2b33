"""A store that waits for S3 to come back, so that an outage costs a job time and nothing else."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jobs.context import Store
from services.errors import ServerDown

_T = TypeVar("_T")


class RetryingStore:
    """`jobs.context.Store` over another; while the server is down it waits, beats and says so.

    Raises `ServerDown` once `patience` seconds have passed, and whatever `beat` raises.
    """

    def __init__(
        self, store: Store, beat: Callable[[], None], log: Callable[[str], None], *, patience: float = 3600.0
    ):
        self._store, self._beat, self._log, self._patience = store, beat, log, patience

    def put(self, key: str, path: Path) -> None:
        self._wait(lambda: self._store.put(key, path))

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        in_doubt = False

        def write() -> bool:
            nonlocal in_doubt
            try:
                written = self._store.put_bytes(key, data, if_absent=if_absent)
            except ServerDown:
                in_doubt = True  # it may have been written, and only the answer was lost
                raise
            return written or (in_doubt and self._store.get_bytes(key) == data)

        return self._wait(write)

    def get(self, key: str, path: Path) -> None:
        self._wait(lambda: self._store.get(key, path))

    def get_bytes(self, key: str) -> bytes | None:
        return self._wait(lambda: self._store.get_bytes(key))

    def keys(self, prefix: str) -> list[str]:
        return self._wait(lambda: self._store.keys(prefix))

    def delete(self, key: str) -> None:
        self._wait(lambda: self._store.delete(key))

    def _wait(self, request: Callable[[], _T]) -> _T:
        give_up = time.monotonic() + self._patience
        pause = 0.5
        while True:
            try:
                return request()
            except ServerDown as down:
                if time.monotonic() >= give_up:
                    raise
                if pause == 0.5:
                    self._log(f"{down} Waiting for it.")
                self._beat()
                time.sleep(pause)
                pause = min(pause * 1.5, 10.0)
