"""The ways of describing the same clips that every study compares: vectors, and plain baselines."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.latents.probes import standardise
from surco.latents.reference_features import linear_coefficients, mel_components, mfcc_statistics

Array = NDArray[Any]
OURS = ("raw", "standardised", "reduced")
BASELINES = ("MFCC statistics", "Linear", "mel PCA")


def reduced(x: Array, train: NDArray[np.int64], *, share: float = 0.9, most: int = 32) -> Array:
    """Principal components (N, d) that hold `share` of the training variance, `most` at the most."""
    centred = x.astype(np.float64) - x[train].mean(0, dtype=np.float64)
    _, s, axes = np.linalg.svd(centred[train], full_matrices=False)
    held = np.cumsum(s**2) / max(float((s**2).sum()), 1e-300)
    d = min(int(np.searchsorted(held, share) + 1), most, len(axes))
    return centred @ axes[:d].T


def representations(vectors: Array, mels: Array, train: NDArray[np.int64]) -> dict[str, Array]:
    """Descriptions (N, d) by name: `OURS` of vectors (N, D), then `BASELINES` of log-mels (N, M, F).

    Whatever is fitted, is fitted on the `train` rows. Linear and the mel PCA have as many dimensions as
    the vectors, where the training clips allow it.
    """
    size = vectors.shape[1]
    return {
        "raw": vectors.astype(np.float64),
        "standardised": standardise(vectors, train),
        "reduced": reduced(vectors, train),
        "MFCC statistics": standardise(mfcc_statistics(mels), train),
        "Linear": linear_coefficients(mels, train, size).astype(np.float64),
        "mel PCA": mel_components(mels, train, size).astype(np.float64),
    }
