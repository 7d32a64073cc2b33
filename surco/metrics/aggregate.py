"""Many clips to one figure: by track, with a bootstrap interval over tracks.

Clips of one track resemble each other, so they are averaged first; the tracks are what varies, and
what the bootstrap draws (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from surco.documents import Number
from surco.errors import InputError

DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean over tracks, its 95 % interval, and how much it rests on."""

    mean: Number
    low: Number
    high: Number
    tracks: int  # tracks with at least one defined value
    missing: int  # clips on which the measure is undefined

    def to_json(self) -> dict[str, float | None]:
        """As JSON, which has no NaN: an undefined number is null."""
        return {
            k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(self).items()
        }


def error_bars(estimates: Sequence[Estimate]) -> np.ndarray:
    """Lengths (2, n) of intervals below and above their means, for `errorbar`; 0 where undefined."""
    mean, low, high = (np.array([getattr(e, k) for e in estimates]) for k in ("mean", "low", "high"))
    return np.nan_to_num(np.maximum([mean - low, high - mean], 0))


def track_means(values: np.ndarray, tracks: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names (K,) and means (K,) of the tracks of clips (N,) whose value is defined."""
    values = np.asarray(values, dtype=np.float64)  # (N,)
    if len(values) != len(tracks):
        raise InputError(
            f"{len(values)} values for {len(tracks)} tracks: give each clip's track beside its value."
        )
    kept = np.isfinite(values)
    names, which = np.unique(np.asarray(tracks, dtype=str)[kept], return_inverse=True)  # (K,), (n,)
    return list(names), np.bincount(which, values[kept], len(names)) / np.bincount(
        which, minlength=len(names)
    )


def by_track(values: Sequence[float] | np.ndarray, tracks: Sequence[str], *, seed: int = 0) -> Estimate:
    """Mean over tracks of per-clip values (N,), with a 95 % bootstrap interval over tracks.

    Undefined values (NaN) are left out and counted in `missing`; with none defined all is NaN.
    """
    names, means = track_means(np.asarray(values), tracks)  # (K,)
    missing = int((~np.isfinite(np.asarray(values, dtype=np.float64))).sum())
    if not names:
        return Estimate(np.nan, np.nan, np.nan, 0, missing)
    draws = means[_draws(len(means), seed)].mean(1)  # (DRAWS,)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(float(means.mean()), float(low), float(high), len(means), missing)


def ratio_by_track(
    values: Sequence[float] | np.ndarray,
    others: Sequence[float] | np.ndarray,
    tracks: Sequence[str],
    *,
    seed: int = 0,
) -> Estimate:
    """Ratio of two systems' means over the same clips, with a paired bootstrap over tracks.

    The pairing removes what is hard about a track for both systems, so small differences show.
    """
    ours, theirs = np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)
    both = np.isfinite(ours) & np.isfinite(theirs)  # (N,)
    names, above = track_means(np.where(both, ours, np.nan), tracks)  # (K,)
    _, below = track_means(np.where(both, theirs, np.nan), tracks)  # (K,)
    if not names:
        return Estimate(np.nan, np.nan, np.nan, 0, int((~both).sum()))
    index = _draws(len(names), seed)  # (DRAWS, K)
    with np.errstate(divide="ignore", invalid="ignore"):
        draws = above[index].mean(1) / below[index].mean(1)  # (DRAWS,)
        mean = float(above.mean() / below.mean())
    low, high = (
        np.percentile(draws[np.isfinite(draws)], [2.5, 97.5]) if np.isfinite(draws).any() else (np.nan,) * 2
    )
    return Estimate(mean, float(low), float(high), len(names), int((~both).sum()))


def _draws(tracks: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, tracks, (DRAWS, tracks))  # (DRAWS, K)
