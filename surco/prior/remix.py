"""Remixes: songs of real vectors, edited to one tempo and one key, and told as such with their sources.

Nothing is drawn. Each part of the form is a clip of another track of the genre, two vectors of eight beats
where the track has them; all are played at the first one's tempo, and moved to its key. What comes back is
mixed with a part of another source.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import Pose
from surco.errors import InputError
from surco.prior.beats import playing
from surco.prior.composing import Composed, check_asked, written_form
from surco.prior.keys import Key, key_of
from surco.prior.songs import Song

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.latents.vectors import VectorSet

Array = NDArray[Any]
CLOSE = 4  # sources that match best, among which one is drawn
SEMITONE = 0.03  # octaves of tempo that weigh as much as a semitone of key
MIXED = 0.35  # share of another source in a part that comes back


@dataclass(frozen=True)
class Source:
    """Rows of consecutive vectors of one track, its tempo (BPM), and its key where one was read."""

    rows: tuple[int, ...]
    tempo: float
    key: Key | None


def remix(
    codec: "Codec",
    memory: "VectorSet",
    tempi: Array,
    genre: str,
    seconds: float,
    *,
    seed: int = 0,
    tempo: float | None = None,
    key: Key | None = None,
) -> Composed:
    """A remix of a genre's training vectors that lasts at least `seconds`.

    Parameters
    ----------
    memory, tempi : vectors of eight beats in the order of their tracks, and the tempo (N,) of each, BPM
    tempo, key : what all sources are brought to; those of the first source if not given

    Raises InputError for an unknown genre, or a length or tempo out of bounds.
    """
    check_asked(seconds, tempo)
    known = sources(memory, tempi, genre)
    if not known:
        raise InputError(f"Unknown genre '{genre}'; there are {', '.join(sorted(set(memory.genres)))}.")
    rng = np.random.default_rng(seed)
    first = known.pop(int(rng.integers(len(known))))
    played = first.tempo if tempo is None else tempo
    aim = first.key if key is None else key
    pose = playing(played)
    count = max(1, int(np.ceil(seconds / (5 * pose.stretch) - 1e-9)))
    form = written_form(rng, count)
    parts: dict[str, Source] = {}
    for letter in dict.fromkeys(form.upper()):
        parts[letter] = first if not parts else _matching(rng, known, played, aim) or first
    vectors = _edited(codec, memory, parts, aim)
    song, used = [], []
    for k, letter in enumerate(form):
        own = vectors[letter]
        others = [other for other in parts if other != letter.upper()]
        if letter in form[:k] and others:
            other = str(rng.choice(others))
            own = (1 - MIXED) * own + MIXED * vectors[other if letter.isupper() else other.lower()]
        song.append(own)
    for part in parts.values():
        used += [memory.clips[row] for row in part.rows if memory.clips[row] not in used]
    found = np.stack(song).astype(np.float32)
    found[:, 0] = (found[:, 0] + found[:, 0].mean()) / 2  # the levels of the sources are brought together
    told = f"a remix, as {form}, of the training clips {', '.join(used)}, matched in tempo and key"
    made = Song(genre, "remix", seed, found, told, sources=used, poses=[Pose(pose.log_stretch)] * count)
    return Composed(made, form, played, aim)


def sources(memory: "VectorSet", tempi: Array, genre: str) -> list[Source]:
    """What parts can be made of: pairs of neighbouring vectors of a genre's tracks, else single ones."""
    found: list[Source] = []
    rows_of: dict[str, list[int]] = {}
    for row, (track, own) in enumerate(zip(memory.tracks, memory.genres, strict=True)):
        if own == genre:
            rows_of.setdefault(track, []).append(row)
    for rows in rows_of.values():
        for k in range(0, len(rows), 2):
            pair = tuple(rows[k : k + 2])
            found.append(Source(pair, float(tempi[rows[0]]), key_of(memory.vectors[list(pair)])))
    return found


def _matching(rng: np.random.Generator, known: list[Source], tempo: float, key: Key | None) -> Source | None:
    """One of the sources that match a tempo and key best, taken out of `known`; None where none is left."""
    if not known:
        return None

    def apart(source: Source) -> float:
        moved = abs(source.key.semitones_to(key)) if source.key and key else 0
        return abs(float(np.log2(source.tempo / tempo))) + SEMITONE * moved

    order = sorted(range(len(known)), key=lambda i: apart(known[i]))[:CLOSE]
    return known.pop(int(rng.choice(order)))


def _edited(
    codec: "Codec", memory: "VectorSet", parts: dict[str, Source], key: Key | None
) -> dict[str, Array]:
    """By letter the vector (D,) of a part, moved to the key; of one vector both letters are that."""
    from surco.codec import recode

    found = {}
    for letter, part in parts.items():
        x = memory.vectors[list(part.rows)]
        shift = part.key.semitones_to(key) if part.key and key else 0
        if shift:
            pose = Pose(0.0, float(shift))
            x = np.concatenate([recode.read(codec, one[None], np.zeros(1), pose) for one in x])
        found[letter], found[letter.lower()] = x[0], x[-1]
    return found
