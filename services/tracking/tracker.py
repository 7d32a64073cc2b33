"""What a job has to tell MLflow, written to its outbox; and what the machine uses meanwhile."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.kinds import find_kind
from services.queue.ledger import Job
from services.settings import Settings
from services.tracking.machine import Measuring
from services.tracking.outbox import Outbox

log = logging.getLogger("surco.tracking")

SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"})


class MlflowTracker:
    """`jobs.context.Tracker` of a job's process: it only writes the outbox and measures the machine."""

    def __init__(self, settings: Settings, job: Job, *, sweep_name: str = ""):
        self._on_sweep = bool(job.sweep) and find_kind(job.kind).on_sweep
        head = {"job": job.id, "kind": job.kind, "sweep": job.sweep, "label": job.label}
        self.outbox = Outbox(
            settings.outbox / job.id,
            {**head, "sweep_name": sweep_name or "sweep", "on_sweep": self._on_sweep},
        )
        self._measuring = Measuring(lambda values: self.metrics(values, int(time.time())))

    def begin(self, job: Job) -> None:
        """Log what the job was asked, and go on measuring the machine."""
        self.tags({"code_version": job.code[:16], "seed": str(job.spec.get("seed", 0))})
        if not self._on_sweep:
            spec = {k: v for k, v in job.spec.items() if v not in (None, [], {})}
            self.params({"kind": job.kind, **spec})
            self.tags({"attempts": str(job.attempts)})
        self._measuring.start()

    def params(self, values: Mapping[str, Any]) -> None:
        self.outbox.append(params={k: str(v)[:6000] for k, v in values.items()})

    def tags(self, values: Mapping[str, str]) -> None:
        self.outbox.append(tags={k: str(v)[:5000] for k, v in values.items()})

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        told = {}
        for key, value in values.items():
            try:
                told[key] = float(value)
            except (TypeError, ValueError):
                if value is not None:
                    log.warning("The metric %s is no number and is not told.", key)
        if told:
            self.outbox.append(metrics=told, step=int(step))

    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a file. Sounds lie one folder deep, for MLflow shows no player further down."""
        name = path.name
        first, *deeper = PurePosixPath(folder).parts or ("",)
        if path.suffix.lower() in SOUNDS and deeper:
            folder, name = first, "-".join((*deeper, name))
        kept = self.outbox.keep(path, name)
        if kept:
            self.outbox.append(artifact=kept, folder=folder)

    def model(self, path: Path, name: str, *, size: int, score: float, keeps_bounds: bool) -> None:
        kept = self.outbox.keep(path)
        if kept:
            facts = {"size": int(size), "score": float(score), "keeps_bounds": bool(keeps_bounds)}
            self.outbox.append(model=kept, name=name, facts=facts)

    def close(self, status: str) -> None:
        """End the attempt with an MLflow status, or "" when another attempt will follow."""
        self._measuring.stop.set()
        if status:
            self.outbox.append(end=status)
        self.outbox.close()
