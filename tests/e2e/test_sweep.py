"""A sweep as a user runs it, from the command line to songs on disk and a model in the registry."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from services.queue.client import Client
from services.queue.ledger import DEAD, DONE, ENDED
from services.settings import Settings
from services.stack import Stack
from services.tracking.addresses import runs_page
from services.tracking.model_registry import load_codec
from surco.audio.io import read_audio
from tests.e2e.worker_process import ROOT, Worker

SWEEP = {
    "name": "two-sizes",
    "dataset": "folder",
    "sizes": [32, 96],
    "study": [32, 96],
    "prior": False,
    "stress": False,
    "train": {"steps": 2, "batch_size": 4, "look_every": 1, "render": False},
    "evaluate": {"measures": "quick", "clips": 3, "choosing": 3, "listening": 1, "train_clips": 6},
    "cluster": {"ks": [2, 3]},
    "edits": {"songs": 2},
    "generate": {"seconds": 5, "showcase": False},
}


def surco(settings: Settings, *args: str, code: int = 0) -> str:
    """Run the command line as a user; its standard output (its standard error where it fails)."""
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "SURCO_HOME": str(settings.home),
        "SURCO_REDIS_URL": settings.redis_url,
        "SURCO_S3_ENDPOINT": settings.s3_endpoint, "SURCO_S3_ACCESS_KEY": settings.s3_access_key,
        "SURCO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "SURCO_MLFLOW_URL": settings.mlflow_url,
    }  # fmt: skip
    settings.home.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *args],
        env=env, cwd=settings.home, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stderr if code else done.stdout


def finish(client: Client, jobs: list[str], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(job.state in ENDED for job in client.ledger.many(jobs)):
            return
        time.sleep(0.2)
    raise AssertionError([(j.kind, j.label, j.state, j.reason) for j in client.ledger.many(jobs)])


@pytest.mark.timeout(2400)  # two slow cores with other work take ten minutes for the first sweep
def test_a_sweep_from_the_command_line(
    mlflow_stack: Stack,
    client: Client,
    settings: Settings,
    worker: Callable[..., Worker],
    music: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import mlflow

    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump({**SWEEP, "path": str(music)}))
    worker()
    found = json.loads(surco(settings, "submit", "sweep", str(file), "--json"))
    finish(client, found["jobs"], 1500)
    jobs = client.ledger.many(found["jobs"])
    assert [(j.kind, j.label, j.reason) for j in jobs if j.state != DONE] == []
    summary = next(j for j in jobs if j.kind == "summary").result
    assert [row["size"] for row in summary["rows"]] == [32, 96]
    assert summary["missing"] == []

    listed = json.loads(surco(settings, "jobs", "--json"))
    assert {row["id"] for row in listed} >= set(found["jobs"])
    songs = json.loads(surco(settings, "songs", "--json"))
    assert all([Path(f).suffix for f in song["files"]] == [".wav", ".flac", ".png"] for song in songs)
    wave = read_audio(settings.home / songs[0]["files"][0])
    assert len(wave) >= 5 * 22_050 - 512 and np.abs(wave).max() > 0.01

    # The same sweep again is found; one bad section more fails its branch and nothing else.
    again = json.loads(surco(settings, "submit", "sweep", str(file), "--json"))
    assert again["id"] == found["id"] and again["jobs"] == found["jobs"]
    file.write_text(yaml.safe_dump({**SWEEP, "path": str(music), "cluster": {"ks": [500]}}))
    broken = json.loads(surco(settings, "submit", "sweep", str(file), "--json"))
    finish(client, broken["jobs"])
    states = {j.id: j.state for j in client.ledger.many(broken["jobs"])}
    dead = [j for j in client.ledger.many(broken["jobs"]) if j.state == DEAD]
    assert [j.kind for j in dead] == ["cluster", "cluster"]
    assert all(j.attempts == 1 for j in dead)  # bad input is not tried again
    last = next(j for j in client.ledger.many(broken["jobs"]) if j.kind == "summary")
    assert states[last.id] == DONE
    assert [m["job"] for m in last.result["missing"]] == ["cluster 32", "cluster 96"]
    assert [row["id"] for row in json.loads(surco(settings, "dead", "list", "--json"))] != []

    until_carried(settings)
    client = mlflow.MlflowClient(settings.mlflow_url)
    experiment = client.get_experiment_by_name(settings.mlflow_experiment)
    assert experiment is not None
    parent = client.search_runs([experiment.experiment_id], f"tags.sweep_id = '{found['id']}'")
    assert len(parent) == 1
    assert parent[0].info.run_name == f"two-sizes {found['id'][:8]}"
    children = client.search_runs(
        [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent[0].info.run_id}'", max_results=100
    )
    assert sorted(c.data.tags["surco_kind"] for c in children).count("train") == 2
    evaluated = next(c for c in children if c.data.tags["surco_kind"] == "evaluate")
    logged = [a.path for a in client.list_artifacts(evaluated.info.run_id)]
    assert "listening" in logged
    sounds = client.list_artifacts(evaluated.info.run_id, "listening")
    assert sounds and not any(item.is_dir for item in sounds)  # one folder deep
    pages = f"/#/experiments/{experiment.experiment_id}/runs"
    view = "?workflowType=machine_learning"
    assert runs_page(settings).endswith(pages + view)
    own = f"{pages}/{parent[0].info.run_id}"
    assert runs_page(settings, found["id"]).endswith(own + view)
    note = parent[0].data.tags["mlflow.note.content"]
    assert f"[Listening page]({own[1:]}/artifacts/listen.html{view})" in note
    assert note.count("- [Songs, ") == 1 and f"/artifacts/songs{view})" in note
    assert {run.info.status for run in (*parent, *children)} == {"FINISHED"}
    champion = client.get_model_version_by_alias("surco-codec", "champion")
    assert champion.tags["champion_rule"] and "score" in champion.tags["champion_value"]

    mlflow.set_tracking_uri(settings.mlflow_url)
    model = mlflow.pyfunc.load_model("models:/surco-codec@champion")
    size = summary["smallest"]["champion"]
    clip = wave[: 5 * 22_050][None]
    vector = model.predict(clip)
    assert vector.shape == (1, size)
    assert model.predict(vector, params={"decode": True}).shape == clip.shape
    monkeypatch.setenv("SURCO_REDIS_URL", settings.redis_url)
    monkeypatch.setenv("SURCO_S3_ENDPOINT", settings.s3_endpoint)
    monkeypatch.setenv("SURCO_MLFLOW_URL", settings.mlflow_url)
    assert load_codec("models:/surco-codec@champion").size == size


def until_carried(settings: Settings) -> None:
    """Wait until the outbox holds nothing that MLflow has not taken."""
    end = time.monotonic() + 200
    while any(settings.outbox.glob("*")):
        assert time.monotonic() < end, "the outbox was not carried to MLflow"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("submit", "sweep", "--sizes", "0"), "size 0 is not between 2 and 2048"),
        (("submit", "sweep", "--sizes", "many"), "write 128,256,512"),
        (("submit", "sweep", "/no/such/file.yaml"), "cannot be read"),
        (("submit", "sweep", "--dataset", "/no/such/folder"), "/no/such/folder"),
        (("submit", "prepare", "/no/such/folder"), "/no/such/folder"),
        (("submit", "train", "--dataset", "abc"), "No job has an id that starts with 'abc'"),
        (("show", "fff"), "No job has an id"),
        (("songs", "none"), "No sweep"),
    ],
)
def test_bad_input_is_one_sentence(
    client: Client, settings: Settings, args: tuple[str, ...], says: str
) -> None:
    said = surco(settings, *args, code=2)
    assert says in said
    assert "Traceback" not in said and len(said.strip().splitlines()) == 1
    assert client.ledger.recent() == []


def test_a_server_that_is_down_is_named(settings: Settings) -> None:
    away = settings.model_copy(update={"redis_url": "redis://:x@127.0.0.1:1/0"})
    said = surco(away, "jobs", code=2)
    assert "Redis at 127.0.0.1:1" in said and "Traceback" not in said
