"""What a song is made of: a chain of clip vectors, sampled or edited, and where they came from.

An edited song walks: its first clip is a training clip, its last is that clip fully edited, so the
edit is heard happening. A sampled song is a chain of new clips.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from surco.errors import InputError
from surco.latents import edits
from surco.latents.edits import Directions
from surco.latents.vectors import VectorSet
from surco.prior.prior import Prior, Sampler, Settings

Edit = Literal[
    "interpolate", "path", "arithmetic", "probe", "attribute", "noise", "swap", "average", "extrapolate"
]
EDITS: tuple[str, ...] = get_args(Edit)
CLIP_SECONDS = 5.0
OVERLAP = 0.25  # s of cross-fade between clips
MAX_SECONDS = 600.0
FULL = {"noise": 1.0, "attribute": 2.0, "extrapolate": 1.5, "average": 1.0}  # weight of the last clip; else 1


@dataclass(frozen=True)
class Song:
    """Vectors (n, D) of a song and its story."""

    genre: str
    recipe: str
    seed: int
    vectors: np.ndarray
    told: str
    sources: list[str] = field(default_factory=list)


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
    sampler: Sampler, genre: str, clips: int, *, seed: int, settings: Settings | None = None
) -> Song:
    """A new song from a prior or, clip by clip around one drawn clip, from a baseline."""
    if isinstance(sampler, Prior):
        vectors = sampler.song(genre, clips, seed=seed, settings=settings)[0]  # (n, D)
        return Song(genre, "sampled", seed, vectors, "drawn from the trained prior")
    drawn = sampler.sample([genre] * (clips + 1), seed=seed)  # (n + 1, D)
    centre, steps = drawn[0], drawn[1:]  # clips of one song share most of what was drawn
    vectors = (0.7 * centre + 0.3 * steps).astype(np.float32) if clips > 1 else steps
    return Song(genre, "gaussian", seed, vectors, "drawn from a Gaussian per genre, no prior being given")


def edited_song(
    edit: str,
    train: VectorSet,
    genre: str,
    clips: int,
    *,
    seed: int,
    sources: Sequence[str] = (),
    target: str | None = None,
    weight: float | None = None,
    mode: Literal["linear", "spherical"] = "linear",
    directions: Directions | None = None,
) -> Song:
    """A walk from a training clip of `genre` to its full edit, in `clips` steps.

    Parameters
    ----------
    sources : training clips to edit; drawn by `seed` where none are named
    target : genre to go to (by default the next one), or the attribute to raise
    weight : how far the last clip is edited; see `FULL` for the defaults
    directions : needed by "arithmetic", "probe", "attribute", "noise" and "average"

    Raises
    ------
    InputError : unknown edit, clip, genre or attribute; too few sources
    """
    if edit not in EDITS:
        raise InputError(f"There is no edit '{edit}'; choose from {', '.join(EDITS)}.")
    genres = sorted(set(train.genres))
    check_genres([genre], genres)
    full = FULL.get(edit, 1.0) if weight is None else weight
    other = target or genres[(genres.index(genre) + 1) % len(genres)]
    rng = np.random.default_rng(seed)
    wanted = {"interpolate": 2, "path": 3, "swap": 2, "extrapolate": 2}.get(edit, 1)
    if wanted > 1:
        check_genres([other], genres)
    homes = [genre] if wanted == 1 else [genre, other, genre][:wanted]
    rows = _rows(train, sources, homes, rng)
    x = train.vectors[rows]  # (S, D)
    names = [train.clips[i] for i in rows]
    walk = np.linspace(0, full, clips) if clips > 1 else np.array([full])
    if edit == "path":
        walk = np.linspace(0, len(rows) - 1, clips) if clips > 1 else np.array([(len(rows) - 1) / 2])
    elif edit == "interpolate" and clips == 1 and weight is None:
        walk = np.array([0.5])  # the other song whole would be no edit
    vectors = [_step(edit, x, float(w), directions, genre, other, mode, seed) for w in walk]
    told = {
        "interpolate": f"from {names[0]} to {names[-1]}",
        "path": "through " + ", ".join(names),
        "swap": f"coarse of {names[0]}, fine of {names[-1]}",
        "extrapolate": f"from {names[0]} through {names[-1]} and beyond",
        "average": f"{names[0]} drawn into the mean of {genre}",
        "noise": f"{names[0]} under growing noise, up to radius {full:g}",
        "attribute": f"{names[0]} with {other} moved by {full:+g} standard deviations",
    }.get(edit, f"{names[0]} moved towards {other}")
    return Song(genre, edit, seed, np.stack(vectors), told, names)


def _step(
    edit: str,
    x: np.ndarray,
    w: float,
    directions: Directions | None,
    genre: str,
    other: str,
    mode: Literal["linear", "spherical"],
    seed: int,
) -> np.ndarray:
    """The vector (D,) at weight w of an edit of the sources x (S, D)."""
    if edit == "interpolate":
        return edits.interpolate(x[0], x[1], w, mode=mode)
    if edit == "path":
        return edits.path(x, w, mode=mode)
    if edit == "extrapolate":
        return edits.extrapolate(x[0], x[1], w)
    if edit == "swap":  # the share w of the numbers, finest first, comes from the second song
        return edits.swap(x[0], x[1], round((1 - min(max(w, 0.0), 1.0)) * x.shape[1]))
    if directions is None:
        raise InputError(
            f"The edit '{edit}' needs directions fitted on the training vectors; fit them first."
        )
    if edit == "noise":
        return edits.noise(x[0], w, scale=directions.scale, seed=seed)
    if edit == "average":
        return edits.interpolate(x[0], directions.means[genre], w)
    if edit == "arithmetic":
        return edits.shift(x[0], directions.genre_by_means(genre, other), w)
    if edit == "probe":
        return edits.shift(x[0], directions.genre_by_probe(genre, other), w)
    return edits.shift(x[0], directions.attribute(other), w)


def _rows(train: VectorSet, sources: Sequence[str], homes: list[str], rng: np.random.Generator) -> list[int]:
    """Rows of the clips named, or drawn one for each home genre, from different tracks."""
    if sources:
        if len(sources) < len(homes):
            raise InputError(
                f"This edit needs {len(homes)} clips, {len(sources)} are named; name more, or none."
            )
        for name in sources:
            if name not in train.clips:
                raise InputError(f"There is no training clip '{name}'; name clips of the train split.")
        return [train.clips.index(name) for name in sources]
    rows: list[int] = []
    for home in homes:
        taken = {train.tracks[i] for i in rows}
        free = [i for i, g in enumerate(train.genres) if g == home and train.tracks[i] not in taken]
        if not free:
            raise InputError(f"Genre '{home}' has too few training tracks for this edit; prepare more clips.")
        rows.append(int(rng.choice(free)))
    return rows
