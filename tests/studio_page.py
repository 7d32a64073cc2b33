"""A page of the studio as tests see it: sessions, songs and questions to the application, without a browser.

A module that names this one in `pytest_plugins` has its fixtures.
"""

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from surco.studio import material
from surco.studio.app import create_app
from surco.studio.limits import Limits
from surco.studio.opening import DEMO

HOST = "http://localhost"
JAZZ = next((DEMO / "jazz").glob("*.ogg"))


class Threads:
    """A pool in this process."""

    def __init__(self, count: int = 1):
        self._pool = ThreadPoolExecutor(count)

    def run(self, function: Any, args: tuple[Any, ...], seconds: float) -> Future[Any]:
        return self._pool.submit(function, *args)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def studio(limits: Limits | None = None, **how: Any) -> TestClient:
    """A client of the application, without a socket."""
    return TestClient(create_app(Threads, limits=limits, **how), base_url=HOST)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Temporary files of this module in a folder of its own."""
    import tempfile

    folder, before = tmp_path_factory.mktemp("temporary"), tempfile.tempdir
    tempfile.tempdir = str(folder)
    yield folder
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def client(temporary: Path) -> Iterator[TestClient]:
    with studio() as client:
        yield client


class Page:
    """What a page in a browser does: a session, songs, questions."""

    def __init__(self, client: TestClient):
        self.client = client
        answer = client.post("/api/session", headers={"x-surco-session": "new"})
        assert answer.status_code == 201, answer.text
        self.headers = {"x-surco-session": answer.json()["id"]}

    def post(self, path: str, **how: Any) -> Any:
        return self.client.post(path, headers={**self.headers, **how.pop("headers", {})}, **how)

    def open(self, data: bytes, name: str, *, what: str = "songs") -> Any:
        return self.post(f"/api/{what}", content=data, headers={"x-surco-name": name})

    def song(self, data: bytes | None = None, name: str = "a song.wav") -> str:
        answer = self.open(two_clips() if data is None else data, name)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ask(self, song: str, what: str, **question: Any) -> Any:
        return self.post(f"/api/songs/{song}/{what}", json=question)


def two_clips() -> bytes:
    """A WAV of 8 s: two of the shipped clips."""
    waves = [soundfile.read(p, dtype="float32")[0] for p in sorted((DEMO / "jazz").glob("*.ogg"))[:2]]
    return wav(np.concatenate(waves)[: 8 * 22_050])


def wav(wave: np.ndarray, rate: int = 22_050) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def samples(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    found: np.ndarray = soundfile.read(io.BytesIO(answer.content), dtype="int16")[0]
    return found


@pytest.fixture(scope="module")
def page(client: TestClient) -> Page:
    return Page(client)


@pytest.fixture(scope="module")
def song(page: Page) -> str:
    return page.song()


@pytest.fixture(scope="module")
def vectors(client: TestClient) -> np.ndarray:
    wave = soundfile.read(io.BytesIO(two_clips()), dtype="float32")[0]
    return np.asarray(material.codec().encode_long(wave))
