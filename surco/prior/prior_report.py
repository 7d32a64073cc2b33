"""What the training of a prior tells: `curve.json`, `tuning.json` and `comparison.json`.

docs/generate.md says how it is measured.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict, Field

from surco.documents import Document, Number
from surco.metrics.aggregate import Estimate
from surco.prior.settings import Settings

System = Literal["flow", "flow, untuned", "Gaussian", "mixture", "training vectors", "unseen real clips"]
Measure = Literal[
    "kad", "precision", "density", "recall", "coverage", "style_accuracy", "diversity", "nearest", "copies"
]


class Curve(Document):
    """Loss by step; 1 is the Gaussian. The best step on valid is the one that is kept."""

    model_config = ConfigDict(frozen=False)

    step: list[int]
    train: list[float]
    valid: list[float]
    best_step: int = 0


class StepsTried(Document):
    """So many steps of the sampler, and how far from where many would they end, as a share."""

    steps: int
    error: float


class SettingsTried(Document):
    """Guidance and temperature, and how near the valid clips their songs lie."""

    guidance: float
    temperature: float
    chosen: bool
    distance: Estimate
    above_chosen: Estimate


class Tuning(Document):
    """The settings chosen, and every one that was tried."""

    settings: Settings
    steps: list[StepsTried]
    grid: list[SettingsTried]


class Counts(Document):
    """Clips of each side of a comparison."""

    new: int
    test: int
    valid: int


class AgainstGaussian(Document):
    """Flow less Gaussian in kernel audio distance, and its p in a permutation test."""

    kad_difference: Number
    p: float
    permutations: int


class Table(Document):
    """Systems beside the test clips, judged by their vectors or, decoded, by their sound."""

    space: Literal["vectors", "sound"]
    clips: Counts
    copy_threshold: float
    systems: dict[System, dict[Measure, Estimate]]
    copied: dict[System, list[str]] = Field(description="training clips that new clips are copies of")
    against_gaussian: AgainstGaussian | None


class Coherence(Document):
    """Distance of neighbouring clips, as a share of that of two songs of one genre."""

    prior: Estimate
    apart: Estimate = Field(description="of clips drawn apart")
    real: Estimate | None = Field(description="of real tracks; None with fewer than two pairs")
    real_neighbours: str = Field(description="which real clips count as neighbours")


class Comparison(Document):
    """The prior as chosen, beside what it must beat."""

    format: Literal["surco-comparison-2"] = "surco-comparison-2"
    neighbours: str = Field(description="sentence on what the sequence model learned from")
    settings: Settings
    coherence: Coherence
    tables: list[Table]

    @property
    def last(self) -> Table:
        """The table judged in sound, or, without one, in vectors."""
        return self.tables[-1]


@dataclass(frozen=True)
class Training:
    """All that is told of a trained prior."""

    comparison: Comparison
    tuning: Tuning
    curve: Curve
