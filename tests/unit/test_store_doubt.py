"""Conditional writes in doubt: conflicts and lost answers are resolved by reading what is there.

The store here is a few lines of HTTP whose faults come on order; the servers we run are asked in
`tests/e2e/test_store.py`.
"""

import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from services.errors import ServerDown
from services.settings import Settings
from services.storage.retrying import RetryingStore
from services.storage.s3 import S3Store

KEY = "jobs/x/DONE.json"


class Bucket(ThreadingHTTPServer):
    """Objects by path, and the faults of the next conditional writes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.faults: list[str] = []
        self.writes = 0


class Handler(BaseHTTPRequestHandler):
    """PUT with If-None-Match, GET."""

    server: Bucket

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        data = self.server.objects.get(self._path())
        if data is None:
            missing = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
            return self._answer(404, missing)
        return self._answer(200, data)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.writes += 1
        fault = self.server.faults.pop(0) if self.server.faults else ""
        assert self.headers["If-None-Match"] == "*"
        if fault == "409":
            return self._answer(409, b"")
        if fault == "another wins":
            self.server.objects[self._path()] = b"another's"
            return self._answer(409, b"")
        if self._path() in self.server.objects:
            return self._answer(412, b"")
        if fault == "refused, then gone":
            return self._answer(412, b"")
        self.server.objects[self._path()] = data
        if fault == "answer lost":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return None
        return self._answer(200, b"")

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/xml")
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    server = Bucket()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def store(bucket: Bucket, tmp_path: Path, attempts: int = 3) -> S3Store:
    address = f"127.0.0.1:{bucket.server_address[1]}"
    keys = {"s3_access_key": "k", "s3_secret_key": SecretStr("s")}
    settings = Settings(home=tmp_path, s3_endpoint=address, **keys)  # type: ignore[arg-type]
    return S3Store(settings, attempts=attempts)


@pytest.mark.parametrize(
    ("faults", "written", "there", "writes"),
    [
        ([], True, b"ours", 1),
        (["409"], True, b"ours", 2),
        (["409", "409"], True, b"ours", 3),
        (["another wins"], False, b"another's", 1),
        (["409", "another wins"], False, b"another's", 2),
        (["refused, then gone"], True, b"ours", 2),
        (["answer lost"], True, b"ours", 2),
        (["409", "answer lost"], True, b"ours", 3),
    ],
)
def test_what_is_there_decides(
    bucket: Bucket, tmp_path: Path, faults: list[str], written: bool, there: bytes, writes: int
) -> None:
    bucket.faults = list(faults)
    assert store(bucket, tmp_path).put_bytes(KEY, b"ours", if_absent=True) is written
    assert list(bucket.objects.values()) == [there] and bucket.writes == writes


def test_what_was_there_before_is_not_ours(bucket: Bucket, tmp_path: Path) -> None:
    one = store(bucket, tmp_path)
    assert one.put_bytes(KEY, b"same", if_absent=True)
    assert not one.put_bytes(KEY, b"same", if_absent=True)


def test_a_conflict_without_end_is_a_server_that_is_down(bucket: Bucket, tmp_path: Path) -> None:
    bucket.faults = ["409"] * 9
    with pytest.raises(ServerDown, match="refuses to write"):
        store(bucket, tmp_path).put_bytes(KEY, b"ours", if_absent=True)
    assert bucket.objects == {}


@pytest.mark.parametrize("theirs", [False, True])
def test_an_answer_lost_in_an_outage_is_asked_for_after_it(
    bucket: Bucket, tmp_path: Path, theirs: bool
) -> None:
    """The last try of one call was written; the call that follows the outage finds the key taken."""
    bucket.faults = ["answer lost"]
    said: list[str] = []
    patient = RetryingStore(store(bucket, tmp_path, attempts=1), lambda: None, said.append)
    if theirs:
        bucket.faults = ["another wins"]
    assert patient.put_bytes(KEY, b"ours", if_absent=True) is not theirs
    assert (len(said) == 1) is not theirs
