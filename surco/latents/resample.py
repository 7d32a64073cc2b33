"""How sure a figure is: intervals over tracks, and tests by permuting whole tracks.

Clips of one track are not independent, so the unit that is drawn is always the track.

Sources: Efron & Tibshirani 1993 (bootstrap); Shao & Wu 1989 (delete-d jackknife; with half of the
units deleted the spread of the replicates is that of the estimate); Phipson & Smyth 2010 (why a
permutation p-value has a 1 added above and below).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from surco.metrics.aggregate import Estimate

Statistic = Callable[[NDArray[np.int64]], float]


def clips_by_track(tracks: Sequence[str]) -> list[NDArray[np.int64]]:
    """Indices of the clips of each track, tracks in sorted order."""
    names, inverse = np.unique(np.asarray(tracks), return_inverse=True)
    return [np.flatnonzero(inverse == i) for i in range(len(names))]


def bootstrap(statistic: Statistic, tracks: Sequence[str], *, seed: int, repeats: int = 200) -> Estimate:
    """`statistic` of all clips, and the 95 % percentile interval of it over tracks drawn with replacement.

    `statistic` takes indices of clips, repeated where a track is drawn twice.
    """
    return bootstrap_many(lambda index: {"": statistic(index)}, tracks, seed=seed, repeats=repeats)[""]


def bootstrap_many(
    statistics: Callable[[NDArray[np.int64]], dict[str, float]],
    tracks: Sequence[str],
    *,
    seed: int,
    repeats: int = 200,
) -> dict[str, Estimate]:
    """As `bootstrap`, for several statistics that are cheaper to compute together, by name."""
    groups = clips_by_track(tracks)
    draws = np.random.default_rng(seed).integers(len(groups), size=(repeats, len(groups)))
    found = [statistics(np.concatenate([groups[i] for i in draw])) for draw in draws]
    full = statistics(np.arange(len(tracks)))
    estimates = {}
    for name, value in full.items():
        values = np.array([f[name] for f in found], dtype=np.float64)
        values = values[np.isfinite(values)]
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) > repeats / 2 else (np.nan, np.nan)
        estimates[name] = Estimate(float(value), float(low), float(high), len(groups), 0)
    return estimates


def half_samples(statistic: Statistic, tracks: Sequence[str], *, seed: int, repeats: int = 30) -> Estimate:
    """`statistic` of all clips ± 1.96 standard deviations of it over random halves of the tracks.

    For statistics of distances, which clips drawn twice would spoil: nothing is ever repeated.
    """
    groups = clips_by_track(tracks)
    rng = np.random.default_rng(seed)
    full = float(statistic(np.arange(len(tracks))))
    values = []
    for _ in range(repeats):
        chosen = rng.permutation(len(groups))[: (len(groups) + 1) // 2]
        values.append(statistic(np.sort(np.concatenate([groups[i] for i in chosen]))))
    spread = 1.96 * float(np.nanstd(values)) if np.isfinite(values).sum() > 1 else float("nan")
    return Estimate(full, full - spread, full + spread, len(groups), 0)


def permute_over_tracks(
    labels: Sequence[str] | NDArray[np.str_], tracks: Sequence[str], rng: np.random.Generator
) -> NDArray[np.str_]:
    """Labels (N,) with whole tracks dealt the labels of other tracks (of their first clips)."""
    groups = clips_by_track(tracks)
    first = [labels[g[0]] for g in groups]
    dealt = np.empty(len(labels), dtype=np.asarray(labels).dtype)
    for group, i in zip(groups, rng.permutation(len(groups)), strict=True):
        dealt[group] = first[i]
    return dealt


def p_value(observed: float, null: Sequence[float] | NDArray[np.float64], *, larger: bool = True) -> float:
    """Share of `null` at least as extreme as `observed`, the observed one counted among them."""
    null = np.asarray(null)
    extreme = (null >= observed) if larger else (null <= observed)
    return float((1 + extreme.sum()) / (1 + len(null)))
