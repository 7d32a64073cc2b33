"""Songs as loud as each other: integrated loudness set, true peaks held under a ceiling.

Loudness is that of ITU-R BS.1770-4 by `pyloudnorm` (Steinmetz and Reiss, 2021); a true peak is the largest
sample at four times the rate (BS.1770, annex 2). What rises above the ceiling is turned down around it by a
look-ahead limiter, not clipped.
"""

import warnings

import numpy as np
import soxr

TARGET, CEILING = -16.0, -1.2  # LUFS, and dB of true peak, a little under the -1 that is promised
SHORTEST = 0.4  # s, a block of the measure
QUIETEST = 1e-5  # peak under which a wave counts as silent
_OVER = 4
_REACH = 0.005  # s over which a limiter turns down before and after a peak
_ROUNDS = 3  # limiting lowers the loudness a little, so both are done in turn


def loudness(wave: np.ndarray, rate: int = 22_050) -> float:
    """Integrated loudness of a wave (T,) in LUFS; minus infinity for silence or under 0.4 s."""
    import pyloudnorm

    if len(wave) < SHORTEST * rate or not np.any(wave):
        return float("-inf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(pyloudnorm.Meter(rate).integrated_loudness(np.asarray(wave, np.float64)))


def true_peak(wave: np.ndarray, rate: int = 22_050) -> float:
    """Largest magnitude of a wave (T,) between its samples too, in dB re full scale."""
    return float(20 * np.log10(max(_oversampled(wave, rate).max(initial=0), 1e-9)))


def set_loudness(wave: np.ndarray, rate: int = 22_050, *, target: float = TARGET) -> np.ndarray:
    """A wave (T,) brought to `target` LUFS with no true peak above -1 dB; silence stays as it is."""
    out = np.asarray(wave, np.float64)
    peak = np.abs(out).max(initial=0)
    if peak < QUIETEST:
        return out.astype(np.float32)
    out = out / peak  # the measure hears nothing under -70 LUFS
    for _ in range(_ROUNDS):
        now = loudness(out, rate)
        if not np.isfinite(now):
            break
        out = _limited(out * 10 ** ((target - now) / 20), rate)
    over = true_peak(out, rate) - CEILING
    if over > 0:
        out = out * 10 ** (-over / 20)
    return out.astype(np.float32)


def _oversampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """Largest magnitude (T,) around each sample of a wave (T,), at four times its rate."""
    if not len(wave):
        return np.zeros(0)
    fine = np.abs(soxr.resample(np.asarray(wave, np.float64), rate, _OVER * rate))
    fine = np.pad(fine, (0, max(0, _OVER * len(wave) - len(fine))))[: _OVER * len(wave)]
    return np.maximum(np.abs(wave), fine.reshape(-1, _OVER).max(1))


def _limited(wave: np.ndarray, rate: int) -> np.ndarray:
    """A wave (T,) whose peaks above the ceiling are turned down by a gain that changes smoothly."""
    peaks = _oversampled(wave, rate)
    gain = np.minimum(1.0, 10 ** (CEILING / 20) / np.maximum(peaks, 1e-12))  # (T,)
    if gain.min(initial=1.0) >= 1:
        return wave
    reach = 2 * round(_REACH * rate) + 1
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(gain, reach - 1, mode="edge"), reach)
    lowest = windows.min(1)  # (T + reach - 1,)
    result: np.ndarray = wave * np.convolve(lowest, np.ones(reach) / reach, "valid")
    return result
