"""Choose what a sweep studies: the smallest vector that the sizes asked for propose, half of it and double.

No artifacts: the second round of the sweep is made of the result (`services.queue.growing`).
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.evaluate import read_scores
from jobs.kinds import Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

SMALLEST, LARGEST = 2, 2048  # sizes that a codec can be trained for


class Spec(JobSpec):
    """The measured sizes; any of the measurements may have failed."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"evaluate"})

    sizes: list[int] = Field(min_length=1, description="sizes asked for")
    evaluate: list[JobId] = Field([], description="evaluate jobs of these sizes")


def run(spec: Spec, context: Context) -> Result:
    """Apply the rule of the smallest vector to what was measured, on the valid clips."""
    from surco.metrics.choice import Rounds, choose_smallest

    scores = {}
    for job in spec.evaluate:
        if context.done(job) is not None:
            found = read_scores(context, job)
            scores[found.size] = found
    if not scores:
        studied = around(spec.sizes)
        context.log(f"no size was measured; {studied} are studied, of those asked for")
        return Rounds(asked=tuple(spec.sizes), studied=tuple(studied)).to_json()
    choice = choose_smallest(scores)
    studied = sorted({min(max(size, SMALLEST), LARGEST) for size in choice.study})
    context.log(f"{choice.reason} {studied} are studied")
    return Rounds(
        asked=tuple(spec.sizes),
        measured=tuple(sorted(scores)),
        smallest=choice.size,
        passed=choice.passed,
        studied=tuple(studied),
        reason=choice.reason,
    ).to_json()


def around(sizes: Sequence[int]) -> list[int]:
    """The three in the middle of some sizes, or all of fewer."""
    order = sorted(sizes)
    start = max(0, (len(order) - 3) // 2)
    return order[start : start + 3]


KIND = JobKind(
    name="choose",
    spec=Spec,
    run=run,
    queue="cpu",
    sweep=(
        SweepPart(
            label="sizes",
            inputs={"evaluate": Input("evaluate", "all")},
            values=lambda sweep, size: {"sizes": list(sweep.sizes)},
            wanted=lambda sweep: sweep.study is None,
        ),
    ),
    by_hand=False,
    tracked=False,
    grows=True,
)
