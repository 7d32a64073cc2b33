"""`outside.json`: how a codec does on music from outside its data set, and on sounds made to try it."""

from typing import Literal

from pydantic import Field

from surco.documents import Document, Number
from surco.latents.outside import Band, Comparison, Verdict
from surco.metrics.aggregate import Estimate


class Side(Document):
    """One side of the comparison: the data set's own test clips, or those from outside."""

    clips: int
    tracks: int
    measures: dict[str, Estimate] = Field(description="means over tracks")


class Music(Document):
    """Music from outside, beside the test clips."""

    side: Side
    comparisons: dict[str, Comparison] = Field(description="by measure")
    bands: dict[str, Band] = Field(description="by distance: the share of vectors outside the test clips'")
    verdict: Verdict


class StressSound(Document):
    """A sound made in the run, or made of some test clips, with bands of the test clips beside it."""

    name: str
    clips: int
    mel_error_db: float
    mel_error_db_low: float
    mel_error_db_high: float
    same_clips_unaltered_db: float | None
    test_band_db: tuple[float, float]
    zimtohrli: Number
    zimtohrli_test_low: Number
    works: bool = Field(description="neither figure is worse than that of 97.5 % of the test clips")
    distance: float = Field(description="to the nearest training vectors")
    distance_test_high: float
    recognised: bool = Field(description="it lies no farther away than 97.5 % of the test clips")


class Outside(Document):
    """What one codec does outside; `music` is None where no folder was given."""

    format: Literal["surco-outside-2"] = "surco-outside-2"
    size: int
    codec: str
    seed: int
    test: Side
    music: Music | None
    stress: list[StressSound]
