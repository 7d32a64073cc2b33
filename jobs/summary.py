"""Sum a sweep up: one row a size, the smallest vector that still holds, and what is missing and why.

Artifacts: `summary.json`, `figures/definition.png`. The best codec is registered as the champion.
"""

import json
from typing import Any, ClassVar

from pydantic import Field

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"
ON_SWEEP = True  # it speaks on the sweep's own run

COLUMNS = (
    "size", "clips", "zimtohrli", "ceiling", "log_mel_db", "vs_linear", "8_bits", "clusters", "songs"
)  # fmt: skip
MODEL = "surco-codec"


class Spec(JobSpec):
    """The sweep's jobs, size by size; any of them may have failed."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset(
        {"dataset", "train", "evaluate", "embed", "cluster", "edits", "prior", "generate", "outside"}
    )

    name: str = Field(description="name of the sweep")
    sizes: list[int] = Field(min_length=1, description="floats of each vector, in the order of the jobs")
    dataset: JobId = Field(description="prepare job")
    train: list[JobId] = Field([])
    evaluate: list[JobId] = Field([])
    embed: list[JobId] = Field([])
    cluster: list[JobId] = Field([])
    edits: list[JobId] = Field([])
    prior: list[JobId] = Field([])
    generate: list[JobId] = Field([])
    outside: list[JobId] = Field([])


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Read what every job found, decide on a size, write and log it."""
    rows = [_row(spec, context, i) for i in range(len(spec.sizes))]
    missing = _missing(spec, context)
    for line in missing:
        context.log(f"missing: {line['job']}: {line['reason']}")
    result: dict[str, Any] = {"columns": list(COLUMNS), "rows": rows, "missing": missing, "smallest": None}
    scores = {
        size: json.loads(context.artifact(job, "scores.json").read_text())
        for size, job in zip(spec.sizes, spec.evaluate, strict=False)
        if context.done(job)
    }
    if scores:
        result["smallest"] = _smallest(scores, context)
        best = spec.train[spec.sizes.index(result["smallest"]["champion"])]
        context.tracker.model(context.artifact(best, "codec.safetensors"), MODEL)
    for row in rows:
        context.tracker.metrics({k: v for k, v in row.items() if isinstance(v, float)}, step=row["size"])
    path = context.out / "summary.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    context.tracker.artifact(path)
    return result


def _row(spec: Spec, context: Context, i: int) -> dict[str, Any]:
    """What the jobs of one size came to; a dash where one is missing."""

    def of(jobs: list[JobId]) -> dict[str, Any]:
        done = context.done(jobs[i]) if i < len(jobs) else None
        return done["result"] if done else {}

    heard, studied, made = of(spec.evaluate), of(spec.cluster), of(spec.generate)
    lost = heard.get("lost_at_8_bits", {}).get("zimtohrli")
    return {
        "size": spec.sizes[i],
        "clips": heard.get("clips", "–"),
        "zimtohrli": heard.get("decoded", {}).get("zimtohrli", "–"),
        "ceiling": heard.get("ceiling", {}).get("zimtohrli", "–"),
        "log_mel_db": heard.get("decoded", {}).get("log_mel_db", "–"),
        "vs_linear": heard.get("against_linear", "–"),
        "8_bits": "–" if lost is None else f"{0.0 - round(100 * lost, 1):+.1f} %",
        "clusters": studied.get("k") or "–",
        "songs": made.get("songs", "–"),
    }


def _missing(spec: Spec, context: Context) -> list[dict[str, str]]:
    found = []
    for kind in sorted(Spec.OPTIONAL - {"dataset"}):
        for size, job in zip(spec.sizes, getattr(spec, kind), strict=False):
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
