"""JSON files that pass between jobs: typed, written whole, and checked when read.

JSON has no NaN: an undefined number is null in the file and NaN in memory.
"""

import json
import math
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from surco.errors import InputError
from surco.files import regular_file, write_bytes


def _nan_for_null(value: Any) -> Any:
    return float("nan") if value is None else value


Number = Annotated[float, BeforeValidator(_nan_for_null)]  # NaN where it is not defined


def defined(value: float) -> float | None:
    """The number, or None where it is NaN or infinite: for results and tables, which have no NaN."""
    return value if math.isfinite(value) else None


class Document(BaseModel):
    """Base of what one job writes and others read; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")

    def to_json(self) -> dict[str, Any]:
        """What the file holds, for a result that goes into other JSON: null where a number is NaN."""
        return dict(json.loads(self.model_dump_json(by_alias=True)))

    def save(self, path: Path) -> Path:
        """Write it as JSON, whole or not at all."""
        write_bytes(path, self.model_dump_json(indent=1, by_alias=True).encode())
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read it; an InputError names the file, and the first thing that is wrong with it."""
        try:
            return cls.model_validate_json(regular_file(path).read_bytes())
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}).") from None
        except InputError:
            raise
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(
                f"{path} is no {cls.__name__} of this version ({where}: {first['msg']}); run its job again."
            ) from None
