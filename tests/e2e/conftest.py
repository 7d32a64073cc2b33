"""Real servers for the end-to-end tests: one embedded stack for the session, in a temporary folder."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import PREFIX, Settings
from services.stack import Stack
from services.store import S3Store


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
    stack.start_server("mlflow", timeout=180)
    return stack


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Settings:
    """Settings that point at the stack, with a home of this test's own."""
    return stack.settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings) -> S3Store:
    return S3Store(settings)
