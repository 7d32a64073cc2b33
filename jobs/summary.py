"""Sum a sweep up: one row a size, the smallest vector that still holds, and what is missing and why.

Artifacts: `summary.json`, `figures/definition.png`. The best codec is registered, and is the champion
where no version before it is better (docs/architecture.md has the rule).
"""

import json
from typing import Any, ClassVar

from pydantic import Field

from jobs.context import Context
from jobs.inputs import read_json
from jobs.kinds import EVERY, Input, JobKind, SweepPart, find_kind, sweep_parts
from jobs.spec import JobId, JobSpec

MODEL = "surco-codec"


class Spec(JobSpec):
    """The sweep's jobs, size by size; any of them may have failed."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"dataset", "jobs"})

    name: str = Field(description="name of the sweep")
    sizes: list[int] = Field(min_length=1, description="dimensions of each vector, in the order of the jobs")
    dataset: JobId = Field(description="prepare job")
    jobs: dict[str, list[JobId]] = Field(
        default_factory=dict, description="by kind, the sweep's jobs, one a size"
    )


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Read what every job found, decide on a size, write and log it."""
    rows = [_row(spec, context, i) for i in range(len(spec.sizes))]
    missing = _missing(spec, context)
    for line in missing:
        context.log(f"missing: {line['job']}: {line['reason']}")
    result: dict[str, Any] = {"columns": list(rows[0]), "rows": rows, "missing": missing, "smallest": None}
    scores = {
        size: read_json(context, job, "scores.json")
        for size, job in zip(spec.sizes, spec.jobs.get("evaluate", []), strict=False)
        if context.done(job)
    }
    if scores:
        result["smallest"] = _smallest(scores, context)
        size = result["smallest"]["champion"]
        best = spec.jobs["train"][spec.sizes.index(size)]
        heard = result["smallest"]["losses"][str(size)]
        leading = heard.get("listening") or next(iter(heard.values()))
        context.tracker.model(
            context.artifact(best, "codec.safetensors"),
            MODEL,
            size=size,
            score=leading["definition"][0],
            keeps_bounds=bool(result["smallest"]["passed"]) and size == result["smallest"]["size"],
        )
    for row in rows:
        context.tracker.metrics({k: v for k, v in row.items() if isinstance(v, float)}, step=row["size"])
    path = context.out / "summary.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    context.tracker.artifact(path)
    return result


def _row(spec: Spec, context: Context, i: int) -> dict[str, Any]:
    """What the jobs of one size came to, in the columns of their kinds; a dash where one is missing."""
    row: dict[str, Any] = {"size": spec.sizes[i]}
    for kind, name, _ in sweep_parts():
        jobs = spec.jobs.get(name, [])
        done = context.done(jobs[i]) if i < len(jobs) else None
        for column, read in find_kind(kind).columns.items():
            row[column] = read(done["result"]) if done else "–"
    return row


def _missing(spec: Spec, context: Context) -> list[dict[str, str]]:
    found = []
    for kind, jobs in sorted(spec.jobs.items()):
        for size, job in zip(spec.sizes, jobs, strict=False):
            if context.done(job) is None:
                ended = context.store.get_bytes(f"jobs/{job}/ENDED.json")
                reason = json.loads(ended)["reason"] if ended else "a job that it needs is not done"
                found.append({"job": f"{kind} {size}", "id": job, "reason": reason})
    return found


def _smallest(scores: dict[int, dict[str, Any]], context: Context) -> dict[str, Any]:
    """The rule of `surco.metrics.smallest` on the clips of this sweep; its figure; the champion's size."""
    import numpy as np

    from surco.metrics.score_figures import definition_figure
    from surco.metrics.smallest import smallest_vector
    from surco.plots.theme import save

    def clips(document: dict[str, Any], system: str) -> dict[str, Any]:
        measures = document["systems"][system]
        return {m: np.array([np.nan if v is None else v for v in values]) for m, values in measures.items()}

    last = scores[max(scores)]
    found = smallest_vector(
        {size: clips(document, "decoded") for size, document in scores.items()},
        clips(last, "ceiling"),
        clips(last, "floor"),
        [clip["track"] for clip in last["clips"]],
    )
    path = context.out / "figures" / "definition.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    save(definition_figure(found), path)
    context.tracker.artifact(path, "figures")
    champion = min(scores, key=lambda size: (abs(size - found.size), size))
    return {**json.loads(json.dumps(found.to_json())), "champion": champion}


KIND = JobKind(
    name="summary",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("summary.json", "figures/definition.png"),
    sweep=(
        SweepPart(
            inputs={"dataset": Input("data"), "jobs": EVERY},
            values=lambda sweep, size: {"name": sweep.name, "sizes": list(sweep.sizes)},
        ),
    ),
    by_hand=False,
    on_sweep=True,
)
