"""How good a set of new clips is, against real ones: fidelity, coverage, style, diversity, copies.

Precision and recall: Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
Generative Models" (2019). Density and coverage: Naeem et al., "Reliable Fidelity and Diversity Metrics
for Generative Models" (2020). Both look at balls around a point that reach its k-th neighbour.
Every figure carries a 95 % bootstrap interval: over tracks where real clips are averaged, over songs
where new ones are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from surco.errors import InputError
from surco.metrics.aggregate import Estimate, by_track
from surco.metrics.realism import kernel_audio_distance
from surco.prior.memorisation import CopyDetector, distances
from surco.prior.prior_report import Measure

K = 5
DRAWS = 400  # of the bootstrap of a distance between sets


@dataclass(frozen=True)
class Manifold:
    """Per new clip (N,): does it lie among real ones. Per real clip (M,): do new ones lie about it."""

    precision: np.ndarray  # (N,) 1 where within some real clip's ball
    density: np.ndarray  # (N,) how many real balls it lies in, over k
    recall: np.ndarray  # (M,) 1 where within some new clip's ball
    coverage: np.ndarray  # (M,) 1 where a new clip lies in its ball


def manifold(real: np.ndarray, fake: np.ndarray, *, k: int = K) -> Manifold:
    """Compare real (M, E) and new (N, E) clips; raises `InputError` for fewer than k + 1 of either."""
    if min(len(real), len(fake)) <= k:
        raise InputError(
            f"Precision and recall with {k} neighbours need at least {k + 1} clips on each side, "
            f"and there are {len(real)} real and {len(fake)} new ones."
        )
    real_radius = np.sort(distances(real, real), 1)[:, k]  # (M,) column 0 is the clip itself
    fake_radius = np.sort(distances(fake, fake), 1)[:, k]  # (N,)
    across = distances(real, fake)  # (M, N)
    inside = across <= real_radius[:, None]  # (M, N)
    return Manifold(
        precision=inside.any(0).astype(float),
        density=inside.sum(0) / k,
        recall=(across <= fake_radius[None]).any(1).astype(float),
        coverage=inside.any(1).astype(float),
    )


def distance_between(real: np.ndarray, tracks: Sequence[str], fake: np.ndarray, *, seed: int = 0) -> Estimate:
    """Kernel audio distance with an interval from drawing real tracks and new clips again.

    A clip drawn twice is never paired with itself, which would pass for likeness within the set.
    """
    rng = np.random.default_rng(seed)
    value = kernel_audio_distance(real, fake)
    names = np.array(tracks)
    each = [np.flatnonzero(names == t) for t in dict.fromkeys(tracks)]
    gamma = kernel_gamma(real)
    kernel_rr = np.exp(-gamma * distances(real, real) ** 2)  # (M, M)
    kernel_ff = np.exp(-gamma * distances(fake, fake) ** 2)  # (N, N)
    kernel_rf = np.exp(-gamma * distances(real, fake) ** 2)  # (M, N)
    draws = []
    for _ in range(DRAWS):
        weight = np.bincount(rng.integers(0, len(each), len(each)), minlength=len(each))
        r = np.zeros(len(real))
        for w, rows in zip(weight, each, strict=True):
            r[rows] = w
        f = np.bincount(rng.integers(0, len(fake), len(fake)), minlength=len(fake)).astype(float)
        draws.append(weighted_mmd(kernel_rr, kernel_ff, kernel_rf, r, f))
    low, high = np.percentile(draws, [2.5, 97.5])  # NaN where a draw may hold one clip alone
    return Estimate(float(value), float(low), float(high), len(each), 0)


def kernel_gamma(real: np.ndarray) -> float:
    """Of the kernel that `kernel_audio_distance` uses: the median distance among real clips as bandwidth."""
    d = distances(real, real)
    return 1 / (2 * (float(np.median(d[~np.eye(len(d), dtype=bool)])) or 1.0) ** 2)


def weighted_mmd(rr: np.ndarray, ff: np.ndarray, rf: np.ndarray, r: np.ndarray, f: np.ndarray) -> float:
    """100 times the unbiased MMD^2 with weights r (M,) and f (N,), a clip never paired with itself."""

    def within(kernel: np.ndarray, w: np.ndarray) -> float:
        return float((w @ kernel @ w - (w**2 * np.diag(kernel)).sum()) / (w.sum() ** 2 - (w**2).sum()))

    cross = float(r @ rf @ f / (r.sum() * f.sum()))
    return 100 * (within(rr, r) + within(ff, f) - 2 * cross)


@dataclass(frozen=True)
class Clips:
    """A set of clips as vectors (N, D), what a listener hears (N, E), and what they are."""

    vectors: np.ndarray
    embeddings: np.ndarray
    genres: list[str]
    tracks: list[str]  # of new clips: one name each


def diversity(clips: Clips) -> np.ndarray:
    """Mean distance (N,) of each clip's embedding to the others of its genre, from other tracks."""
    d = distances(clips.embeddings, clips.embeddings)  # (N, N)
    genre, track = np.array(clips.genres), np.array(clips.tracks)
    other = (genre[:, None] == genre[None]) & (track[:, None] != track[None])  # (N, N)
    count = other.sum(1)
    return np.where(count > 0, (d * other).sum(1) / np.maximum(count, 1), np.nan)


def evaluate(
    real: Clips,
    fake: Clips,
    *,
    detector: CopyDetector,
    named: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
) -> dict[Measure, Estimate]:
    """All figures of a set of new clips against unseen real ones, each an estimate with its interval.

    `named` gives the style heard in embeddings (N, E). Diversity and nearest distance are shares of
    what the real clips have: 1 is as diverse, and as far from the training clips, as real music.
    """
    m = manifold(real.embeddings, fake.embeddings)
    matches, reals = detector.check(fake.vectors), detector.check(real.vectors)
    spread = float(np.nanmean(diversity(real)))
    far = float(np.median([x.distance for x in reals]))
    right = (named(fake.embeddings) == np.array(fake.genres)).astype(float)
    over_fakes: dict[Measure, np.ndarray] = {
        "precision": m.precision,
        "density": m.density,
        "style_accuracy": right,
        "diversity": diversity(fake) / max(spread, 1e-12),
        "nearest": np.array([x.distance for x in matches]) / max(far, 1e-12),
        "copies": np.array([float(x.copy) for x in matches]),
    }
    over_reals: dict[Measure, np.ndarray] = {"recall": m.recall, "coverage": m.coverage}
    kad = distance_between(real.embeddings, real.tracks, fake.embeddings, seed=seed)
    out: dict[Measure, Estimate] = {"kad": kad}
    out |= {k: by_track(v, fake.tracks, seed=seed) for k, v in over_fakes.items()}
    return out | {k: by_track(v, real.tracks, seed=seed) for k, v in over_reals.items()}
