"""Kernel audio distance: how far a set of decoded clips lies from a set of real ones.

Chung et al., "KAD: No More FAD!", 2025: the unbiased squared maximum mean discrepancy with a Gaussian
kernel, on embeddings (here musicnn's). Unlike Fréchet distance it assumes no Gaussian and has no bias
in the number of clips, so a few dozen clips give a usable, if noisy, figure.
"""

import numpy as np

from surco.errors import InputError

SCALE = 100.0  # KAD is printed times a hundred


def kernel_audio_distance(
    real: np.ndarray, fake: np.ndarray, *, bandwidth: float | None = None, paired: bool = False
) -> float:
    """Unbiased MMD² times 100 between embeddings (N, E) and (M, E); near 0 for one distribution.

    Being unbiased, it also falls below 0.

    The bandwidth is the median distance among the real ones, unless given. With `paired`, `fake[i]` is
    the decoded `real[i]`: those pairs, which are alike beyond what two clips of one distribution are,
    stay out of the cross term. Raises `InputError` for fewer than two clips a side.
    """
    real, fake = np.asarray(real, dtype=np.float64), np.asarray(fake, dtype=np.float64)
    if min(len(real), len(fake)) < 2:
        raise InputError(f"kernel_audio_distance() wants two clips a side, got {len(real)} and {len(fake)}.")
    if paired and len(real) != len(fake):
        raise InputError(f"Paired clips must be as many on both sides, got {len(real)} and {len(fake)}.")
    within = _squares(real, real)  # (N, N)
    n, m = len(real), len(fake)
    if bandwidth is None:
        bandwidth = float(np.sqrt(np.median(within[~np.eye(n, dtype=bool)]))) or 1.0
    gamma = 1 / (2 * bandwidth**2)
    across = np.exp(-gamma * _squares(real, fake))  # (N, M)
    cross = (across.sum() - np.trace(across)) / (n * (n - 1)) if paired else across.mean()
    same = (np.exp(-gamma * within).sum() - n) / (n * (n - 1))
    other = (np.exp(-gamma * _squares(fake, fake)).sum() - m) / (m * (m - 1))
    return float(SCALE * (same + other - 2 * cross))


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances (N, M) between rows (N, E) and (M, E)."""
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0.0)
