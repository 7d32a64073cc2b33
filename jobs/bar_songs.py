"""How `jobs.generate` makes songs of bars: a prior fitted to its training vectors, songs composed of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from surco.codec import Codec
    from surco.latents.vectors import VectorSet
    from surco.prior.bars import BarPrior
    from surco.prior.composing import Composed
    from surco.prior.memorisation import CopyDetector

MOST = 960  # training vectors that are read on beats: about 0.1 s of one core each
NEEDED = 3  # tracks of every style: a component is fitted about a vector and its neighbours of other tracks


@dataclass(frozen=True)
class Bars:
    """A prior of bars, and what finds copies of the vectors of eight beats that it was fitted to."""

    prior: "BarPrior"
    detector: "CopyDetector"


def too_few(train: "VectorSet") -> str:
    """The first style with too few tracks for a prior of bars; "" where there is none."""
    for genre in sorted(set(train.genres)):
        if len({t for t, g in zip(train.tracks, train.genres, strict=True) if g == genre}) < NEEDED:
            return genre
    return ""


def fit_bars(
    codec: "Codec", train: "VectorSet", progress: "Callable[[int, int], None] | None" = None
) -> Bars:
    """Read training vectors (N, D) on their beats and fit a prior of bars to them.

    Of more than `MOST` vectors so many are taken, spread over styles and tracks.
    """
    import numpy as np

    from surco.latents.vectors import VectorSet
    from surco.prior.bars import BarPrior, spread
    from surco.prior.beats import on_beats
    from surco.prior.memorisation import fit_copy_detector

    order = sorted(range(len(train)), key=lambda i: (train.tracks[i], train.clips[i]))
    train = train.rows(np.array(order))
    train = train.rows(spread(train.genres, train.tracks, MOST))
    read, pulses = on_beats(
        codec, train.vectors, train.tracks, progress=progress or (lambda done, total: None)
    )
    memory = VectorSet(
        read, train.clips, train.tracks, train.genres, train.splits, train.codec, train.dataset
    )
    prior = BarPrior.fit(memory, np.array([p.tempo for p in pulses]))
    return Bars(prior, fit_copy_detector(memory))


def sing(codec: "Codec", composed: "Composed", seconds: float) -> "tuple[NDArray[np.float32], list[float]]":
    """The wave (T,) of a composed song at -16 LUFS, and the seconds at which its vectors begin."""
    from surco.prior.make_song import rendered
    from surco.prior.render import starts_of

    starts = starts_of(composed.song.poses)[:-1]
    return rendered(codec, composed, seconds), [round(float(s), 3) for s in starts if s < seconds]


def heading(composed: "Composed", number: int) -> dict[str, object]:
    """What a row of `songs.json` says of a composed song alone, by its number in its genre."""
    from surco.prior.make_song import facts_of

    facts = facts_of(composed, "", 0, number=number)
    return {key: facts[key] for key in ("title", "tempo", "key", "form")}
