"""Wait for a given time: the job that benchmarks count and tests interrupt."""

import time

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import JobKind
from jobs.spec import JobId, JobSpec


class Spec(JobSpec):
    """`label` tells one empty job from another."""

    label: str = ""
    seconds: float = Field(0.0, ge=0, le=3600, description="how long to wait, s")
    after: list[JobId] = Field(default_factory=list, description="jobs to wait for")


def run(spec: Spec, context: Context) -> Result:
    """Wait, beating; returns the label and the fence under which it ran."""
    start = time.monotonic()
    while (passed := time.monotonic() - start) < spec.seconds:
        context.progress(passed, spec.seconds)
        time.sleep(0.1)
    return {"label": spec.label, "fence": context.fence}


KIND = JobKind(name="noop", spec=Spec, run=run, queue="cpu", by_hand=False, tracked=False)
