"""Real servers for the end-to-end tests: one embedded stack for the session, in a temporary folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from services.queue.client import Client
from services.settings import PREFIX, Settings
from services.stack import Stack
from services.storage.s3 import S3Store
from surco.audio.io import write_wav
from tests.e2e.worker_process import Worker

pytest.register_assert_rewrite("tests.e2e.studio_browser")  # a plugin of the modules that name it


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Redis and S3, up; the stack ends with this process, whatever becomes of it."""
    stack = Stack(tmp_path_factory.mktemp("home") / "stack")
    stack.up(("redis", "s3"), owner=os.getpid())
    yield stack
    stack.down()
    shutil.rmtree(stack.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mlflow_stack(stack: Stack) -> Stack:
    """The same stack with MLflow too, which is started by the first test that asks for it."""
    stack.start_server("mlflow", timeout=280)
    return stack


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Settings:
    """Settings that point at the stack, with a home of this test's own."""
    return stack.settings(home=tmp_path / "home", lease_seconds=6, reconcile_seconds=1)


@pytest.fixture
def store(settings: Settings) -> S3Store:
    return S3Store(settings)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """A client on an empty ledger."""
    client = Client.open(settings)
    client.ledger.redis.flushdb()
    yield client
    client.ledger.redis.flushdb()


@pytest.fixture
def worker(settings: Settings, client: Client) -> Iterator[Callable[..., Worker]]:
    """Starts workers; those that still run are killed after the test."""
    started: list[Worker] = []

    def start(concurrency: int = 2) -> Worker:
        started.append(Worker(settings, concurrency))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two genres of fourteen short tracks each, made of seeded tones and noise."""
    root = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    time_axis = np.arange(22_050 * 6) / 22_050  # (T,)
    for genre in ("tones", "noise"):
        for number in range(14):
            tone = sum(np.sin(2 * np.pi * f * time_axis) for f in rng.uniform(100, 2000, 4)) / 8
            noise = rng.normal(0, 0.1, time_axis.shape) * (genre == "noise")
            beat = 0.6 + 0.4 * np.sign(np.sin(2 * np.pi * rng.uniform(1, 3) * time_axis))
            path = root / genre / f"{genre}-{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, ((tone + noise) * beat * 0.5).astype(np.float32), 22_050)
    return root
