"""What a job tells, where it can be seen, and that MLflow is asked once."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.queue.ledger import Job
from services.settings import Settings
from services.tracking import addresses
from services.tracking.attempts import Entry, attempts
from services.tracking.mlflow_client import open_client
from services.tracking.tracker import MlflowTracker


def tracker(tmp_path: Path) -> MlflowTracker:
    return MlflowTracker(Settings(home=tmp_path), Job("j", "noop", "cpu", "running", {"seed": 3}))


def told(tmp_path: Path) -> list[Entry]:
    return [e for a in attempts(tmp_path / "outbox" / "j") for e in a.everything()]


def test_sounds_lie_one_folder_deep_and_other_files_where_they_were_put(tmp_path: Path) -> None:
    one = tracker(tmp_path)
    for name, folder in (
        ("x.wav", "listening/blues.00001"),
        ("y.flac", "songs"),
        ("z.wav", ""),
        ("p.png", "a/b"),
    ):
        (tmp_path / name).write_bytes(b"x")
        one.artifact(tmp_path / name, folder)
    found = [f"{e.folder}/{Path(e.artifact or '').name}" for e in told(tmp_path)]
    assert found == ["listening/blues.00001-x.wav", "songs/y.flac", "/z.wav", "a/b/p.png"]


def test_what_a_job_tells_never_fails_it(tmp_path: Path) -> None:
    one = tracker(tmp_path)
    one.metrics({"a": 1, "b": "no number", "c": None, "d": float("nan")})  # type: ignore[dict-item]
    one.metrics({})
    one.params({"x": [1, object()], "y": "\ud800"})
    one.tags({"n": 1})  # type: ignore[dict-item]
    one.artifact(tmp_path / "nowhere.png")
    one.model(tmp_path / "nowhere.safetensors", "m", size=2, score=0.5, keeps_bounds=True)
    one.close("FINISHED")
    one.metrics({"late": 1.0})
    found = told(tmp_path)
    assert found[0].metrics is not None and sorted(found[0].metrics) == ["a", "d"]
    assert [e.end for e in found if e.end] == ["FINISHED"]
    assert found[-1].tags == {"outbox_entries_lost": "2"}


def test_a_home_that_cannot_be_written_costs_the_job_nothing(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file where the folder should be")
    one = tracker(tmp_path)
    one.begin(Job("j", "noop", "cpu", "running", {}))
    one.metrics({"a": 1.0})
    one.close("FINISHED")
    assert one.outbox.lost >= 3


# -- one request -----------------------------------------------------------------------------------------


@contextmanager
def deaf_server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads every request and closes without an answer."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(65_536).split(b"\r\n")[0])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def test_a_post_whose_answer_is_lost_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # whatever the worker was started with
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "120")
    with deaf_server() as (url, requests):
        client = open_client(Settings(mlflow_url=url))
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
        with pytest.raises(Exception, match="API request"):
            client.create_run("1")
        assert len(requests) == 1 and requests[0].startswith(b"POST")


def test_nothing_imports_mlflow_before_it_is_told_so() -> None:
    code = "import sys, services.tracking.sender, services.tracking.tracker; print('mlflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


# -- addresses -------------------------------------------------------------------------------------------


def test_every_address_opens_the_model_training_view() -> None:
    pages = [
        addresses.experiment_page("http://h:1", "7"),
        addresses.run_page("http://h:1", "7", "r"),
        addresses.run_page("", "7", "r", "songs/a b.wav"),
        addresses.runs_page(Settings(mlflow_url="http://127.0.0.1:9")),
    ]
    assert all(page.split("#")[1].split("?")[1] == "workflowType=machine_learning" for page in pages)
    assert pages[2] == "/#/experiments/7/runs/r/artifacts/songs/a%20b.wav?workflowType=machine_learning"


def test_the_sweeps_own_run_is_opened_where_there_is_one() -> None:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"experiment": {"experiment_id": "3"}})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = "tags.sweep_id = 'known'" in body["filter"] and body["experiment_ids"] == ["3"]
            self._answer({"runs": [{"info": {"run_id": "r"}}]} if known else {})

        def _answer(self, found: dict[str, Any]) -> None:
            data = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = Settings(mlflow_url=f"http://127.0.0.1:{server.server_port}")
        base = f"{settings.mlflow_url}/#/experiments/3/runs"
        assert addresses.runs_page(settings, "known") == f"{base}/r?workflowType=machine_learning"
        assert addresses.runs_page(settings, "other") == f"{base}?workflowType=machine_learning"
        server.shutdown()
