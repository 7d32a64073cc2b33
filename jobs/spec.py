"""What a job is asked to do, and the identity that follows from it."""

import hashlib
import json
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import core_schema

from jobs.closure import code_version


class JobId(str):
    """The id of another job: 64 hexadecimal digits. A spec field of this type is an input."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        text = core_schema.str_schema(pattern=r"^[0-9a-f]{64}$")
        return core_schema.no_info_after_validator_function(
            cls, text, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )


class JobSpec(BaseModel):
    """Base of every spec: closed to unknown keys, immutable, and naming the jobs it reads.

    A field that holds `JobId`, alone, in a list or in a mapping of lists, is an input: the job waits for
    it. Inputs named in `OPTIONAL` may fail; the job then runs without them and says so. Fields named in
    `PLACES` say where something lies, and have no part in the job's identity.
    """

    OPTIONAL: ClassVar[frozenset[str]] = frozenset()
    PLACES: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int = Field(0, ge=0, description="seed of every random choice of the job")

    def inputs(self, *, optional: bool | None = None) -> list[str]:
        """Ids of the jobs that this one reads; only the optional or only the required ones if asked."""
        found: list[str] = []
        for name in type(self).model_fields:
            if optional is None or (name in self.OPTIONAL) == optional:
                found += _ids(getattr(self, name))
        return list(dict.fromkeys(found))


def _ids(value: object) -> list[str]:
    """The job ids in a field's value."""
    if isinstance(value, JobId):
        return [str(value)]
    if isinstance(value, dict):
        value = list(value.values())
    return [i for v in value for i in _ids(v)] if isinstance(value, list | tuple) else []


def canonical(value: Any) -> bytes:
    """The one JSON text of a value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def job_id(kind: str, spec: JobSpec) -> str:
    """SHA-256 of kind, spec (inputs and seed among it) and the kind's code: same question, same job."""
    asked = spec.model_dump(mode="json", exclude=set(spec.PLACES))
    return hashlib.sha256(canonical([kind, asked, code_version(kind)])).hexdigest()
