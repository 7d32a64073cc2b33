"""DONE.json, read as something that anyone may have written to."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from surco.errors import InputError
from surco.files import safe_name

Result = dict[str, Any]  # what a job's `run` returns and DONE.json holds: plain JSON


class _Done(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    result: Result
    artifacts: list[str]
    prefix: str = Field(pattern=r"^jobs/[0-9a-zA-Z_-]{1,64}/attempts/[0-9a-zA-Z_-]{1,64}$")

    @field_validator("artifacts")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        for name in value:
            for part in name.split("/"):
                safe_name(part, "artifact")
        return value


def parse_done(job: str, data: bytes) -> dict[str, Any]:
    """A job's DONE.json: its `result`, its `prefix` in the store, and `artifacts`, names within it.

    Raises InputError if the record is cut, foreign, or names a file that leads out of the job's folder.
    """
    try:
        return _Done.model_validate_json(data).model_dump()
    except (ValidationError, RecursionError):
        raise InputError(
            f"DONE.json of job {job[:12]} is damaged; drop the job and submit it again."
        ) from None
