"""How `jobs.generate` makes songs of bars: composed of a prior of training vectors, or remixed of them."""

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


@dataclass(frozen=True)
class Bars:
    """Training vectors of eight beats (N, D), the tempo (N,) of each in BPM, and what finds copies."""

    memory: "VectorSet"
    tempi: "NDArray[np.float64]"
    detector: "CopyDetector"


def read_bars(
    codec: "Codec", train: "VectorSet", progress: "Callable[[int, int], None] | None" = None
) -> Bars:
    """Read training vectors (N, D) on their beats; of more than `MOST` so many, over all styles and tracks.

    Raises InputError for fewer than three tracks.
    """
    import numpy as np

    from surco.latents.vectors import VectorSet
    from surco.prior.bars import spread
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
    return Bars(memory, np.array([p.tempo for p in pulses]), fit_copy_detector(memory))


def fit_bars(codec: "Codec", bars: Bars) -> "BarPrior":
    """A prior of bars fitted to training vectors, which borrows from the shipped one where they are few."""
    from surco.prior.bars import BarPrior
    from surco.prior.borrowed import borrowed

    return BarPrior.fit(bars.memory, bars.tempi, more=borrowed(codec, bars.memory.size))


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
