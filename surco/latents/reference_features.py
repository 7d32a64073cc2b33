"""Descriptions of a clip that need no codec: what Surco's vectors have to be better than.

MFCC statistics, the whole mel by principal components, and Linear: mel-PCA × time-DCT, the D
coefficients of largest training variance. All are fitted on the training clips only.

Sources: Davis & Mermelstein 1980 and Tzanetakis & Cook 2002 (MFCC statistics as a description of a
clip); Ahmed, Natarajan & Rao 1974 (DCT).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def mfcc_statistics(mels: Array, *, coefficients: int = 20) -> Array:
    """Mean and spread of MFCCs and the spread of their differences (N, 3 × 20), of log-mels (N, M, F)."""
    from scipy.fft import dct

    mfcc = dct(mels, axis=1, norm="ortho")[:, :coefficients]  # (N, 20, F)
    parts = [mfcc.mean(-1), mfcc.std(-1), np.diff(mfcc, axis=-1).std(-1)]  # (N, 20) each
    return np.concatenate(parts, axis=1).astype(np.float32)


def linear_coefficients(mels: Array, train: NDArray[np.int64], size: int) -> Array:
    """Linear's coefficients (N, size): mel-PCA × time-DCT, largest training variance first."""
    from scipy.fft import dct

    mean = mels[train].mean((0, 2))[None, :, None]  # (1, M, 1)
    bands = mels[train].shape[1]
    centred = mels[train] - mean  # (n, M, F)
    covariance = np.einsum("nmf,nkf->mk", centred, centred, optimize=True)
    basis = np.linalg.eigh(covariance)[1][:, ::-1]  # (M, M) largest first
    kept = min(mels.shape[2], max(64, 4 * size // bands))  # time frequencies worth computing
    time = dct(mels - mean, axis=2, norm="ortho")[:, :, :kept]  # (N, M, kept)
    coefficients = np.einsum("mk,nmf->nkf", basis, time, optimize=True).reshape(len(mels), -1)
    order = np.argsort(-coefficients[train].var(0), kind="stable")[:size]
    return coefficients[:, order].astype(np.float32)


def mel_components(mels: Array, train: NDArray[np.int64], size: int) -> Array:
    """Principal components (N, <= size) of whole log-mels (N, M, F), averaged in time by 4 frames first."""
    frames = mels.shape[2] // 4 * 4
    pooled = mels[:, :, :frames].reshape(len(mels), mels.shape[1], -1, 4).mean(-1).reshape(len(mels), -1)
    centred = pooled - pooled[train].mean(0)  # (N, P)
    rows = centred[train]  # (n, P), far fewer rows than columns
    spectrum, u = np.linalg.eigh((rows @ rows.T).astype(np.float64))  # rising
    kept = np.argsort(-spectrum, kind="stable")[: min(size, len(train) - 1)]
    axes = (u[:, kept] / np.sqrt(np.maximum(spectrum[kept], 1e-9))).T.astype(np.float32) @ rows  # (d, P)
    return (centred @ axes.T).astype(np.float32)


def log_mels(waves: Array, *, batch_size: int = 64) -> Array:
    """Log-mels (N, M, F) in dB of waves (N, T) at the fixed loudness: what the codec sees."""
    import torch

    from surco.audio.mel import LogMel, normalise_loudness

    front = LogMel()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(waves), batch_size):
            batch = torch.from_numpy(np.ascontiguousarray(waves[start : start + batch_size]))  # (B, T)
            parts.append(front(normalise_loudness(batch, front.config)[0]).numpy())  # (B, M, F)
    return np.concatenate(parts)
