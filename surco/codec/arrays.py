"""Tensors and NumPy arrays, one clip or many: what the codec takes, and gives back as it got it."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surco.errors import InputError

Array = TypeVar("Array", Tensor, NDArray[Any])


def as_tensor(given: Tensor | NDArray[Any], device: torch.device) -> Tensor:
    """A tensor as it is; an array of floating-point numbers as a float32 tensor on `device`."""
    if isinstance(given, Tensor):
        return given
    if not isinstance(given, np.ndarray):
        raise InputError(f"A tensor or a NumPy array was expected, not a {type(given).__name__}.")
    if given.dtype.kind != "f":
        raise InputError(f"The array holds {given.dtype}; give floating-point numbers (sound in [-1, 1]).")
    return torch.from_numpy(np.array(given, np.float32)).to(device)


def as_rows(given: Array, device: torch.device) -> tuple[Tensor, Callable[[Tensor], Array]]:
    """A tensor (B, n) of one row (n,) or many (B, n), and the way back for what is made of it.

    The way back gives an array where an array came, and (m,) of (1, m) where one row came.
    """
    rows = as_tensor(given, device)
    single = rows.ndim == 1

    def back(made: Tensor) -> Array:
        return like(given, made[0] if single else made)

    return (rows[None] if single else rows), back


def like(given: Array, made: Tensor) -> Array:
    """What was made, as a NumPy array where an array came."""
    return made if isinstance(given, Tensor) else made.cpu().numpy()
