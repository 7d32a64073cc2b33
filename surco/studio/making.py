"""A new song from the prior, in a worker: composed, made sound, encoded so that it opens like any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from surco.errors import InputError
from surco.studio.asks import Make
from surco.studio.material import codec, prior, vectors_of
from surco.studio.reading import keep
from surco.studio.sessions import Song

SHARE, STOP = ".share", ".stop"  # files beside a song: how much of it is done, and that it is not wanted


class Stopped(InputError):
    """The song is not wanted any more."""


def make(folder: Path, identity: str, ask: Make, like: Song | None) -> dict[str, Any]:
    """What a song of a session is kept by; its wave and vectors are left in its folder.

    like : the open song that it is to resemble
    """
    from surco.audio.io import to_int16
    from surco.prior.make_song import composed_of, facts_of, heard_by, rendered

    song = folder / identity
    tell = _teller(song)
    tell(0.0)
    heard = None
    if like is not None:
        known = vectors_of(like)
        missing = max(0, prior().size - known.shape[1])
        heard = heard_by(codec(), np.pad(known, ((0, 0), (0, missing))), like.samples)
    composed = composed_of(
        prior(),
        genre=ask.genre,
        seconds=ask.seconds,
        tempo=ask.tempo,
        key=ask.key,
        heard=heard,
        seed=ask.seed,
    )
    wave = rendered(codec(), composed, ask.seconds, tell)
    tell(0.97)
    told = facts_of(composed, prior().fingerprint, ask.seconds)
    kept = keep(codec().encode_long(wave), song)
    song.with_suffix(".pcm").write_bytes(to_int16(wave).astype("<i2").tobytes())
    tell(1.0)
    return {"samples": len(wave), **kept, "name": told["title"], "made": told}


def share_of(folder: Path, identity: str) -> float:
    """How much of a song is made, 0 to 1."""
    try:
        return float((folder / identity).with_suffix(SHARE).read_text() or 0)
    except (OSError, ValueError):
        return 0.0


def stop(folder: Path, identity: str) -> None:
    """Let the worker that makes a song end at its next step."""
    if folder.exists():
        (folder / identity).with_suffix(STOP).touch()


def clear(folder: Path, identity: str) -> None:
    """Remove what was noted of a song while it was made."""
    for suffix in (SHARE, STOP):
        (folder / identity).with_suffix(suffix).unlink(missing_ok=True)


def discard(folder: Path, identity: str) -> None:
    """Remove a song that was made and is not wanted."""
    for suffix in (".pcm", ".f32"):
        (folder / identity).with_suffix(suffix).unlink(missing_ok=True)


def _teller(song: Path) -> Callable[[float], None]:
    def tell(share: float) -> None:
        if not song.parent.exists() or song.with_suffix(STOP).exists():
            raise Stopped("The song was cancelled.")
        song.with_suffix(SHARE).write_text(f"{share:.3f}")

    return tell
