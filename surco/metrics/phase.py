"""SI-SDR, printed and never ranked: a shift of 40 samples, which no one hears, costs everything."""

import numpy as np


def si_sdr(original: np.ndarray, decoded: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB of waves (T,), clipped to ±100.

    Le Roux et al., "SDR: half-baked or well done?", ICASSP 2019. NaN for a silent original.
    """
    a, b = original.astype(np.float64), decoded.astype(np.float64)
    energy = float(a @ a)
    if energy < 1e-9:
        return float("nan")
    target = (a @ b / energy) * a  # (T,)
    noise = float(((b - target) ** 2).sum())
    return float(np.clip(10 * np.log10((target @ target + 1e-12) / (noise + 1e-12)), -100, 100))
