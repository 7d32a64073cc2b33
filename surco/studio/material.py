"""What a worker has at hand: the warm codec of its process, and the waves and vectors of open songs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.studio.sessions import Song

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.edits.style import Styles
    from surco.prior.bars import BarPrior

Array = NDArray[Any]
CLIP = 110_250  # samples
_here: dict[str, Any] = {}


def start(path: str | None = None, prior: str | None = None) -> None:
    """Load the codec of this process, a file or the shipped one; the prior waits. One core a process."""
    import torch

    from surco.codec import Codec

    torch.set_num_threads(1)
    _here["codec"], _here["prior path"] = Codec.load(path), prior
    _here["codec"].decode(_here["codec"].encode(np.zeros(CLIP, np.float32), 32))  # what loads late


def codec() -> "Codec":
    """The codec of this process."""
    if not _here:
        start()
    found: Codec = _here["codec"]
    return found


def prior() -> "BarPrior":
    """The prior that makes songs; InputError where it is of another codec."""
    from surco.prior.bars import BarPrior

    if "prior" not in _here:
        path = _here.get("prior path")
        _here["prior"] = BarPrior.load(path and Path(path)).require(codec=codec().fingerprint)
    found: BarPrior = _here["prior"]
    return found


def styles() -> "Styles":
    """What clips of each genre are like; InputError where none is known of this codec."""
    from surco.edits.style import Styles

    if "styles" not in _here:
        _here["styles"] = Styles.load(codec().fingerprint)
    found: Styles = _here["styles"]
    return found


def facts() -> dict[str, Any]:
    """The codec's size and fingerprint, and the genres that there are for edits and for new songs."""
    found: dict[str, Any] = {"size": codec().size, "codec": codec().fingerprint}
    known: dict[str, Callable[[], list[str]]] = {
        "styles": lambda: list(styles().mean),
        "genres": lambda: prior().known,
    }
    for name, genres in known.items():
        try:
            found[name] = genres()
        except InputError:  # of another codec: the page does without
            found[name] = []
    return found


def vectors_of(song: Song) -> Array:
    """The vectors (n, D) of a song."""
    try:
        found = np.fromfile(song.vectors, "<f4")
    except FileNotFoundError:
        raise InputError(f"{song.name} is not open any more; open its file again.") from None
    return found.reshape(song.clips, song.size).astype(np.float32)


def wave_of(song: Song, clip: int) -> Array:
    """A clip (110 250,) of the song itself, followed by silence where it ends."""
    from surco.codec.streaming import OVERLAP, fade_length

    if not song.original:
        raise InputError(f"{song.name} was opened as vectors; there is no original to hear.")
    begin = clip * (CLIP - fade_length(OVERLAP))
    found = np.fromfile(song.wave, "<i2", count=CLIP, offset=2 * begin)
    return np.pad(found.astype(np.float32) / 32_768, (0, CLIP - len(found)))


def whole_wave(song: Song) -> Array:
    """All of a song itself (T,), as it was opened or made."""
    if not song.original:
        raise InputError(f"{song.name} was opened as vectors; there is no original to save.")
    return np.fromfile(song.wave, "<i2").astype(np.float32) / 32_768


def checked(song: Song, clip: int, size: int) -> None:
    """InputError where a song has no such clip, or not so many dimensions."""
    if clip >= song.clips:
        raise InputError(f"{song.name} has {song.clips} clips; there is no clip {clip + 1}.")
    if size > song.size:
        raise InputError(f"The vectors of {song.name} have {song.size} dimensions, not {size}.")
