"""What a report is made of: the findings of a sweep's jobs, by size, as plain data and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from surco.edits.edit_report import EditStudy
from surco.latents.outside_report import Outside
from surco.latents.study import Study
from surco.metrics.choice import Choice, Rounds
from surco.metrics.scores import Scores
from surco.prior.prior_report import Training
from surco.prior.song_report import MadeSong

Json = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job as the section on compute tells of it."""

    kind: str
    id: str
    size: int | None
    done: bool
    result: Json = field(default_factory=dict)
    reason: str = ""  # why it is not done
    state: Literal["done", "dead", "cancelled", "skipped", "unfinished"] = "unfinished"
    cause: str = ""  # of a skipped one, the job that ended badly


@dataclass(frozen=True)
class Evidence:
    """Everything that the report may tell; what is missing is empty or None.

    By size: `scores` (evaluate), `studies` (cluster), `outside`, `priors` (comparison, tuning, curve of
    train_prior), `songs` (rows of generate), `edits`. `sounds` holds
    files by clip and column ("original", "ceiling" or a size), `song_files` the generated songs by name.
    """

    name: str
    id: str  # of the sweep
    sizes: Sequence[int]
    front: Mapping[str, str] = field(default_factory=dict)  # group, authors, course and date, as given
    manifest: Json | None = None
    scores: Mapping[int, Scores] = field(default_factory=dict)
    rounds: Rounds | None = None  # what the choose job found: sizes asked for, proposed and studied
    smallest: Choice | None = None
    studies: Mapping[int, Study] = field(default_factory=dict)
    genres: Mapping[str, str] = field(default_factory=dict)  # style of each clip of the data set
    outside: Mapping[int, Outside] = field(default_factory=dict)
    priors: Mapping[int, Training] = field(default_factory=dict)
    songs: Mapping[int, Sequence[MadeSong]] = field(default_factory=dict)
    edits: Mapping[int, EditStudy] = field(default_factory=dict)
    trained: Mapping[int, Json] = field(default_factory=dict)
    histories: Mapping[int, Any] = field(default_factory=dict)  # looks of each training: step, errors in dB
    sounds: Mapping[str, Mapping[str, Path]] = field(default_factory=dict)
    song_files: Mapping[str, Path] = field(default_factory=dict)
    tests: Json | None = None
    jobs: Sequence[Job] = ()
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def chosen(self) -> int:
        """The size that the report speaks of first: the smallest proposed, or the nearest one measured.

        Without a proposal it is the middle one of those known.
        """
        known = sorted(self.scores) or sorted(self.sizes) or [0]
        if self.smallest is None:
            return known[len(known) // 2]
        proposed = self.smallest.size
        return min(known, key=lambda size: (abs(size - proposed), size))
