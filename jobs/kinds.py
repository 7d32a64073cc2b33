"""The kinds of job there are, and where each one runs."""

from importlib import import_module
from typing import Any

from jobs.spec import JobSpec
from surco.errors import InputError

KINDS = (
    "prepare",
    "train",
    "train_vocoder",
    "train_prior",
    "evaluate",
    "embed",
    "cluster",
    "edits",
    "outside",
    "generate",
    "summary",
    "listen",
    "report",
    "noop",
)


def job_module(kind: str) -> Any:
    """The module of a kind: `Spec`, `QUEUE` ("gpu" or "cpu") and `run(spec, context)`."""
    if kind not in KINDS:
        raise InputError(f"There is no job kind {kind!r}; the kinds are {', '.join(KINDS)}.")
    return import_module(f"jobs.{kind}")


def parse_spec(kind: str, data: dict[str, Any]) -> JobSpec:
    """A validated spec of a kind; unknown keys and bad values are refused by name."""
    from pydantic import ValidationError

    try:
        return job_module(kind).Spec.model_validate(data)
    except ValidationError as error:
        raise InputError(explain(f"the {kind} spec", error)) from None


def explain(what: str, error: Any) -> str:
    """One sentence for pydantic's list of complaints."""
    parts = []
    for item in error.errors():
        where = ".".join(str(p) for p in item["loc"]) or "it"
        if item["type"] == "extra_forbidden":
            parts.append(f"{where!r} is not a known key")
        elif item["type"] == "missing":
            parts.append(f"{where!r} is missing")
        else:
            parts.append(f"{where} = {item.get('input')!r}: {item['msg'].removeprefix('Value error, ')}")
    return f"In {what}, " + "; ".join(parts) + "."
