"""The studio's view of a running stack, on a real Valkey."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from jobs.graph import parse_sweep
from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import CANCELLED, DONE, QUEUED
from services.settings import Settings
from services.studio import watch
from services.studio.models import fetch, fetch_model
from services.studio.watch import Watch
from surco.errors import InputError
from surco.studio.app import _error

HEADERS = {"x-surco-session": "a page"}


def view(queue: Client, *, read_only: bool = False) -> TestClient:
    routes = Watch(
        lambda: queue, queue.settings.model_copy(update={"mlflow_url": ""}), read_only=read_only
    ).routes()
    return TestClient(Starlette(routes=routes, exception_handlers={InputError: _error(422)}))


@pytest.fixture
def client(queue: Client) -> Iterator[TestClient]:
    with view(queue) as client:
        yield client


def submit(queue: Client, label: str, **fields: Any) -> Any:
    return queue.submit("noop", parse_spec("noop", {"label": label, **fields}), label=label)


def test_sweeps_and_their_jobs_are_listed(queue: Client, client: TestClient) -> None:
    assert client.get("/sweeps").json() == {"sweeps": [], "read_only": False}
    sweep = queue.sweep(queue.submit_sweep(parse_sweep({"sizes": [32], "dataset": "demo", "name": "mine"})))
    (told,) = client.get("/sweeps").json()["sweeps"]
    assert told["name"] == "mine" and sum(told["states"].values()) == len(sweep["jobs"])
    jobs = client.get(f"/sweeps/{told['id']}").json()["jobs"]
    assert {j["id"] for j in jobs} == set(sweep["jobs"])
    assert all(j["left"] is None and j["share"] == 0 for j in jobs)
    assert client.get("/sweeps/nothing").status_code == 422


def test_a_running_job_says_how_long_it_may_take(queue: Client, client: TestClient) -> None:
    job = submit(queue, "long")
    queue.ledger.claim(job.id, "worker", "token", 60)
    queue.ledger.progress(job.id, 25, 100, "a quarter")
    (row,) = client.get("/sweeps/-").json()["jobs"]
    assert (row["state"], row["share"], row["note"]) == ("running", 0.25, "a quarter")
    running = queue.job(job.id)
    assert watch._row(running, running.started + 100)["left"] == pytest.approx(300)


def test_a_job_shows_its_log_and_its_result(queue: Client, client: TestClient) -> None:
    job = submit(queue, "told")
    for line in ("first <b>", "second"):
        queue.ledger.log(job.id, line)
    queue.ledger.finish(job.id, {"answer": 42})
    told = client.get(f"/jobs/{job.id}").json()
    assert [line.rpartition("  ")[2] for line in told["log"]][-2:] == ["first <b>", "second"]
    assert told["result"] == {"answer": 42} and told["state"] == DONE and told["spec"]["label"] == "told"


def test_jobs_are_cancelled_and_run_again(queue: Client, client: TestClient) -> None:
    job = submit(queue, "one")
    assert client.post(f"/jobs/{job.id}/cancel", headers=HEADERS).json() == {"changed": True}
    assert queue.job(job.id).state == CANCELLED
    assert client.post(f"/jobs/{job.id}/retry", headers=HEADERS).json() == {"changed": True}
    assert queue.job(job.id).state == QUEUED
    assert client.post(f"/jobs/{job.id}/cancel").status_code == 422  # not by the studio's own page


def test_read_only_changes_nothing(queue: Client) -> None:
    job = submit(queue, "one")
    with view(queue, read_only=True) as client:
        assert client.get("/sweeps").json()["read_only"]
        for what in ("cancel", "retry"):
            answer = client.post(f"/jobs/{job.id}/{what}", headers=HEADERS)
            assert answer.status_code == 422 and "--read-only" in answer.json()["error"]
    assert queue.job(job.id).state == QUEUED


def test_servers_that_are_away_are_told_and_asked_again() -> None:
    settings = Settings(
        redis_url="redis://:x@127.0.0.1:9/0",
        s3_endpoint="127.0.0.1:9",
        s3_access_key="x",
        mlflow_url="http://127.0.0.1:9",
    )
    routes = Watch(lambda: Client.open(settings), settings).routes()
    with TestClient(Starlette(routes=routes)) as client:
        for _ in range(2):
            answer = client.get("/sweeps")
            assert answer.status_code == 503 and "surco stack up" in answer.json()["error"]


def test_without_servers_there_is_no_view(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("SURCO_HOME", str(tmp_path))
    for name in ("SURCO_REDIS_URL", "SURCO_S3_ENDPOINT", "SURCO_MLFLOW_URL"):
        monkeypatch.delenv(name, raising=False)
    assert watch.extension() is None


def test_links_lead_where_browsers_reach_mlflow(queue: Client) -> None:
    inside = queue.settings.model_copy(update={"mlflow_url": "http://127.0.0.1:9"})  # away: its front page
    routes = Watch(lambda: queue, inside, mlflow="http://localhost:5000/").routes()
    with TestClient(Starlette(routes=routes)) as client:
        link = client.get("/sweeps/-").json()["mlflow"]
    assert link.startswith("http://localhost:5000/#/experiments")


def done(queue: Client, name: str, kind: str, artifact: str, **result: Any) -> str:
    """A job that is done, with one file that holds its name."""
    identity = name.ljust(64, "0")
    queue.ledger.add(
        identity, kind=kind, queue="gpu", spec={}, required=[], optional=[], label=name, state=QUEUED
    )
    queue.ledger.finish(identity, result)
    prefix = f"jobs/{identity}/attempts/0001-aaaa"
    queue.store.put_bytes(f"{prefix}/{artifact}", name.encode())
    record = {"result": result, "artifacts": [artifact], "prefix": prefix}
    queue.store.put_bytes(f"jobs/{identity}/DONE.json", json.dumps(record).encode())
    return identity


def test_the_model_of_a_sweep_is_fetched_with_its_vectors(queue: Client, tmp_path: Path) -> None:
    jobs = []
    for size in (32, 128):
        codec = done(queue, f"c{size}", "train", "codec.safetensors")
        jobs.append(done(queue, f"e{size}", "embed", "vectors.safetensors", codec_job=codec, size=size))
    queue.ledger.add_sweep("mine", "mine", {}, jobs)
    for size, found in ((None, 128), (32, 32)):
        codec_file, vectors = fetch_model(queue, "mine", size, tmp_path / str(found))
        assert (codec_file.read_text(), vectors.read_text()) == (f"c{found}", f"e{found}")
    with pytest.raises(InputError, match="no model at size 64"):
        fetch_model(queue, "mine", 64, tmp_path)
    with pytest.raises(InputError, match="NAME:512"):
        fetch("mine:big", tmp_path)


def test_what_a_job_left_is_listed_and_sent(queue: Client, client: TestClient, tmp_path: Path) -> None:
    job = done(queue, "songs", "generate", "songs/one.flac", songs=1)
    assert client.get(f"/jobs/{job}").json()["files"] == ["songs/one.flac"]
    answer = client.get(f"/jobs/{job}/files/songs/one.flac")
    assert (answer.content, answer.headers["content-type"]) == (b"songs", "audio/flac")
    assert "attachment" in answer.headers["content-disposition"]
    for name in ("songs/two.flac", "../../secret.json", "songs/one.safetensors"):
        assert client.get(f"/jobs/{job}/files/{name}").status_code in (404, 422)
    page = done(queue, "page", "listen", "listen.html")
    sent = client.get(f"/jobs/{page}/files/listen.html")
    assert sent.headers["content-type"] == "application/octet-stream"


def test_a_file_that_was_sent_is_gone(queue: Client, client: TestClient, tmp_path: Path) -> None:
    job = done(queue, "songs", "generate", "songs/one.flac")
    with pytest.MonkeyPatch.context() as patch:
        (tmp_path / "sent").mkdir()
        patch.setattr("tempfile.tempdir", str(tmp_path / "sent"))
        assert client.get(f"/jobs/{job}/files/songs/one.flac").status_code == 200
        assert client.get(f"/jobs/{job}/files/songs/two.flac").status_code == 422
    assert not list((tmp_path / "sent").iterdir())
