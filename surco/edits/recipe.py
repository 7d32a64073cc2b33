"""Recipes of edited songs: which training clips, which edit, how far.

An edited song walks: its first clip is a training clip, its last is that clip fully edited, so the
edit is heard happening. The moves themselves are those of `surco.edits.moves`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from surco.codec.pose import IDENTITY, Pose
from surco.edits import moves
from surco.edits.amounts import Amounts, apply
from surco.edits.kinds import EDITS
from surco.edits.moves import Directions
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.songs import Song, check_genres

if TYPE_CHECKING:
    from surco.codec import Codec

# training clips that an edit needs; else 1
NEEDED = {"interpolate": 2, "swap": 2, "extrapolate": 2, "harmony": 2, "path": 3}
FULL = {"attribute": 2.0, "extrapolate": 1.5, "harmony": 1.5, "path": 2.0}  # weight of the last clip; else 1


@dataclass(frozen=True)
class Recipe:
    """One song to be edited: the vectors (S, D) of its sources, and what is asked of them."""

    edit: str
    genre: str
    target: str  # a genre to go to, or an attribute to raise
    seed: int
    sources: list[str]
    vectors: np.ndarray
    full: float
    directions: Directions | None = None
    mode: Literal["linear", "spherical"] = "linear"
    amounts: Amounts | None = None
    codec: "Codec | None" = None  # amounts need one

    def pose(self, weight: float) -> Pose:
        """How the vector at a weight is played."""
        return IDENTITY if self.amounts is None else self.amounts.scaled(weight).pose

    def at(self, weight: float) -> np.ndarray:
        """The vector (D,) at a weight; weight 0 is the first source, exactly."""
        x, d = self.vectors, self.directions
        if self.edit == "amounts":
            if self.amounts is None or self.codec is None:
                raise InputError("The edit 'amounts' needs amounts and a codec; name what to change.")
            others = {name: x[-1:] for name in self.amounts.parts}
            return apply(self.codec, x[:1], self.amounts.scaled(weight), others)[0][0]
        if self.edit == "interpolate":
            return moves.interpolate(
                x[0], x[1], weight, mode=self.mode, centre=None if d is None else d.centre
            )
        if self.edit == "path":
            return moves.path(x, weight, mode=self.mode, centre=None if d is None else d.centre)
        if self.edit == "extrapolate":
            return moves.extrapolate(x[0], x[1], weight)
        if self.edit == "harmony":
            return moves.harmony(x[0], x[1], weight)
        if self.edit == "swap":  # that share of the numbers, finest first, comes from the second clip
            return moves.swap(x[0], x[1], round((1 - min(max(weight, 0.0), 1.0)) * x.shape[1]))
        if d is None:
            raise InputError(f"The edit '{self.edit}' needs directions; fit them on the training vectors.")
        if self.edit == "noise":
            return moves.noise(x[0], weight, scale=d.scale, seed=self.seed)
        if self.edit == "average":
            return moves.interpolate(x[0], d.means[self.target], weight)
        if self.edit == "arithmetic":
            return moves.shift(x[0], d.genre_by_means(self.genre, self.target), weight)
        if self.edit == "probe":
            return moves.shift(x[0], d.genre_by_probe(self.genre, self.target), weight)
        return moves.shift(x[0], d.attribute(self.target), weight)

    def song(self, clips: int) -> Song:
        """The walk from the source to its full edit; one clip alone is the full edit, or halfway."""
        alone = self.full / 2 if self.edit in ("interpolate", "path", "swap") else self.full
        weights = np.linspace(0, self.full, clips) if clips > 1 else np.array([alone])
        vectors = np.stack([self.at(float(w)) for w in weights])  # (n, D)
        poses = [self.pose(float(w)) for w in weights]
        return Song(self.genre, self.edit, self.seed, vectors, self.told(), self.sources, poses)

    def told(self) -> str:
        """The story of the song, for people."""
        first, last = self.sources[0], self.sources[-1]
        if self.amounts is not None:
            giver = f", {' and '.join(self.amounts.parts)} of {last}" if self.amounts.parts else ""
            return f"{first} with {self.amounts.scaled(self.full).told()}{giver}"
        return {
            "interpolate": f"from {first} to {last}",
            "path": "through " + ", ".join(self.sources),
            "swap": f"coarse of {first}, fine of {last}",
            "harmony": f"{first} with the harmony of {last}",
            "extrapolate": f"from {first} through {last} and beyond",
            "average": f"{first} drawn into the mean of {self.target}",
            "noise": f"{first} under growing noise, up to radius {self.full:g}",
            "attribute": f"{first}, its {self.target} moved by {self.full:+g} standard deviations",
        }.get(self.edit, f"{first} moved towards {self.target}")


def draw_recipe(
    edit: str,
    train: VectorSet,
    genre: str,
    *,
    seed: int,
    sources: Sequence[str] = (),
    target: str | None = None,
    weight: float | None = None,
    mode: Literal["linear", "spherical"] = "linear",
    directions: Directions | None = None,
    amounts: Amounts | None = None,
    codec: "Codec | None" = None,
) -> Recipe:
    """Settle a recipe.

    Parameters
    ----------
    sources : training clips to edit; drawn by `seed` where none are named
    target : genre to go to (by default the next one; for "average" its own), or the attribute to raise
    weight : how far the last clip is edited; see `FULL` for the defaults
    directions : of the training vectors; interpolate, path, extrapolate, swap, harmony and amounts do without
    amounts, codec : what to change and with what, for the edit "amounts"; parts are those of a second clip

    Raises
    ------
    InputError : unknown edit, clip, genre or attribute; too few sources
    """
    if edit not in EDITS:
        raise InputError(f"There is no edit '{edit}'; choose from {', '.join(EDITS)}.")
    genres = sorted(set(train.genres))
    check_genres([genre], genres)
    other = genre if edit == "average" else genres[(genres.index(genre) + 1) % len(genres)]
    other = target or other
    if edit != "attribute":
        check_genres([other], genres)
    if edit == "path" and weight is not None and not 0 < weight <= 2:
        raise InputError(f"A path through three songs has weights over 0, at most 2, not {weight:g}.")
    needed = 2 if amounts is not None and amounts.parts else NEEDED.get(edit, 1)
    homes = [genre, other, genre][:needed]
    rows = _rows(train, sources, homes, np.random.default_rng(seed))
    full = FULL.get(edit, 1.0) if weight is None else weight
    if edit == "path" and weight is None:
        full = float(len(rows) - 1)
    names = [train.clips[i] for i in rows]
    recipe = Recipe(
        edit, genre, other, seed, names, train.vectors[rows], full, directions, mode, amounts, codec
    )
    recipe.at(0.0)  # what is missing or unknown is refused now, before anything is decoded
    return recipe


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
