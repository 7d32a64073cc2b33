"""How a prior is sampled."""

from dataclasses import dataclass
from typing import Literal

Method = Literal["euler", "heun"]


@dataclass(frozen=True)
class Settings:
    """How to sample; chosen on the valid split by `surco.prior.tune`."""

    guidance: float = 1.0
    steps: int = 16
    temperature: float = 1.0
    method: Method = "heun"
