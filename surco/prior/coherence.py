"""Do neighbouring clips belong together? Their distance, as a share of that of two songs of one genre."""

from collections.abc import Sequence

import numpy as np

from surco.latents.vectors import VectorSet
from surco.metrics.aggregate import Estimate, by_track


def coherence(songs: np.ndarray, genres: Sequence[str], *, seed: int = 0) -> Estimate:
    """Of songs (N, n, D): 0 for one clip repeated, 1 where neighbours are as far apart as two songs."""
    near = np.linalg.norm(np.diff(songs, axis=1), axis=-1).mean(1)  # (N,)
    names = np.array(genres)
    apart = np.full(len(songs), np.nan)
    for i, genre in enumerate(genres):
        others = np.flatnonzero((names == genre) & (np.arange(len(songs)) != i))
        if len(others):
            apart[i] = np.linalg.norm(songs[others, 0] - songs[i, 0], axis=-1).mean()
    return by_track(near / np.nanmean(apart), [str(i) for i in range(len(songs))], seed=seed)


def real_coherence(vectors: VectorSet, previous: np.ndarray, *, seed: int = 0) -> Estimate:
    """The same of real clips, whose neighbour before is the row `previous` (N,), -1 for none."""
    rows = np.flatnonzero(previous >= 0)
    x, names, tracks = vectors.vectors, np.array(vectors.genres), np.array(vectors.tracks)
    near = np.linalg.norm(x[rows] - x[previous[rows]], axis=-1)  # (P,)
    apart = []
    for i in rows:
        others = np.flatnonzero((names == names[i]) & (tracks != tracks[i]))
        if len(others):
            apart.append(np.linalg.norm(x[others] - x[i], axis=-1).mean())
    scale = float(np.mean(apart)) if apart else float("nan")
    return by_track(near / scale, [vectors.tracks[i] for i in rows], seed=seed)
