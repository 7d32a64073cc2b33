"""A small training on music in the folder that workers see as /data: all must end with the same bytes."""

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jobs.kinds import parse_spec
from services.queue.ledger import DONE, RUNNING, Job
from surco.audio.io import write_wav
from tests.containers.site import WORKER, Site, docker

STEPS = int(
    os.environ.get("STEPS", "160")
)  # fewer only where a step takes long: a park needs 10 s of work left
SIZE, BATCH = 32, 4


def dataset(site: Site) -> str:
    """The prepare job over sixteen tracks of tones, handed in from inside of a worker, as its path is."""
    folder = Path(site.values["DATA_FOLDER"]) / "music" / "tones"
    if not folder.exists():
        folder.mkdir(parents=True)
        rng, seconds = np.random.default_rng(0), np.arange(22_050 * 6) / 22_050
        for number in range(16):
            tones = sum(np.sin(2 * np.pi * f * seconds) for f in rng.uniform(100, 2000, 4)) / 8
            write_wav(folder / f"{number}.wav", tones.astype(np.float32), 22_050)
    (worker, *_) = site.containers(WORKER) or site.containers("worker-small")
    command = ["python", "-m", "services.cli", "submit", "prepare", "/data/music", "--json"]
    return str(json.loads(docker("exec", worker, *command))["id"])


@dataclass
class Training:
    """One training job; trainings differ in how often they write a checkpoint, which no weight depends on."""

    site: Site
    number: int
    id: str = ""
    lab: Site | None = None  # the project whose worker runs it, where that is another one
    began: float = field(default_factory=time.monotonic)

    def submit(self) -> "Training":
        client = self.site.client()
        fields = {
            "dataset": dataset(self.lab or self.site), "size": SIZE, "steps": STEPS, "batch_size": BATCH,
            "look_every": STEPS // 4, "render": False, "checkpoint_seconds": round(4 + self.number / 1000, 3),
        }  # fmt: skip
        self.id = client.submit("train", parse_spec("train", fields), label=f"fault {self.number}").id
        return self

    @property
    def job(self) -> Job | None:
        return self.site.job(self.id)

    def state(self) -> str:
        job = self.job
        return job.state if job else ""

    def step(self) -> int:
        """The step up to which a checkpoint is stored."""
        keys = self.site.client().store.keys(f"jobs/{self.id}/checkpoints/")
        marks = [key for key in keys if key.endswith("LATEST.json")]
        return max((int(key.split("/")[3].split("-")[0]) for key in marks), default=0)

    def amid(self) -> "Training":
        """Wait until it runs and has a checkpoint, far from the end."""
        self.site.until(
            f"training {self.number} was in the middle",
            lambda: self.state() == DONE or (self.state() == RUNNING and self.step() >= STEPS // 8),
        )
        assert self.state() == RUNNING, f"the training was over before the fault: {self.job}"
        assert self.step() < STEPS * 3 / 4, "the training was nearly over before the fault"
        return self

    def done(self, *, seconds: float = 900) -> Job:
        """The job once it is done."""

        def ended() -> bool:
            job = self.job
            assert job is None or job.state not in ("dead", "cancelled", "skipped"), job
            return job is not None and job.state == DONE

        self.site.until(f"training {self.number} is done", ended, seconds=seconds)
        job = self.job
        assert job is not None
        return job

    def weights(self) -> str:
        """SHA-256 of the weights that were published."""
        store = self.site.client().store
        done = json.loads(store.get_bytes(f"jobs/{self.id}/DONE.json") or b"{}")
        return hashlib.sha256(store.get_bytes(f"{done['prefix']}/codec.safetensors") or b"").hexdigest()

    def resumed_at(self) -> list[int]:
        """Steps at which attempts took the training up again."""
        lines = self.site.client().ledger.log_lines(self.id)
        return [int(found[1]) for line in lines if (found := re.search(r"Resuming at step (\d+)", line))]

    def points(self) -> list[int]:
        """Steps of the points that MLflow has of the run, once it is finished and no outbox holds more."""
        from mlflow import MlflowClient

        settings = self.site.client().settings
        client, runs = MlflowClient(settings.mlflow_url), []

        def told() -> bool:
            nonlocal runs
            ours = self.lab.containers(WORKER) if self.lab else []
            for worker in ours + self.site.containers(WORKER) + self.site.containers("worker-small"):
                if self.id in docker("exec", worker, "sh", "-c", "ls $SURCO_HOME/outbox", check=False):
                    return False
            experiment = client.get_experiment_by_name(settings.mlflow_experiment)
            asked = f"tags.job_id = '{self.id}'"
            runs = client.search_runs([experiment.experiment_id], asked) if experiment else []
            return bool(runs) and runs[0].info.status == "FINISHED"

        self.site.until(f"MLflow was told all of training {self.number}", told)
        assert len(runs) == 1
        return sorted(p.step for p in client.get_metric_history(runs[0].info.run_id, "step/l1_db"))
