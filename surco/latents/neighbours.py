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


@dataclass(frozen=True)
class Retrieval:
    """Per-query measures (Q,) of a ranking, and what a random ranking would give (Q,).

    Queries without a relevant clip in the gallery are NaN.
    """

    precision: dict[int, NDArray[np.float64]]  # k to the share of relevant clips among the k nearest
    average_precision: NDArray[np.float64]
    chance: NDArray[np.float64]  # expected precision of a random ranking


def distances(a: Array, b: Array) -> Array:
    """Euclidean distances (N, M) between rows (N, D) and (M, D)."""
    from scipy.spatial.distance import cdist

    return cdist(a.astype(np.float64), b.astype(np.float64))


def retrieval(
    distance: Array, relevant: Array, allowed: Array, *, ks: Sequence[int] = (1, 5, 10)
) -> Retrieval:
    """Score the ranking of a gallery by `distance` (Q, G).

    relevant, allowed : (Q, G) bool; gallery clips that are not allowed (the query itself, its track)
        are taken out of the ranking
    """
    ranked = np.where(allowed, distance, np.inf)
    order = np.argsort(ranked, axis=1, kind="stable")  # (Q, G)
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
) -> Retrieval:
    """Clips of the genre of each of `queries` (Q,) among those of other tracks, given distances (N, N)."""
    names, t = np.asarray(genres), np.asarray(tracks)
    if len(set(names.tolist())) < 2:
        raise InputError(
            f"All clips are of genre {names[0]}, so every neighbour is; give two genres or more."
        )
    relevant = names[queries][:, None] == names[None]  # (Q, N)
    allowed = t[queries][:, None] != t[None]  # (Q, N)
    return retrieval(distance[queries], relevant, allowed, ks=ks)


def track_retrieval(
    distance: Array, tracks: Sequence[str], queries: NDArray[np.int64], *, ks: Sequence[int] = (1,)
) -> Retrieval:
    """Other clips of the query's track among all other clips, given distances (N, N)."""
    t = np.asarray(tracks)
    relevant = t[queries][:, None] == t[None]  # (Q, N)
    allowed = queries[:, None] != np.arange(len(t))[None]  # (Q, N)
    return retrieval(distance[queries], relevant, allowed, ks=ks)


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
