"""What an evaluation found: every measure of every system on the same clips.

docs/measures.md says what the measures mean.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surco.documents import Document, Number
from surco.metrics.aggregate import Estimate

System = Literal["decoded", "ceiling", "floor", "linear", "8 bits", "textured"]


class ScoredClip(Document):
    """One of the clips that were measured."""

    id: str
    track: str
    genre: str


class Heard(Document):
    """Systems measured on the clips of one split; each measure has a value (N,) in the clips' order."""

    split: str
    clips: list[ScoredClip]
    systems: dict[System, dict[str, list[Number]]]

    @property
    def tracks(self) -> list[str]:
        return [clip.track for clip in self.clips]

    def measures(self, system: System) -> dict[str, NDArray[np.float64]]:
        """Every measure (N,) of a system, NaN where it is not defined; none where it was not heard."""
        return {name: np.array(values) for name, values in self.systems.get(system, {}).items()}

    def value(self, system: System, measure: str, clip: int) -> float | None:
        """One measure of the `clip`-th clip, None where it is not defined."""
        values = self.systems.get(system, {}).get(measure)
        return None if values is None or not np.isfinite(values[clip]) else values[clip]


class Scores(Heard):
    """`scores.json`: a codec at one size on the clips that are reported, and on those it is chosen by."""

    format: Literal["surco-scores-2"] = "surco-scores-2"
    size: int = Field(description="dimensions of a vector")
    seed: int
    battery: Literal["quick", "full"] = Field(description="quick leaves out ViSQOL and multi-scale mel")
    dataset: str
    codec: str
    codec_job: str
    aggregate: dict[System, dict[str, Estimate]] = Field(description="means over tracks")
    sets: dict[System, dict[str, float]] = Field(description="measures of all clips as a set")
    against_linear: dict[str, Estimate] = Field(description="ratio to Linear at this size")
    lost_at_8_bits: dict[str, Number] = Field(description="share lost with 8 bits a dimension")
    choosing: Heard | None = Field(None, description="valid clips that the smallest size is chosen by")

    def estimate(self, system: System, measure: str) -> Estimate | None:
        """A system's mean over tracks, None where it was not measured or nowhere defined."""
        found = self.aggregate.get(system, {}).get(measure)
        return found if found is not None and np.isfinite(found.mean) else None

    def mean(self, system: System, measure: str) -> float | None:
        """The mean of `estimate`."""
        found = self.estimate(system, measure)
        return found.mean if found else None


def means(aggregate: Mapping[System, Mapping[str, Estimate]]) -> dict[str, dict[str, float | None]]:
    """The means of an aggregate alone, None where there is none."""
    return {
        system: {m: e.mean if np.isfinite(e.mean) else None for m, e in found.items()}
        for system, found in aggregate.items()
    }
