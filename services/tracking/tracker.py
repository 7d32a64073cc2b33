"""What a job has to tell MLflow, written to its outbox; and what the machine uses meanwhile."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.kinds import find_kind
from services.queue.ledger import Job
from services.settings import Settings
from services.tracking.outbox import Outbox

log = logging.getLogger("surco.tracking")


SYSTEM_SECONDS = 10.0


class MlflowTracker:
    """`jobs.context.Tracker` of a job's process: it only writes the outbox and measures the machine."""

    def __init__(self, settings: Settings, job: Job, *, sweep_name: str = ""):
        self.outbox = Outbox(settings.outbox / job.id)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="system-metrics", daemon=True)
        self._on_sweep = bool(job.sweep) and find_kind(job.kind).on_sweep
        opened = {"job": job.id, "kind": job.kind, "sweep": job.sweep, "label": job.label}
        self.outbox.append(open={**opened, "sweep_name": sweep_name or "sweep", "on_sweep": self._on_sweep})

    def begin(self, job: Job) -> None:
        """Log what the job was asked, and go on measuring the machine."""
        self.tags({"code_version": job.code[:16], "seed": str(job.spec.get("seed", 0))})
        if not self._on_sweep:
            spec = {k: v for k, v in job.spec.items() if v not in (None, [], {})}
            self.params({"kind": job.kind, **spec})
            self.tags({"attempts": str(job.attempts)})
        self._thread.start()

    def params(self, values: Mapping[str, Any]) -> None:
        self.outbox.append(params={k: str(v)[:6000] for k, v in values.items()})

    def tags(self, values: Mapping[str, str]) -> None:
        self.outbox.append(tags=dict(values))

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        self.outbox.append(metrics={k: float(v) for k, v in values.items() if v is not None}, step=step)

    def artifact(self, path: Path, folder: str = "") -> None:
        self.outbox.append(artifact=self.outbox.keep(path), folder=folder)

    def model(self, path: Path, name: str) -> None:
        self.outbox.append(model=self.outbox.keep(path), name=name)

    def close(self, status: str) -> None:
        """End the attempt with an MLflow status, or "" when another attempt will follow."""
        self._stop.set()
        if status:
            self.outbox.append(end=status)

    def _measure(self) -> None:
        while not self._stop.wait(SYSTEM_SECONDS):
            self.outbox.append(metrics=_machine(), step=int(time.time()))


def _machine() -> dict[str, float]:
    """What this process and its machine use now, under MLflow's names for system metrics."""
    import psutil

    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    values = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 1e6,
        "system/system_memory_usage_percentage": memory.percent,
        "system/disk_usage_percentage": disk.percent,
        "system/process_memory_megabytes": psutil.Process().memory_info().rss / 1e6,
    }
    return {**values, **_gpu()}


def _gpu() -> dict[str, float]:
    import sys

    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    free, total = torch.cuda.mem_get_info()
    return {
        "system/gpu_0_memory_usage_megabytes": (total - free) / 1e6,
        "system/gpu_0_utilization_percentage": float(torch.cuda.utilization()),
    }
