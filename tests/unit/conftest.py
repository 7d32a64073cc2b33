"""What the unit tests share: a real Valkey of a module's own, emptied before each test, and a queue on it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from jobs.local import FolderStore
from services.errors import ServerDown
from services.queue.broker import Notifier
from services.queue.client import Client
from services.queue.ledger import Ledger
from services.settings import PREFIX, Settings
from services.storage.s3 import Stored
from tests.private_valkey import PrivateValkey
from tests.tracking_field import Field

pytest.register_assert_rewrite("tests.studio_page", "song_jobs")  # plugins of the modules that name it


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """As workers of jobs and of the studio have: sums in another order are other bytes."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="module")
def _server() -> Iterator[PrivateValkey]:
    with PrivateValkey() as server:
        yield server


@pytest.fixture
def valkey(_server: PrivateValkey) -> PrivateValkey:
    """A running, empty Valkey."""
    with _server.client() as client:
        client.flushall()
    return _server


class Store(FolderStore):
    """A folder as object storage that can be `away`, as S3 may be."""

    away = False

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        self._there()
        return super().put_bytes(key, data, if_absent=if_absent)

    def get_bytes(self, key: str) -> bytes | None:
        self._there()
        return super().get_bytes(key)

    def keys(self, prefix: str) -> list[str]:
        self._there()
        return super().keys(prefix)

    def objects(self, prefix: str) -> list[Stored]:
        files = [(key, (self.root / key).stat()) for key in self.keys(prefix)]
        return [Stored(key, stat.st_size, stat.st_mtime) for key, stat in files]

    def delete(self, key: str) -> None:
        self._there()
        super().delete(key)

    def _there(self) -> None:
        if self.away:
            raise ServerDown("S3", "a folder")


@pytest.fixture
def queue(valkey: PrivateValkey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the queue on an empty ledger and an empty store, without a worker."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    settings = Settings(home=tmp_path / "home", redis_url=valkey.url, lease_seconds=6)
    with redis.Redis.from_url(valkey.url, decode_responses=True) as connection:
        notifier = Notifier(connection)
        yield Client(settings, Ledger(connection, notifier.many), Store(tmp_path / "store"), notifier)  # type: ignore[arg-type]


@pytest.fixture
def field(tmp_path: Path, valkey: PrivateValkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[Field]:
    """Outboxes, senders and a store of MLflow's own beside a private Valkey."""
    monkeypatch.chdir(tmp_path)  # the store keeps artifacts beside the working folder
    found = Field(tmp_path, valkey)
    yield found
    found.redis.close()
