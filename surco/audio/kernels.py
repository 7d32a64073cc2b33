"""The inner loops of making a wave, compiled for CPUs: one pass over memory in place of a dozen.

Each does what a function of `griffin_lim` or the vocoder does in PyTorch, which GPUs and gradients keep to.
Arrays lie frame by frame, as the FFT leaves a spectrogram. Compiling takes seconds, once on a machine.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Phasors = NDArray[np.complex64]
FAST: Any = {"cache": True, "nogil": True, "fastmath": True, "error_model": "numpy"}


class Bands(NamedTuple):
    """Triangular filters, bin by bin: no bin is seen by more than two, and those are neighbours."""

    edges: NDArray[np.int32]  # (n_mels,) bins from edges[m] to edges[m + 1] are seen by bands m and m + 1
    first: NDArray[np.int32]  # (F,) the lower of the two bands that see a bin
    low: Floats  # (F,) its weight
    high: Floats  # (F,) the weight of the one above it
    share_low: Floats  # (F,) both weights over their sum
    share_high: Floats
    unseen: Floats  # (F,) 1 for a bin that no band sees


def serve(*tensors: Tensor) -> bool:
    """Whether the kernels can stand in for PyTorch: on the CPU, in single precision, without gradients."""
    plain = all(t.device.type == "cpu" and t.dtype in (torch.float32, torch.complex64) for t in tensors)
    return plain and not torch.is_grad_enabled()


@lru_cache(maxsize=8)
def bands_of(filters: Tensor) -> Bands:
    """The sparse form of filters (n_mels, F)."""
    rows = filters.detach().numpy()  # (n_mels, F)
    bins = np.arange(rows.shape[1])
    first = np.minimum((rows > 0).argmax(0), len(rows) - 2)  # (F,)
    first = np.maximum.accumulate(first)  # bins that no band sees go with those before them
    low, high = rows[first, bins], rows[first + 1, bins]  # (F,) each
    seen = low + high  # (F,)
    if not np.allclose(seen, rows.sum(0)):
        raise ValueError("A bin is seen by more than two filters, or by two that are no neighbours.")
    edges = np.append(np.searchsorted(first, np.arange(len(rows) - 1)), len(bins))  # (n_mels,)
    share = np.maximum(seen, 1e-8)
    ints, floats = np.int32, np.float32
    return Bands(
        edges.astype(ints),
        first.astype(ints),
        low,
        high,
        (low / share).astype(floats),
        (high / share).astype(floats),
        (seen < 1e-8).astype(floats),
    )


def frames_of(spec: Tensor) -> NDArray[Any]:
    """The frames (B * frames, F) of a spectrogram (B, F, frames); a view where it lies in memory so."""
    return spec.mT.contiguous().flatten(0, -2).numpy()


@njit(**FAST)
def fit(power: Floats, mel: Floats, bands: Bands, steps: int, eager: bool) -> None:
    """`fit_to_mel` in place: power (frames, F) to a mel (frames, n_mels)."""
    ratio = np.empty(mel.shape[1], np.float32)  # (n_mels,)
    for t in range(len(power)):
        for _ in range(steps):
            _fit_frame(power[t], mel[t], bands, eager, ratio)


@njit(**FAST)
def project(now: Phasors, before: Phasors, mel: Floats, out: Phasors, momentum: float, bands: Bands) -> None:
    """One update of `refine`, into `out` (frames, F).

    It has the phase of `now` (frames, F), the last spectrogram of a wave, carried on by `momentum` from
    the one `before`, and the mel (frames, n_mels).
    """
    power = np.empty(now.shape[1], np.float32)  # (F,)
    ratio = np.empty(mel.shape[1], np.float32)  # (n_mels,)
    pace = np.float32(momentum)
    for t in range(len(now)):
        x, y, z = now[t], before[t], out[t]  # (F,) each
        for k in range(len(power)):
            power[k] = x[k].real ** 2 + x[k].imag ** 2
        _fit_frame(power, mel[t], bands, True, ratio)
        for k in range(len(power)):
            ahead = x[k] + pace * (x[k] - y[k])
            length = max(ahead.real**2 + ahead.imag**2, np.float32(1e-20))
            z[k] = ahead * np.sqrt(max(power[k], np.float32(1e-18)) / length)


@njit(**FAST)
def _fit_frame(power: Floats, mel: Floats, bands: Bands, eager: bool, ratio: Floats) -> None:
    """One step of `fit` on one frame (F,); `ratio` (n_mels,) is room to work in."""
    edges, first, low, high, share_low, share_high, unseen = bands
    ratio[:] = 0
    for m in range(len(ratio) - 1):
        below, above = np.float32(0), np.float32(0)
        for k in range(edges[m], edges[m + 1]):
            below += low[k] * power[k]
            above += high[k] * power[k]
        ratio[m] += below
        ratio[m + 1] += above
    for m in range(len(ratio)):
        ratio[m] = mel[m] / max(ratio[m], np.float32(1e-12))
        if eager:
            ratio[m] *= np.sqrt(np.sqrt(ratio[m]))
    for k in range(len(power)):
        power[k] *= share_low[k] * ratio[first[k]] + share_high[k] * ratio[first[k] + 1] + unseen[k]


@njit(**FAST)
def integrate(
    loud: Floats,
    advance: Phasors,
    delay: Phasors,
    centre: Phasors,
    drawn: Phasors,
    stray: float,
    phase: Phasors,
) -> None:
    """The vocoder's `integrate`: unit phasors into `phase` (B, frames, K).

    loud : magnitudes (B, frames, K); advance, delay : (B, frames, K); centre : (K,); drawn : (frames, K)
    """
    bins = loud.shape[2]
    own = np.empty(bins, np.complex64)  # what each bin's own past asks for
    unit = np.empty(bins, np.complex64)  # its direction, before the sweep
    for b in range(loud.shape[0]):
        for k in range(bins):  # one by one: an assignment of slices takes as long to compile as all the rest
            phase[b, 0, k] = drawn[0, k]
        for t in range(1, loud.shape[1]):
            level, earlier, last, now = loud[b, t], loud[b, t - 1], phase[b, t - 1], phase[b, t]  # (K,) each
            turn, lag, random = advance[b, t], delay[b, t], drawn[t]  # (K,) each
            for k in range(bins):
                past = turn[k] * centre[k] * last[k] * (level[k] * earlier[k])
                own[k] = past + random[k] * (np.float32(stray) * level[k] * level[k])
                unit[k] = own[k] * _over_length(own[k])
            for k in range(1, bins):
                own[k] -= lag[k] * unit[k - 1] * (level[k] * level[k - 1])
            for k in range(bins - 1):
                own[k] -= np.conj(lag[k + 1]) * unit[k + 1] * (level[k] * level[k + 1])
            for k in range(bins):
                now[k] = own[k] * _over_length(own[k])


@njit(**FAST)
def _over_length(z: Any) -> Any:
    """One over the length of a complex number."""
    return np.float32(1) / np.sqrt(max(z.real**2 + z.imag**2, np.float32(1e-30)))
