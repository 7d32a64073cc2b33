"""`edits.json`: what edits of the vectors of one size do. docs/study.md says how they are measured."""

from math import exp
from typing import Literal

from pydantic import Field

from surco.documents import Document
from surco.edits.assess import Assessment, Possible
from surco.edits.judgement import Answer, Judged
from surco.metrics.aggregate import Estimate

System = Literal[
    "edit", "re-encoded", "librosa", "Rubber Band", "librosa, encoded", "filter, encoded",
    "waves", "mels", "waves, encoded",
]  # fmt: skip
RIVALS: tuple[System, ...] = ("Rubber Band", "librosa", "filter, encoded", "waves, encoded")


class Exactness(Document):
    """Distance of an edited vector's sound to the edited original."""

    ratio: Estimate = Field(description="over that of the edited original encoded; 1 is as close as it gets")
    decibel: Estimate


class JudgedEdit(Document):
    """An edit made by what a vector holds, judged by whether it does what was asked and no more."""

    edit: str
    unit: str
    amounts: list[float]
    tracks: int
    systems: dict[System, Judged] = Field(description="the edit itself, mixtures and signal processing")
    exactness: Exactness | None
    broken_db: Estimate | None = Field(description="how far the decoder misses a curve")
    answer: Answer
    reason: str
    old: Possible = Field(description="the answer of the rule by which moves are judged")

    @property
    def did(self) -> Judged:
        """What the edit itself did."""
        return self.systems["edit"]

    @property
    def rival(self) -> System:
        """The baseline to hear the edit against: signal processing where it can do this edit, else mixing."""
        return next(name for name in RIVALS if name in self.systems)

    @property
    def largest(self) -> tuple[float, str]:
        """The largest amount and its unit as people say it: a ratio instead of its logarithm."""
        top = max(self.amounts)
        return (exp(top), "times") if self.unit == "log ratio" else (top, self.unit)


class Moved(Document):
    """An edit along means, probes and mixtures, judged against mixing."""

    edit: str
    asked: str
    measured: Assessment
    baselines: dict[Literal["waves", "mels"], Assessment]
    possible: Possible

    @property
    def hardest(self) -> Assessment:
        """The baseline that is hardest to beat: mixing waves or mels, whichever moves further."""
        return max(self.baselines.values(), key=lambda b: (b.gain.mean, -b.realism_loss.mean))


class EditAnswer(Document):
    """`edit.json`: is the edit that songs were made by possible, asked of the songs themselves."""

    edit: str
    answer: Literal["yes", "no better than mixing", "no"]
    sentence: str
    measured: Assessment
    mixing: Assessment


class EditStudy(Document):
    """The edits of one size on unseen songs."""

    format: Literal["surco-edits-2"] = "surco-edits-2"
    size: int
    codec: str
    dataset: str
    seed: int
    songs: int = Field(description="test clips that moves are tried on")
    tracks: int = Field(description="test tracks that the other edits are tried on")
    moves: list[Moved]
    judged: list[JudgedEdit]
