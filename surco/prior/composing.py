"""Songs of bars: a form, its parts drawn once and varied when they come back, one tempo and one key."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import Pose
from surco.errors import InputError
from surco.prior.bars import BarPrior
from surco.prior.beats import playing
from surco.prior.keys import Key, key_of
from surco.prior.memorisation import distances
from surco.prior.songs import MAX_SECONDS, Song

Array = NDArray[Any]
FORMS = ("AABA", "ABAB", "AABB", "ABAC", "AABC")  # repeated until the song is long enough
SLOWEST, FASTEST = 48.0, 192.0  # BPM at which eight beats can be played
VARIED = 0.2  # share of noise in a part that comes back
FRESH = 0.4  # the same, in a part that follows another


@dataclass(frozen=True)
class Composed:
    """A song, with what it was made by."""

    song: Song
    form: str
    tempo: float  # BPM
    key: Key | None


def compose(
    prior: BarPrior,
    genre: str,
    seconds: float,
    *,
    seed: int = 0,
    tempo: float | None = None,
    key: Key | None = None,
    like: Array | None = None,
) -> Composed:
    """A new song of a genre that lasts at least `seconds`.

    Parameters
    ----------
    tempo : BPM, 48 to 192; that of the first part's music if not given
    key : what the song is brought to, by at most six semitones; left as drawn if not given
    like : vectors (m, D) of eight beats of a song; the first part lies at the component nearest to it

    Raises InputError for an unknown genre, or a length or tempo out of bounds.
    """
    check_asked(seconds, tempo)
    rng = np.random.default_rng(seed)
    first = prior.first(rng, genre) if like is None else nearest(prior, like, genre)
    played = float(prior.tempi[first]) if tempo is None else tempo
    pose = playing(played)
    count = max(1, int(np.ceil(seconds / (5 * pose.stretch) - 1e-9)))
    form = written_form(rng, count)
    vectors = sung(prior, rng, first, form)
    found = key_of(vectors)
    shift = found.semitones_to(key) if found is not None and key is not None else 0
    pose = Pose(pose.log_stretch, float(shift))
    told = f"drawn as {form} of eight beats each, among music like {prior.tracks[first]}"
    song = Song(genre, "bars", seed, vectors, told, poses=[pose] * count)
    return Composed(song, form, played, None if found is None else found.raised(shift))


def check_asked(seconds: float, tempo: float | None) -> None:
    """Refuse a length or a tempo that no song can have."""
    if not 0 < seconds <= MAX_SECONDS:
        raise InputError(f"A song cannot last {seconds:g} s; ask for more than 0, at most {MAX_SECONDS:g}.")
    if tempo is not None and not SLOWEST <= tempo <= FASTEST:
        raise InputError(f"A song's tempo lies between {SLOWEST:g} and {FASTEST:g} BPM, not {tempo:g}.")


def written_form(rng: np.random.Generator, count: int) -> str:
    """Letters of `count` vectors: a form of four parts again and again, each part two vectors, as A and a.

    >>> written_form(np.random.default_rng(0), 9)
    'AaAaBbCcA'
    """
    form = "".join(letter + letter.lower() for letter in rng.choice(FORMS))
    return (form * (count // len(form) + 1))[:count]


def sung(prior: BarPrior, rng: np.random.Generator, first: int, form: str) -> Array:
    """Vectors (n, D) of a form that begins at a component.

    Every letter has a component of its own, in the order of one track, and what is drawn there differs from
    its centre as the letter before differed from its own, but for some noise.
    """
    row, z = first, rng.standard_normal((prior.axes.shape[1],))
    parts: dict[str, tuple[int, Array]] = {}
    for letter in dict.fromkeys(form):
        parts[letter] = row, z
        to = prior.after(row)
        row, z = to, mixed(rng, prior.carried(row, z, to), FRESH)
    vectors = []
    for k, letter in enumerate(form):
        row, z = parts[letter]
        vectors.append(prior.at(row, mixed(rng, z, VARIED) if letter in form[:k] else z))
    song = np.stack(vectors)
    song[:, 0] = (song[:, 0] + song[:, 0].mean()) / 2  # the levels of the parts are brought together
    return song


def mixed(rng: np.random.Generator, z: Array, share: float) -> Array:
    """z (R,) with a share of its variance drawn anew."""
    result: Array = np.sqrt(1 - share) * z + np.sqrt(share) * rng.standard_normal(len(z))
    return result


def nearest(prior: BarPrior, like: Array, genre: str | None = None) -> int:
    """The component nearest to any of the vectors (m, D), of a genre or of all, loudness apart."""
    rows = np.arange(len(prior.centres)) if genre is None else prior.rows(genre)
    apart = distances(like[:, 1 : prior.size], prior.centres[rows, 1:])  # (m, n)
    return int(rows[apart.min(0).argmin()])
