"""What a flow must beat: a Gaussian, a mixture of Gaussians, and training vectors drawn again.

All are fitted to the same training vectors and sample by genre through the same call as the prior.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.mixture import GaussianMixture

from surco.prior.prior import SHARED_NOISE
from surco.prior.whiten import Whitener

MIXED = 24  # leading coordinates a mixture can be fitted to with a few hundred vectors


@dataclass
class GaussianPrior:
    """One mean per genre and one covariance for all, shrunk: where the flow's training starts."""

    whitener: Whitener

    def sample(self, genres: Sequence[str], *, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        labels = [self.whitener.label(g) for g in genres]
        noise = rng.standard_normal((len(labels), len(self.whitener.mean)))  # (N, D)
        z = self.whitener.centres[labels] + noise  # (N, D)
        return self.whitener.inverse(z)

    def song(self, genre: str, clips: int, *, seed: int = 0) -> np.ndarray:
        """Vectors (clips, D) that share most of their noise, as those of a prior without a sequence do."""
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal(len(self.whitener.mean))  # (D,)
        z = [noise]
        for _ in range(clips - 1):
            fresh = rng.standard_normal(len(noise))
            z.append(SHARED_NOISE * z[-1] + (1 - SHARED_NOISE**2) ** 0.5 * fresh)
        return self.whitener.inverse(self.whitener.centres[self.whitener.label(genre)] + np.stack(z))


@dataclass
class MixturePrior:
    """A mixture over the most audible coordinates, Gaussian in the others; components drawn by genre."""

    whitener: Whitener
    mixture: GaussianMixture
    by_genre: np.ndarray  # (G, K) share of each component in a genre

    def sample(self, genres: Sequence[str], *, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        labels = [self.whitener.label(g) for g in genres]
        noise = rng.standard_normal((len(labels), len(self.whitener.mean)))  # (N, D)
        z = self.whitener.centres[labels] + noise  # (N, D)
        part = [rng.choice(len(self.by_genre[g]), p=self.by_genre[g]) for g in labels]  # (N,)
        deviation = np.sqrt(self.mixture.covariances_[part])  # (N, M)
        leading = rng.standard_normal(deviation.shape)  # (N, M)
        z[:, : deviation.shape[1]] = self.mixture.means_[part] + deviation * leading
        return self.whitener.inverse(z)


@dataclass
class Resampled:
    """Training vectors of the genre, drawn with replacement: perfect realism, nothing new."""

    vectors: np.ndarray  # (N, D)
    genres: np.ndarray  # (N,)

    def sample(self, genres: Sequence[str], *, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        rows = {g: np.flatnonzero(self.genres == g) for g in set(genres)}
        return self.vectors[[rng.choice(rows[g]) for g in genres]]


def fit_mixture(
    whitener: Whitener,
    vectors: np.ndarray,
    genres: list[str],
    valid: np.ndarray,
    *,
    components: Sequence[int] = (1, 2, 4, 8, 16, 32),
    seed: int = 0,
) -> MixturePrior:
    """Fit to vectors (N, D); the number of components is the one most likely on `valid` (V, D)."""
    m = min(MIXED, len(whitener.mean))
    z, held = whitener.forward(vectors)[:, :m], whitener.forward(valid)[:, :m]  # (N, M), (V, M)
    best: GaussianMixture | None = None
    score = -np.inf
    for k in (k for k in components if 4 * k <= len(z)):
        fitted = GaussianMixture(k, covariance_type="diag", reg_covar=1e-2, random_state=seed).fit(z)
        if best is None or fitted.score(held) > score:
            best, score = fitted, fitted.score(held)
    assert best is not None  # one component always fits: the whitener refused fewer than 16 vectors
    shares = best.predict_proba(z)  # (N, K)
    names = np.array(genres)
    by_genre = np.stack([shares[names == g].mean(0) for g in whitener.genres])  # (G, K)
    return MixturePrior(whitener, best, by_genre / by_genre.sum(1, keepdims=True))
