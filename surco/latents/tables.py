"""Results as JSON: plain numbers, null where a figure is undefined."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from surco.files import write_bytes


def plain(value: Any) -> Any:
    """`value` with arrays as lists, dataclasses as dictionaries, and NaN and infinity as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON that a person can read; whole or not at all."""
    write_bytes(path, (json.dumps(plain(value), indent=1, ensure_ascii=False) + "\n").encode())
