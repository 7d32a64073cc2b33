"""A training that is killed ends with the same weights as one that is not; MLflow sees every point once."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import torch

from jobs.kinds import parse_spec
from jobs.prepare import Spec as Prepare
from jobs.spec import JobSpec
from services.queue.client import Client
from services.queue.ledger import DONE, Job
from services.settings import Settings
from services.stack import Stack
from services.tracking.sender import Sender
from tests.e2e.worker_process import Worker, until

STEPS = 30


def train_spec(data: str, seed: int) -> JobSpec:
    fields = {"steps": STEPS, "batch_size": 4, "look_every": 10, "checkpoint_seconds": 0.2, "render": False}
    return parse_spec("train", {"dataset": data, "size": 48, "seed": seed, **fields})


def submit_training(client: Client, music: Path, seed: int) -> Job:
    data = client.submit("prepare", Prepare.of("folder", music))
    return client.submit("train", train_spec(data.id, seed))


def weights(client: Client, job: Job) -> bytes:
    until(client, job, DONE)
    done = json.loads(client.store.get_bytes(f"jobs/{job.id}/DONE.json") or b"{}")
    return client.store.get_bytes(f"{done['prefix']}/codec.safetensors") or b""


def checkpoint_seen(client: Client, job: Job, step: int) -> None:
    """Wait until a checkpoint of at least `step` steps is stored."""
    end = time.monotonic() + 500
    while time.monotonic() < end:
        marks = [k for k in client.store.keys(f"jobs/{job.id}/checkpoints/") if k.endswith("LATEST.json")]
        if any(int(k.split("/")[3].split("-")[0]) >= step for k in marks):
            return
        time.sleep(0.05)
    raise AssertionError("no checkpoint came")


def test_a_killed_training_ends_with_the_same_bytes(
    client: Client, worker: Callable[..., Worker], music: Path, tmp_path: Path
) -> None:
    from jobs.local import run_local

    data = run_local("prepare", Prepare.of("folder", music), tmp_path / "local")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the worker has: sums in another order are other bytes
    undisturbed = run_local("train", train_spec(data, 3), tmp_path / "local")
    torch.set_num_threads(threads)
    expected = (
        tmp_path / "local" / "store" / "jobs" / undisturbed / "attempts" / "0001" / "codec.safetensors"
    ).read_bytes()

    one = worker()
    job = submit_training(client, music, seed=3)
    assert job.id == undisturbed  # the same question, asked of a folder and of the servers
    checkpoint_seen(client, job, 2)
    running = client.ledger.get(job.id)
    assert running is not None
    os.kill(int(running.worker.rpartition(":")[2]), signal.SIGKILL)
    checkpoint_seen(client, job, 12)
    one.kill()
    worker()
    assert weights(client, job) == expected
    done = client.ledger.get(job.id)
    assert done is not None and done.attempts >= 2
    assert any("Resuming at step" in line for line in client.ledger.log_lines(job.id))


def test_mlflow_may_be_down_throughout(
    mlflow_stack: Stack, client: Client, settings: Settings, worker: Callable[..., Worker], music: Path
) -> None:
    from mlflow import MlflowClient

    mlflow_stack.stop_server("mlflow")
    one = worker()
    job = submit_training(client, music, seed=4)
    weights(client, job)
    one.kill()
    assert list((settings.outbox / job.id).glob("*/entries.jsonl"))

    mlflow_stack.start_server("mlflow", timeout=180)
    sender = Sender(settings)
    sender.send_all()
    Sender(settings).send_all()
    mlflow = MlflowClient(settings.mlflow_url)
    experiment = mlflow.get_experiment_by_name(settings.mlflow_experiment)
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], f"tags.job_id = '{job.id}'")
    assert len(runs) == 1
    assert runs[0].info.status == "FINISHED"
    assert runs[0].data.params["size"] == "48"
    points = mlflow.get_metric_history(runs[0].info.run_id, "step/l1_db")
    assert sorted(p.step for p in points) == list(range(1, STEPS + 1))
    assert not (settings.outbox / job.id).exists()


def test_a_resumed_job_continues_its_run(
    mlflow_stack: Stack, client: Client, settings: Settings, worker: Callable[..., Worker], music: Path
) -> None:
    from mlflow import MlflowClient

    one = worker()
    job = submit_training(client, music, seed=5)
    checkpoint_seen(client, job, 6)
    one.kill()
    worker()
    weights(client, job)
    mlflow = MlflowClient(settings.mlflow_url)
    end = time.monotonic() + 120
    while (settings.outbox / job.id).exists() and time.monotonic() < end:
        time.sleep(0.2)
    experiment = mlflow.get_experiment_by_name(settings.mlflow_experiment)
    assert experiment is not None
    runs = mlflow.search_runs([experiment.experiment_id], f"tags.job_id = '{job.id}'")
    assert len(runs) == 1 and runs[0].info.status == "FINISHED"
    points = mlflow.get_metric_history(runs[0].info.run_id, "step/l1_db")
    assert sorted(p.step for p in points) == list(range(1, STEPS + 1))
