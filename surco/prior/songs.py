"""What a song is made of: a chain of clip vectors, drawn or edited, and where they came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from surco.codec.pose import Pose
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.prior.baselines import GaussianPrior
    from surco.prior.prior import Prior
    from surco.prior.settings import Settings

CLIP_SECONDS = 5.0
OVERLAP = 0.25  # s of cross-fade between clips
MAX_SECONDS = 600.0


@dataclass(frozen=True)
class Song:
    """Vectors (n, D) of a song and its story."""

    genre: str
    recipe: str
    seed: int
    vectors: np.ndarray
    told: str
    sources: list[str] = field(default_factory=list)
    poses: list[Pose] = field(default_factory=list)  # of each vector; none is the identity


def clips_for(seconds: float) -> int:
    """Clips of 5 s, cross-faded by 0.25 s, that fill a song of that length."""
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"A song cannot last {seconds:g} s; ask for more than 0, at most {MAX_SECONDS:g}.")
    step = CLIP_SECONDS - OVERLAP
    return max(1, int(np.ceil((seconds - OVERLAP) / step - 1e-9)))


def check_genres(wanted: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """The genres asked for, or all; unknown ones are refused by name."""
    for genre in wanted or []:
        if genre not in known:
            raise InputError(f"Unknown genre '{genre}'; there are {', '.join(known)}.")
    return list(dict.fromkeys(wanted)) if wanted else list(known)


def sampled_song(
    sampler: "Prior | GaussianPrior",
    genre: str,
    clips: int,
    *,
    seed: int,
    settings: "Settings | None" = None,
) -> Song:
    """A new song of `clips` vectors that belong together."""
    from surco.prior.prior import Prior

    if isinstance(sampler, Prior):
        vectors = sampler.song(genre, clips, seed=seed, settings=settings)[0]  # (n, D)
        return Song(genre, "sampled", seed, vectors, "drawn from the trained prior")
    told = "drawn from a Gaussian per genre, no prior being given"
    return Song(genre, "gaussian", seed, sampler.song(genre, clips, seed=seed), told)
