"""Solvers of the flow's equation dx/dt = v(x, t) from noise at t = 0 to a vector at t = 1."""

from collections.abc import Callable

import torch
from torch import Tensor

from surco.errors import InputError
from surco.prior.settings import Method

Field = Callable[[Tensor, Tensor], Tensor]  # x (B, D), t (B,) -> velocity (B, D)


def integrate(field: Field, x: Tensor, *, steps: int = 16, method: Method = "heun") -> Tensor:
    """Carry x (B, D) along the field from t = 0 to t = 1 in equal steps.

    Heun's method asks the field twice a step and is exact for a velocity linear in time; Euler's is
    exact for a constant one.
    """
    if steps < 1:
        raise InputError(f"A sampler needs at least 1 step and got {steps}.")
    for i in range(steps):
        t, dt = torch.full((len(x),), i / steps), 1 / steps
        v = field(x, t)  # (B, D)
        if method == "heun":
            ahead = field(x + dt * v, t + dt)  # (B, D)
            v = (v + ahead) / 2
        x = x + dt * v
    return x


def guided(conditional: Field, unconditional: Field, guidance: float) -> Field:
    """Classifier-free guidance (Ho & Salimans 2022): 0 ignores the genre, 1 follows it, more overdoes it."""
    if guidance == 1:
        return conditional

    def field(x: Tensor, t: Tensor) -> Tensor:
        free = unconditional(x, t)  # (B, D)
        return free + guidance * (conditional(x, t) - free)

    return field
