"""The shape of the cloud: how many dimensions it really has, and whether two sizes make the same one.

Sources: Facco et al. 2017 (two-NN); Levina & Bickel 2004 with MacKay & Ghahramani's mean of inverses
(maximum likelihood); Kornblith et al. 2019 (linear CKA); Mantel 1967; Venna & Kaski 2001
(trustworthiness); Gao & Ganguli 2015 (participation ratio).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.latents.neighbours import distances
from surco.latents.resample import p_value

Array = NDArray[Any]


@dataclass(frozen=True)
class Variance:
    """Where the variance lies: along principal axes, and along the dimensions as they stand."""

    axes: NDArray[np.float64]  # (min(N - 1, D),) falling shares
    dimensions: NDArray[np.float64]  # (D,) share of each dimension
    participation: float  # how many axes share the variance evenly would

    def needed(self, share: float) -> int:
        """Principal axes needed for that share of the variance."""
        return int(np.searchsorted(np.cumsum(self.axes), share - 1e-12) + 1)


def explained_variance(x: Array) -> Variance:
    """Shares of variance of vectors (N, D)."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2  # (min(N, D),)
    total = max(float(spectrum.sum()), 1e-300)
    dimensions = (centred**2).sum(0) / total
    return Variance(spectrum / total, dimensions, float(total**2 / max((spectrum**2).sum(), 1e-300)))


def two_nn(distance: Array, *, discard: float = 0.1) -> float:
    """Intrinsic dimension by the ratio of the second to the first neighbour's distance, given (N, N).

    The largest `discard` share of ratios is left out, as they say more of the border than of the inside.
    """
    near = _sorted_neighbours(distance, 2)  # (N, 2)
    ratio = np.sort(near[:, 1] / near[:, 0])
    ratio = ratio[np.isfinite(ratio)]
    n = len(ratio)
    kept = ratio[: max(2, int(n * (1 - discard)))]
    log_ratio = np.log(kept)
    target = -np.log1p(-np.arange(1, len(kept) + 1) / (n + 1))
    return float((log_ratio @ target) / max(log_ratio @ log_ratio, 1e-300))


def mle_dimension(distance: Array, *, k: int = 10) -> float:
    """Intrinsic dimension by maximum likelihood over each clip's `k` nearest, given distances (N, N)."""
    near = _sorted_neighbours(distance, k)  # (N, k)
    with np.errstate(divide="ignore"):
        inverse = np.log(near[:, -1:] / near[:, :-1]).mean(1)  # (N,)
    inverse = inverse[np.isfinite(inverse)]
    return float((k - 1) / (k - 2) / max(float(inverse.mean()), 1e-300)) if len(inverse) else float("nan")


def _sorted_neighbours(distance: Array, k: int) -> Array:
    if len(distance) <= k:
        raise InputError(f"The intrinsic dimension needs more than {k} clips, not {len(distance)}.")
    d = distance.astype(np.float64).copy()
    np.fill_diagonal(d, np.inf)
    near = np.sort(np.partition(d, k, axis=1)[:, :k], axis=1)
    return np.maximum(near, 1e-12)


def gaussian_like(x: Array, *, seed: int) -> Array:
    """Points (N, D) of the Gaussian with the mean and covariance of `x`: a cloud without a manifold."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    mixing = np.random.default_rng(seed).standard_normal((len(x), len(x)))
    return x.mean(0) + mixing @ centred / np.sqrt(len(x))


def cka(a: Array, b: Array) -> float:
    """Linear centred kernel alignment of vectors (N, D) and (N, E) of the same clips; 1: alike.

    The unbiased estimate (Nguyen et al. 2021): unrelated vectors give 0 however many dimensions they have.
    """
    ka, kb = _centred_gram(a), _centred_gram(b)
    return float((ka * kb).sum() / max(np.sqrt((ka * ka).sum() * (kb * kb).sum()), 1e-300))


def _centred_gram(x: Array) -> Array:
    """U-centred Gram matrix (N, N) of vectors, as in Székely & Rizzo 2014."""
    n = len(x)
    if n < 4:
        raise InputError(f"Comparing two sets of vectors needs at least 4 clips, not {n}.")
    z = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    k = z @ z.T
    np.fill_diagonal(k, 0)
    rows = k.sum(0)
    k = k - rows[:, None] / (n - 2) - rows[None] / (n - 2) + rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(k, 0)
    return k


def mantel(a: Array, b: Array, *, seed: int = 0, repeats: int = 99) -> tuple[float, float]:
    """Correlation of two distance matrices (N, N) over pairs of clips, and its p by permuting clips."""
    n = len(a)
    upper = np.triu_indices(n, 1)
    one = a[upper] - a[upper].mean()
    two = b - b[upper].mean()
    norm = max(float(np.linalg.norm(one) * np.linalg.norm(two[upper])), 1e-300)
    observed = float(one @ two[upper] / norm)
    rng = np.random.default_rng(seed)
    null = []
    for _ in range(repeats):
        p = rng.permutation(n)
        null.append(float(one @ two[p[upper[0]], p[upper[1]]] / norm))
    return observed, p_value(observed, null)


def trustworthiness(high: Array, low: Array, *, k: int = 10) -> NDArray[np.float64]:
    """Share (N,) of trust each clip's map neighbourhood deserves; the mean is Venna and Kaski's figure.

    high : (N, D) vectors
    low : (N, 2) their map
    1: no false neighbours on the map; a random map gives about 0.5.
    """
    n = len(high)
    if n < 2 * k + 2:
        raise InputError(f"Trustworthiness at {k} neighbours needs {2 * k + 2} clips or more, not {n}.")
    d = distances(high, high)
    np.fill_diagonal(d, -1)  # itself has rank 0
    rank = np.argsort(np.argsort(d, axis=1, kind="stable"), axis=1)  # (N, N)
    m = distances(low, low)
    np.fill_diagonal(m, np.inf)
    shown = np.argsort(m, axis=1, kind="stable")[:, :k]  # (N, k)
    excess = np.maximum(np.take_along_axis(rank, shown, 1) - k, 0).sum(1)  # (N,)
    return 1 - 2 * excess / (k * (2 * n - 3 * k - 1))
