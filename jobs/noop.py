"""A job that does nothing: what `surco doctor` sends round and benchmarks count."""

from typing import Any

from jobs.context import Context
from jobs.spec import JobSpec

QUEUE = "cpu"


class Spec(JobSpec):
    """`label` tells one empty job from another."""

    label: str = ""


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Return at once."""
    return {"label": spec.label}
