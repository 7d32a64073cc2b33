"""Is a new song a copy? Distance to the nearest training clip, against what unseen real clips have.

Distances are between vectors, where they mean distance between spectrograms. A plain distance
calls every quiet or average clip a copy, so what is judged is the distance to the nearest training
clip as a share of that to the next ones from other tracks (the ratio test of Yoon et al., "Diffusion
probabilistic models generalize when they fail to memorize", 2023). A clip is flagged when that share
is smaller than all but 1 % of real clips have against the training clips of other tracks.
"""

from dataclasses import dataclass

import numpy as np

from surco.errors import InputError
from surco.latents.vectors import VectorSet

OTHERS = 10  # next training clips, of other tracks than the nearest one's
QUANTILE = 0.01
_BLOCK = 64  # queries at a time
_QUERIES = 2000  # real clips that settle the threshold


@dataclass(frozen=True)
class Match:
    """The nearest training clip of one vector."""

    clip: str
    distance: float  # in units of the vector
    relative: float  # 0 for a copy, near 1 where many training clips are as near
    copy: bool


@dataclass
class CopyDetector:
    """Training vectors, and the relative distance under which a vector counts as a copy of one."""

    train: VectorSet
    threshold: float

    def check(self, vectors: np.ndarray) -> list[Match]:
        """The nearest training clip of each vector (N, D)."""
        if vectors.ndim != 2 or vectors.shape[1] != self.train.size:
            raise InputError(
                f"Vectors of shape {vectors.shape} cannot be compared with training vectors of "
                f"{self.train.size} dimensions; embed both at one size."
            )
        near, distance, relative = nearest(vectors, self.train.vectors, np.array(self.train.tracks))
        return [
            Match(self.train.clips[i], float(d), float(r), bool(r < self.threshold))
            for i, d, r in zip(near, distance, relative, strict=True)
        ]


def fit_copy_detector(train: VectorSet) -> CopyDetector:
    """Settle the threshold on training clips, each against those of other tracks.

    Raises `InputError` for clips of fewer than three tracks.
    """
    tracks = np.array(train.tracks)  # (N,)
    if len(set(train.tracks)) < 3:
        raise InputError(
            f"Telling a copy needs clips of 3 training tracks, not of {len(set(train.tracks))}; prepare more."
        )
    rows = np.random.default_rng(0).permutation(len(tracks))[:_QUERIES]
    _, _, relative = nearest(train.vectors[rows], train.vectors, tracks, own=tracks[rows])
    return CopyDetector(train, float(np.quantile(relative, QUANTILE)))


def nearest(
    queries: np.ndarray, vectors: np.ndarray, tracks: np.ndarray, *, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, distance and relative distance, (N,) each, of the vector nearest to each query (N, D).

    `own` (N,) names the track of each query, whose clips are left out.
    """
    row, first, share = [], [], []
    for start in range(0, len(queries), _BLOCK):
        for i, d in enumerate(distances(queries[start : start + _BLOCK], vectors), start):  # d (M,)
            if own is not None:
                d = np.where(tracks == own[i], np.inf, d)  # (M,)
            best = int(d.argmin())
            others = np.sort(d[(tracks != tracks[best]) & np.isfinite(d)])[:OTHERS]
            row.append(best)
            first.append(d[best])
            share.append(d[best] / max(float(np.median(others)), 1e-12) if len(others) else 1.0)
    return np.array(row), np.array(first), np.array(share)


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, M) between rows (N, D) and (M, D)."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    squares = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))
