"""Who lies next to whom: does a clip's neighbourhood share its genre, or its track?

Sources: Manning, Raghavan & Schütze 2008, ch. 8 (precision at k, mean average precision);
Radovanović, Nanopoulos & Ivanović 2010 and Schnitzer et al. 2012 (hubs, and hubs in music).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Array = NDArray[Any]
NEAR = 1e-7  # of the squares' sum: pairs nearer than this are measured one by one
PAIRS = 16_384  # of them at a time


@dataclass(frozen=True)
class Retrieval:
    """Per-query measures (Q,) of a ranking, and what a random ranking would give (Q,).

    Queries without a relevant clip in the gallery are NaN.
    """

    precision: dict[int, NDArray[np.float64]]  # k to the share of relevant clips among the k nearest
    average_precision: NDArray[np.float64]
    chance: NDArray[np.float64]  # expected precision of a random ranking


def distances(a: Array, b: Array) -> Array:
    """Euclidean distances (N, M) between rows (N, D) and (M, D); of equal rows exactly 0."""
    centre = b.mean(0, dtype=np.float64)  # (D,)
    x = a - centre  # (N, D)
    y = x if a is b else b - centre  # (M, D)
    size = (x * x).sum(1)[:, None] + (y * y).sum(1)[None]  # (N, M)
    square = size - 2 * (x @ y.T)  # one matrix product in place of every pair
    rows, columns = np.nonzero(square < NEAR * size)  # whose difference is lost in rounding
    for start in range(0, len(rows), PAIRS):
        i, j = rows[start : start + PAIRS], columns[start : start + PAIRS]
        square[i, j] = ((x[i] - y[j]) ** 2).sum(1)
    found: Array = np.sqrt(square)
    return found


def ranking(distance: Array, allowed: Array) -> Array:
    """Gallery clips (Q, G) by rising `distance` (Q, G), those that are not allowed last."""
    return np.argsort(np.where(allowed, distance, np.inf), axis=1, kind="stable")


def retrieval(order: Array, relevant: Array, allowed: Array, *, ks: Sequence[int] = (1, 5, 10)) -> Retrieval:
    """Score the rankings `order` (Q, G) of a gallery, as of `ranking`.

    relevant, allowed : (Q, G) bool; gallery clips that are not allowed (the query itself, its track)
        are taken out of the ranking
    """
    hits = np.take_along_axis(relevant & allowed, order, 1)  # (Q, G)
    usable = allowed.sum(1)  # (Q,)
    total = hits.sum(1)  # (Q,)
    nothing = total == 0
    precision = {}
    for k in ks:
        if (usable < k).any():
            continue
        precision[k] = np.where(nothing, np.nan, hits[:, :k].mean(1))
    so_far = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)  # (Q, G)
    average = (so_far * hits).sum(1) / np.maximum(total, 1)
    chance = total / np.maximum(usable, 1)
    return Retrieval(precision, np.where(nothing, np.nan, average), np.where(nothing, np.nan, chance))


def genre_retrieval(
    distance: Array,
    genres: Sequence[str] | Array,
    tracks: Sequence[str],
    queries: NDArray[np.int64],
    *,
    ks: Sequence[int] = (1, 5, 10),
    order: Array | None = None,
) -> Retrieval:
    """Clips of the genre of each of `queries` (Q,) among those of other tracks, given distances (N, N).

    `order` is the `genre_order` of the same queries, where it is known.
    """
    names, t = np.asarray(genres), np.asarray(tracks)
    if len(set(names.tolist())) < 2:
        raise InputError(
            f"All clips are of genre {names[0]}, so every neighbour is; give two genres or more."
        )
    relevant = names[queries][:, None] == names[None]  # (Q, N)
    allowed = t[queries][:, None] != t[None]  # (Q, N)
    known = genre_order(distance, tracks, queries) if order is None else order
    return retrieval(known, relevant, allowed, ks=ks)


def genre_order(distance: Array, tracks: Sequence[str], queries: NDArray[np.int64]) -> Array:
    """The ranking (Q, N) that `genre_retrieval` scores, whatever the genres are."""
    t = np.asarray(tracks)
    return ranking(distance[queries], t[queries][:, None] != t[None])


def track_retrieval(
    distance: Array, tracks: Sequence[str], queries: NDArray[np.int64], *, ks: Sequence[int] = (1,)
) -> Retrieval:
    """Other clips of the query's track among all other clips, given distances (N, N)."""
    t = np.asarray(tracks)
    relevant = t[queries][:, None] == t[None]  # (Q, N)
    allowed = queries[:, None] != np.arange(len(t))[None]  # (Q, N)
    return retrieval(ranking(distance[queries], allowed), relevant, allowed, ks=ks)


def nearest(distance: Array, k: int) -> NDArray[np.int64]:
    """Indices (N, k) of each clip's k nearest others, given distances (N, N)."""
    d = distance.copy()
    np.fill_diagonal(d, np.inf)
    return np.argsort(d, axis=1, kind="stable")[:, :k]


@dataclass(frozen=True)
class Hubness:
    """How unevenly clips are others' neighbours: 0 skewness is even, above 1 some clips are hubs."""

    skewness: float
    orphans: float  # share of clips that are nobody's neighbour
    largest: int  # how often the greatest hub is a neighbour
    hub: int  # its index
    counts: NDArray[np.int64]  # (N,)


def hubness(distance: Array, *, k: int = 10) -> Hubness:
    """Skewness of how often each clip is among the k nearest of another, given distances (N, N)."""
    from scipy.stats import skew

    n = len(distance)
    if n <= k:
        raise InputError(f"Hubness at {k} neighbours needs more than {k} clips, not {n}; give more clips.")
    counts = np.bincount(nearest(distance, k).ravel(), minlength=n)  # (N,)
    skewness = float(skew(counts)) if counts.std() > 0 else 0.0
    return Hubness(skewness, float((counts == 0).mean()), int(counts.max()), int(counts.argmax()), counts)


def neighbour_overlap(a: Array, b: Array, *, k: int = 10) -> NDArray[np.float64]:
    """Share (N,) of each clip's k nearest under distances `a` (N, N) that are so under `b` too.

    Two unrelated rankings share k / (N - 1).
    """
    if len(a) <= k:
        raise InputError(
            f"Comparing {k} neighbours needs more than {k} clips, not {len(a)}; give more clips."
        )
    one, two = nearest(a, k), nearest(b, k)
    return np.array([len(np.intersect1d(p, q)) / k for p, q in zip(one, two, strict=True)])
