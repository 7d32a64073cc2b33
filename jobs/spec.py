"""What a job is asked to do, and the identity that follows from it."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_CODE = ("surco", "jobs")


class JobSpec(BaseModel):
    """Base of every spec: closed to unknown keys, immutable, and naming the jobs it reads.

    A field typed `JobId` (or `list[JobId]`) is an input: the job waits until that job is done.
    The fields named in `SOFT` are waited for but may have failed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int = Field(0, ge=0, description="seed of every random choice of the job")

    def inputs(self) -> dict[str, list[str]]:
        """Ids of the jobs that this one reads, by field."""
        found: dict[str, list[str]] = {}
        for name, field in type(self).model_fields.items():
            if "JobId" in str(field.annotation) or _is_job_id(field):
                value = getattr(self, name)
                found[name] = [value] if isinstance(value, str) else list(value or [])
        return found


def _is_job_id(field: Any) -> bool:
    pattern = r"^[0-9a-f]{64}$"
    if any(getattr(m, "pattern", None) == pattern for m in field.metadata):
        return True
    return pattern in repr(field.annotation)


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@cache
def code_version() -> str:
    """SHA-256 over the sources and weights of the two floors whose code decides a job's bytes."""
    root = Path(__file__).resolve().parent.parent
    digest = hashlib.sha256()
    for floor in _CODE:
        for path in sorted((root / floor).rglob("*")):
            if path.suffix in {".py", ".safetensors", ".json", ".csv"} and "__pycache__" not in path.parts:
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def job_id(kind: str, spec: JobSpec) -> str:
    """SHA-256 of kind, spec (inputs and seed among it) and code version: same question, same job."""
    return hashlib.sha256(canonical([kind, spec.model_dump(mode="json"), code_version()])).hexdigest()
