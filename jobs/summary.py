"""Sum a sweep up: one row a size, the smallest vector that still holds, and what is missing and why.

Artifacts: `summary.json`, `figures/definition.png`. The best codec is registered, and is the champion
where no version before it is better (docs/architecture.md has the rule).
"""

import json
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.evaluate import read_scores
from jobs.kinds import EVERY, Input, JobKind, SweepPart, find_kind, middle, sweep_parts
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    from surco.metrics.choice import Choice
    from surco.metrics.sweep_summary import Cell, MissingJob

MODEL = "surco-codec"


class Spec(JobSpec):
    """The sweep's jobs, size by size; any of them may have failed."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"dataset", "jobs"})

    name: str = Field(description="name of the sweep")
    sizes: list[int] = Field(min_length=1, description="dimensions of each vector, in the order of the jobs")
    dataset: JobId = Field(description="prepare job")
    studied: list[int] = Field([], description="sizes that are studied, the middle one first of all")
    jobs: dict[str, list[JobId | None]] = Field(
        default_factory=dict, description="by kind, the sweep's jobs, one a size where there is one"
    )


def run(spec: Spec, context: Context) -> Result:
    """Read what every job found, decide on a size, write and log it."""
    from surco.metrics.choice import choose_smallest
    from surco.metrics.sweep_summary import Summary

    rows = [_row(spec, context, i) for i in range(len(spec.sizes))]
    missing = _missing(spec, context)
    for line in missing:
        context.log(f"missing: {line.job}: {line.reason}")
    choice = None
    scores = {
        size: read_scores(context, job)
        for size, job in zip(spec.sizes, spec.jobs.get("evaluate", []), strict=False)
        if job and context.done(job)
    }
    if scores:
        choice = choose_smallest(scores, stand_in=middle(spec.studied) if spec.studied else None)
        draw(choice, context)
        best = spec.jobs["train"][spec.sizes.index(choice.champion)] or ""
        heard = choice.losses[choice.champion]
        leading = heard.get("listening") or next(iter(heard.values()))
        context.tracker.model(
            context.artifact(best, "codec.safetensors"),
            MODEL,
            size=choice.champion,
            score=leading.definition[0],
            keeps_bounds=choice.passed and choice.champion == choice.size,
        )
    for size, row in zip(spec.sizes, rows, strict=True):
        context.tracker.metrics({k: v for k, v in row.items() if isinstance(v, float)}, step=size)
    summary = Summary(columns=list(rows[0]), rows=rows, missing=missing, smallest=choice)
    context.tracker.artifact(summary.save(context.out / "summary.json"))
    return summary.to_json()


def _row(spec: Spec, context: Context, i: int) -> "dict[str, Cell]":
    """What the jobs of one size came to, in the columns of their kinds; a dash where one is missing."""
    row: dict[str, Cell] = {"size": spec.sizes[i]}
    for kind, name, _ in sweep_parts():
        jobs = spec.jobs.get(name, [])
        job = jobs[i] if i < len(jobs) else None
        done = context.done(job) if job else None
        for column, read in find_kind(kind).columns.items():
            row[column] = read(done["result"]) if done else "–"
    return row


def _missing(spec: Spec, context: Context) -> "list[MissingJob]":
    from surco.metrics.sweep_summary import MissingJob

    found = []
    for kind, jobs in sorted(spec.jobs.items()):
        for size, job in zip(spec.sizes, jobs, strict=False):
            if job and context.done(job) is None:
                ended = context.store.get_bytes(f"jobs/{job}/ENDED.json")
                reason = json.loads(ended)["reason"] if ended else "a job that it needs is not done"
                found.append(MissingJob(job=f"{kind} {size}", id=job, reason=reason))
    return found


def draw(choice: "Choice", context: Context) -> None:
    """The figure of definition by size, on the clips that are reported."""
    from surco.metrics.choice_figure import definition_figure
    from surco.plots.theme import save

    path = save(definition_figure(choice), context.out / "figures" / "definition.png")
    context.tracker.artifact(path, "figures")


KIND = JobKind(
    name="summary",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("summary.json", "figures/definition.png"),
    sweep=(
        SweepPart(
            round=2,
            inputs={"dataset": Input("data"), "jobs": EVERY},
            values=lambda sweep, size: {
                "name": sweep.name,
                "sizes": list(sweep.sizes),
                "studied": list(sweep.study or ()),
            },
        ),
    ),
    by_hand=False,
    on_sweep=True,
)
