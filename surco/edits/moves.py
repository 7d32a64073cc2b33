"""Moves in the space of vectors that make new songs of old ones.

Every edit takes vectors (..., D) and a weight, computes in float64, returns float32, and is exact at
its ends: weight 0 gives the first song bit for bit and, where there is a second song, weight 1 gives
that one. The first dimension of a vector is the gain in dB, the rest are coefficients of the spectrogram and
dimensions of harmony (`surco.codec.vector_layout`).

Sources: White 2016, *Sampling Generative Networks* (spherical paths); Mikolov et al. 2013 (arithmetic
with means); Haufe et al. 2014, *On the interpretation of weight vectors of linear models* (why a
direction to move along is the covariance times the probe's weights, not the weights).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.codec.vector_layout import EVERY, places
from surco.errors import InputError

Array = NDArray[Any]
GAIN = 0  # index of the gain in dB, which edits of shape leave linear


def interpolate(
    a: Array,
    b: Array,
    weight: float,
    *,
    mode: Literal["linear", "spherical"] = "linear",
    centre: Array | None = None,
) -> Array:
    """The song at `weight` of the way from `a` (..., D) to `b` (..., D).

    "spherical" turns the direction from `centre` (D,), by default 0, at a steady angle and moves the
    distance from it linearly, so the middle of a path lies as far out as its ends; the gain stays linear.
    """
    a, b = _pair(a, b)
    if weight == 0 or weight == 1:
        return (b if weight else a).astype(np.float32)
    linear = (1 - weight) * a.astype(np.float64) + weight * b.astype(np.float64)
    if mode == "linear":
        return linear.astype(np.float32)
    mid = np.zeros(a.shape[-1]) if centre is None else np.asarray(centre, dtype=np.float64)
    u, v = (x.astype(np.float64)[..., GAIN + 1 :] - mid[GAIN + 1 :] for x in (a, b))  # (..., D - 1)
    nu, nv = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (u, v))  # (..., 1)
    cosine = (u * v).sum(-1, keepdims=True) / np.maximum(nu * nv, 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    sine = np.maximum(np.sin(angle), 1e-12)
    turned = (np.sin((1 - weight) * angle) * u / np.maximum(nu, 1e-12)) / sine
    turned = turned + (np.sin(weight * angle) * v / np.maximum(nv, 1e-12)) / sine
    turned = mid[GAIN + 1 :] + turned * ((1 - weight) * nu + weight * nv)
    straight = (np.sin(angle) < 1e-6) | (nu < 1e-9) | (nv < 1e-9)  # no plane to turn in
    linear[..., GAIN + 1 :] = np.where(straight, linear[..., GAIN + 1 :], turned)
    return linear.astype(np.float32)


def path(
    songs: Array,
    position: float,
    *,
    mode: Literal["linear", "spherical"] = "linear",
    centre: Array | None = None,
) -> Array:
    """The song at `position` of a walk through `songs` (S, D); position i is song i, exactly."""
    if len(songs) < 2:
        raise InputError("A path needs at least two songs; name another.")
    if not 0 <= position <= len(songs) - 1:
        raise InputError(
            f"A path of {len(songs)} songs runs from 0 to {len(songs) - 1}; {position} is outside."
        )
    start = min(int(position), len(songs) - 2)
    return interpolate(songs[start], songs[start + 1], position - start, mode=mode, centre=centre)


def extrapolate(a: Array, b: Array, weight: float) -> Array:
    """Beyond `b` on the line from `a`: weight 2 goes as far past `b` as `b` is from `a`."""
    return interpolate(a, b, weight)


def shift(x: Array, direction: Array, weight: float) -> Array:
    """`x` (..., D) moved by `weight` times `direction` (D,)."""
    x, direction = _pair(x, direction)
    if weight == 0:
        return x.astype(np.float32)
    return (x.astype(np.float64) + weight * direction.astype(np.float64)).astype(np.float32)


def noise(x: Array, radius: float, *, scale: Array, seed: int) -> Array:
    """`x` (..., D) moved a distance of `radius` in a random direction.

    Distance is measured in units of `scale` (D,), the training standard deviations, and averaged over
    the dimensions: radius 1 moves each dimension by about one standard deviation. The gain stays.
    """
    x, scale = _pair(x, scale)
    if radius == 0:
        return x.astype(np.float32)
    step = np.random.default_rng(seed).standard_normal(x.shape)
    step[..., GAIN] = 0
    step *= np.sqrt(x.shape[-1]) / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 1e-12)
    return (x.astype(np.float64) + radius * step * scale).astype(np.float32)


def swap(a: Array, b: Array, coarse: int) -> Array:
    """The `coarse` first, most important dimensions of `a` with the fine rest of `b`; both (..., D)."""
    a, b = _pair(a, b)
    if not 0 <= coarse <= a.shape[-1]:
        raise InputError(f"Cannot take {coarse} coarse dimensions of {a.shape[-1]}; use 0 to {a.shape[-1]}.")
    return np.concatenate([a[..., :coarse], b[..., coarse:]], axis=-1).astype(np.float32)


def harmony(a: Array, b: Array, weight: float) -> Array:
    """`a` (..., D) with the harmony of `b` (..., D), and all else its own; beyond weight 1 it is clearer.

    Raises InputError for vectors too small to hold a dimension of harmony.
    """
    a, b = _pair(a, b)
    there = places(a.shape[-1])[1].numpy()
    if not len(there):
        raise InputError(f"Vectors of {a.shape[-1]} dimensions hold no harmony; use {EVERY} or more.")
    moved = a.astype(np.float32)
    if weight != 0:
        mixed = (1 - weight) * a[..., there].astype(np.float64) + weight * b[..., there].astype(np.float64)
        moved[..., there] = b[..., there] if weight == 1 else mixed
    return moved


def average(songs: Array, weights: Sequence[float] | None = None) -> Array:
    """The weighted mean (D,) of `songs` (S, D); a weight of 1 on one song and 0 elsewhere gives that song."""
    if len(songs) == 0:
        raise InputError("There is no song to average; name at least one.")
    w = np.full(len(songs), 1 / len(songs)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(w) != len(songs) or not w.sum() > 0:
        raise InputError(f"Averaging {len(songs)} songs needs as many weights with a positive sum.")
    kept = np.flatnonzero(w)
    if len(kept) == 1:
        return songs[kept[0]].astype(np.float32)
    return (w @ songs.astype(np.float64) / w.sum()).astype(np.float32)


@dataclass(frozen=True)
class Directions:
    """What edits need to know of the training vectors, fitted once by `fit_directions`.

    centre, scale : (D,) mean and standard deviation of the training vectors
    means : genre to its mean vector (D,)
    probes : genre to the direction (D,) that raises its linear probe's reading; a step of 1 goes from
        the mean reading of all other clips to that of the genre's
    attributes : attribute to the direction (D,) that raises its probe's reading by the standard
        deviation of the readings over the training clips
    """

    centre: Array
    scale: Array
    means: dict[str, Array]
    probes: dict[str, Array]
    attributes: dict[str, Array]

    def genre_by_means(self, source: str, target: str) -> Array:
        """Direction (D,) from the mean of one genre to that of another."""
        return self._of(self.means, target, "genre") - self._of(self.means, source, "genre")

    def genre_by_probe(self, source: str, target: str) -> Array:
        """Direction (D,) away from one genre and towards another, by their linear probes."""
        return self._of(self.probes, target, "genre") / 2 - self._of(self.probes, source, "genre") / 2

    def attribute(self, name: str) -> Array:
        """Direction (D,) that raises an attribute by one standard deviation of its probe's readings."""
        return self._of(self.attributes, name, "attribute")

    def _of(self, known: dict[str, Array], name: str, what: str) -> Array:
        if name not in known:
            raise InputError(
                f"No training clip has the {what} {name!r}; use one of {', '.join(sorted(known))}."
            )
        return known[name]


def fit_directions(
    vectors: Array, genres: Sequence[str], attributes: dict[str, NDArray[np.float64]], *, ridge: float = 0.1
) -> Directions:
    """Fit the directions on training vectors (N, D), their genres and their attributes (N,) each.

    Both kinds of probe are ridge regressions on standardised dimensions, with a penalty of `ridge` times
    N; the direction is the covariance times the weights, scaled so that the probe moves by one unit.
    """
    from sklearn.linear_model import Ridge

    x = vectors.astype(np.float64)
    labels = np.asarray(genres)
    if len(set(genres)) < 2:
        raise InputError(f"All training clips are of genre {labels[0]}; edits need two genres.")
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-6)
    z = (x - centre) / scale  # (N, D)

    def pattern(target: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Direction (D,) that moves the probe's reading by 1, and its readings (N,) of the clips."""
        weights = Ridge(alpha=ridge * len(z)).fit(z, target).coef_  # (D,)
        read = z @ weights  # (N,)
        along = z.T @ read / len(z)  # (D,) covariance of the dimensions with what the probe reads
        return along * scale / max(weights @ along, 1e-12), read

    means, probes, moves = {}, {}, {}
    for genre in sorted(set(genres)):
        inside = labels == genre
        means[genre] = x[inside].mean(0).astype(np.float32)
        unit, read = pattern(inside.astype(np.float64))
        probes[genre] = (unit * (read[inside].mean() - read[~inside].mean())).astype(np.float32)
    for name, values in attributes.items():
        unit, read = pattern(np.asarray(values, dtype=np.float64))
        moves[name] = (unit * read.std()).astype(np.float32)
    return Directions(
        centre=centre.astype(np.float32),
        scale=scale.astype(np.float32),
        means=means,
        probes=probes,
        attributes=moves,
    )


def _pair(a: Array, b: Array) -> tuple[Array, Array]:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape[-1] != b.shape[-1]:
        raise InputError(f"{a.shape[-1]} and {b.shape[-1]} dimensions do not mix; embed both at one size.")
    return a, b
