"""safetensors files from anywhere: opened with care, and refused where a number in them is none."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from surco.errors import InputError, middle_out
from surco.files import regular_file

MAX_HEADER = 64 << 20  # bytes; a data set of 100,000 clips takes 20 MB
# What a damaged or foreign file makes the readers of headers, shapes and settings say.
BROKEN = (
    SafetensorError, OSError, LookupError, TypeError, ValueError, RuntimeError, AttributeError,
    ArithmeticError, MemoryError, RecursionError,
)  # fmt: skip


@contextmanager
def broken_file(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Tell in a sentence what goes wrong inside, where a file is read and something is built of it."""
    try:
        yield
    except InputError:
        raise
    except BROKEN as error:
        reason = f": {middle_out(' '.join(str(error).split()), 80)}" if str(error) else ""
        raise InputError(f"{path} is not {what}, or is damaged{reason}; {remedy}.") from error


@contextmanager
def open_tensors(path: Path, framework: str) -> Iterator[Any]:
    """`safe_open` of a plain file whose header is of a size that can be true."""
    with regular_file(path).open("rb") as file:
        claimed = int.from_bytes(file.read(8), "little")
    if claimed > MAX_HEADER or claimed + 8 > path.stat().st_size:
        raise ValueError("its header claims more than the file holds")
    with safe_open(path, framework=framework) as file:
        yield file


def header(file: Any, key: str) -> dict[str, Any]:
    """The JSON object under a key of an open file's metadata."""
    found = json.loads((file.metadata() or {})[key])
    if not isinstance(found, dict):
        raise TypeError("its description is no mapping")
    return found


def all_tensors(file: Any) -> dict[str, Any]:
    """Every tensor of an open file; a ValueError if one holds NaN or infinity."""
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    require_finite(tensors)
    return tensors


def require_finite(tensors: Mapping[str, Any]) -> None:
    """A ValueError that names the first tensor (torch's or NumPy's) with a NaN or an infinity."""
    for name, tensor in tensors.items():
        if isinstance(tensor, np.ndarray):
            bad = tensor.dtype.kind in "fc" and not np.isfinite(tensor).all()
        else:
            bad = (tensor.is_floating_point() or tensor.is_complex()) and not bool(tensor.isfinite().all())
        if bad:
            raise ValueError(f"{name} holds NaN or infinity")
