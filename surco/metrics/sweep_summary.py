"""`summary.json`: what a sweep came to, one row a size, and the smallest vector that still holds."""

from typing import Literal

from pydantic import Field

from surco.documents import Document
from surco.metrics.choice import Choice

Cell = str | int | float | None


class MissingJob(Document):
    """A job of the sweep that is not done, and why."""

    job: str = Field(description="kind and size")
    id: str
    reason: str


class Summary(Document):
    """The table of a sweep; `rows` have a value in every column, a dash where a job is missing."""

    format: Literal["surco-summary-2"] = "surco-summary-2"
    columns: list[str]
    rows: list[dict[str, Cell]]
    missing: list[MissingJob]
    smallest: Choice | None
