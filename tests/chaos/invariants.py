"""What must hold after a campaign, whatever was done: each broken promise is one line."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from services.queue.ledger import CANCELLED, DEAD, DONE, ENDED, SKIPPED
from services.worker.tidy import DAY, tidy
from tests.chaos.field import STEPS, Field, published

# Reasons that a fault explains; a job may die of nothing else.
EXPLAINED = (
    "died", "lost its lease", "killed", "SIGKILL", "SIGSEGV", "SIGABRT", "full", "does not answer",
    "ConnectionError", "cancelled",
)  # fmt: skip


def settle(field: Field, *, seconds: float) -> list[str]:
    """Wait until every job has ended; retry, as a user would, what died of the faults or was cancelled."""
    end = time.monotonic() + seconds
    retried: Counter[str] = Counter()
    unexplained: dict[str, str] = {}
    while time.monotonic() < end:
        field.mend()
        rows = field.rows()
        if len(rows) < len(field.submitted):
            missing = set(field.submitted) - {j.id for j in rows}
            unexplained |= {m: f"{m[:8]} is on no ledger any more" for m in missing}
        for job in rows:
            if job.state == DEAD and not any(word in job.reason for word in EXPLAINED):
                unexplained[job.id] = f"{job.kind} {job.id[:8]} died of: {job.reason or 'nothing it told'}"
            if job.state in (DEAD, CANCELLED) and retried[job.id] < 3:
                retried[job.id] += 1
                field.client.retry(job)
        rows = field.rows()
        if all(job.state == DONE for job in rows):
            return list(unexplained.values())
        time.sleep(0.5)
    stuck = [f"{j.kind} {j.id[:8]} is {j.state} ({j.reason})" for j in field.rows() if j.state != DONE]
    return [*unexplained.values(), *stuck]


def violations(field: Field) -> Iterator[str]:
    """Every broken promise of ledger, store, weights, MLflow and disk, told in a line each."""
    yield from _ledger(field)
    yield from _store(field)
    yield from _weights(field)
    yield from _mlflow(field)
    yield from _leftovers(field)


def _ledger(field: Field) -> Iterator[str]:
    connection = field.client.ledger.redis
    for job in field.rows():
        if job.state in (DEAD, SKIPPED) and not job.reason:
            yield f"{job.id[:8]} is {job.state} without a reason"
        if job.state in ENDED and connection.exists(f"surco:lease:{job.id}"):
            yield f"{job.id[:8]} has ended and is leased"
        if job.attempts > 3:
            yield f"{job.id[:8]} had {job.attempts} attempts"
    for key in connection.scan_iter("surco:job:*"):
        if "state" not in connection.hgetall(key):
            yield f"{key} is a row without a state"


def _store(field: Field) -> Iterator[str]:
    store = field.client.store
    keys = set(store.keys("jobs/"))
    for job in field.rows():
        data = store.get_bytes(f"jobs/{job.id}/DONE.json")
        if (data is not None) != (job.state == DONE):
            yield f"{job.id[:8]} is {job.state} in the ledger, DONE.json {'there' if data else 'missing'}"
            continue
        if data:
            done = json.loads(data)
            for name in done["artifacts"]:
                if f"{done['prefix']}/{name}" not in keys:
                    yield f"{job.id[:8]} names {name}, which is not stored"
            if job.result != done["result"]:
                yield f"{job.id[:8]} has another result in the ledger than in the store"


def _weights(field: Field) -> Iterator[str]:
    for job in field.rows():
        if job.kind == "train" and job.state == DONE:
            weights = published(field.client.store, job.id, "codec.safetensors")
            if weights != field.expected.get(job.id, b"?"):
                yield f"the weights of {job.id[:8]} are not those of the calm run"


def _mlflow(field: Field) -> Iterator[str]:
    from mlflow import MlflowClient

    mlflow = MlflowClient(field.settings.mlflow_url)
    tracked = [j for j in field.rows() if j.kind != "noop"]
    end = time.monotonic() + 120
    while time.monotonic() < end and any(_outboxes(field)):
        time.sleep(1)
    experiment = mlflow.get_experiment_by_name(field.settings.mlflow_experiment)
    if experiment is None:
        if tracked:
            yield "MLflow has no experiment"
        return
    for job in tracked:
        runs = mlflow.search_runs([experiment.experiment_id], f"tags.job_id = '{job.id}'")
        if len(runs) != 1:
            yield f"{job.kind} {job.id[:8]} has {len(runs)} runs"
            continue
        if job.state == DONE and runs[0].info.status != "FINISHED":
            yield f"the run of {job.kind} {job.id[:8]} is {runs[0].info.status}, the job done"
        if job.kind == "train":
            yield from _points(job.id, mlflow, runs[0].info.run_id)


def _points(job: str, mlflow: Any, run: str) -> Iterator[str]:
    steps = Counter(p.step for p in mlflow.get_metric_history(run, "step/l1_db"))
    missing = [s for s in range(1, STEPS + 1) if s not in steps]
    double = [s for s, n in steps.items() if n > 1]
    if missing:
        yield f"the run of train {job[:8]} lacks the points of {len(missing)} steps, {missing[0]} the first"
    if double:
        yield f"the run of train {job[:8]} has the points of {len(double)} steps more than once"


def _outboxes(field: Field) -> Iterator[str]:
    """Outboxes in which something waits to be sent."""
    for worker in field.workers:
        root = worker.home / "outbox"
        if root.is_dir():
            for folder in root.iterdir():
                if any(folder.rglob("*.jsonl")):
                    yield f"{worker.name}: outbox of {folder.name[:8]}"


def _leftovers(field: Field) -> Iterator[str]:
    """What is left on the workers' disks after they have tidied up, which they do with what is a day old."""
    for line in _outboxes(field):
        yield f"left behind, {line}"
    for worker in field.workers:
        if not worker.alive:
            yield f"{worker.name} is not alive"
        tidy(worker.settings, field.client.ledger, now=time.time() + 2 * DAY)
        for folder in (worker.home / "work").glob("*"):
            yield f"left behind, {worker.name}: work folder {folder.name}"
        for part in (worker.home / "cache").rglob("*.part"):
            yield f"left behind, {worker.name}: {part.name}"
