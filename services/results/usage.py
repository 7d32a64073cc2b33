"""Who uses how much disk: by sweep, on S3, in this machine's caches and in MLflow's artifacts."""

from dataclasses import asdict, dataclass
from typing import Any

from services.queue.client import Client
from services.results.inventory import Inventory, take_inventory
from services.worker.tidy import size_of

ALONE = "(jobs handed in alone)"
OTHER = "(no job: runs of dropped jobs, model registry)"


@dataclass
class Usage:
    """Bytes of one sweep. What several sweeps share counts for each; `own` would go with this one alone."""

    sweep: str
    name: str
    jobs: int
    s3: int
    cache: int
    mlflow: int
    own: int


def usage(client: Client, *, mlflow: Any = None) -> dict[str, Any]:
    """`sweeps`, a list of `Usage` as dicts, biggest first, and `total` bytes of each place."""
    found = take_inventory(client, mlflow=mlflow)
    cached = {path.name: size_of(path) for path in client.settings.cache.glob("*") if path.is_dir()}
    rows = [_of(found, cached, sweep, record.name) for sweep, record in found.sweeps.items()]
    in_sweeps = {i for sweep in found.sweeps for i in found.members(sweep)}
    alone = set(found.objects) - in_sweeps
    if alone:
        rows.append(_sum(found, cached, "", ALONE, alone, set(), own=_stored(found, alone)))
    told = {run.info.run_id for run in found.runs_of(in_sweeps | alone, set(found.sweeps))}
    other = sum(o.size for run, objects in found.tracked.items() if run not in told for o in objects)
    if other:
        rows.append(Usage("", OTHER, 0, 0, 0, other, 0))
    total = {
        "s3": _stored(found, set(found.objects)),
        "cache": sum(cached.values()),
        "mlflow": sum(o.size for objects in found.tracked.values() for o in objects),
    }
    rows.sort(key=lambda row: -(row.s3 + row.cache + row.mlflow))
    return {"sweeps": [asdict(row) for row in rows], "total": total}


def _of(found: Inventory, cached: dict[str, int], sweep: str, name: str) -> Usage:
    members = found.members(sweep)
    return _sum(found, cached, sweep, name, members, {sweep}, own=_stored(found, found.own(sweep)))


def _sum(
    found: Inventory, cached: dict[str, int], sweep: str, name: str, jobs: set[str], sweeps: set[str], *,
    own: int,
) -> Usage:  # fmt: skip
    runs = {run.info.run_id for run in found.runs_of(jobs, sweeps)}
    return Usage(
        sweep=sweep, name=name, jobs=len(jobs), s3=_stored(found, jobs),
        cache=sum(cached.get(i, 0) for i in jobs),
        mlflow=sum(o.size for run in runs for o in found.tracked.get(run, [])), own=own,
    )  # fmt: skip


def _stored(found: Inventory, jobs: set[str]) -> int:
    return sum(o.size for i in jobs for o in found.objects.get(i, []))
