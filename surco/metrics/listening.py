"""Two models of a listener: Zimtohrli and ViSQOL. Both want 48 kHz and give an opinion score of 1 to 5.

Zimtohrli (github.com/google/zimtohrli): a filter bank of the ear, time warping and a structural
similarity; 5 is transparent. ViSQOL (Chinen et al., 2020) in audio mode: gammatone spectrograms and
a trained mapper; 4.73 is transparent and its floor on this kind of music lies near 3 for anything
with the right spectrum, so it never stands alone.
"""

import threading
from contextlib import nullcontext
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import soxr

RATE = 48_000  # Hz
_LOADING = threading.Lock()
_ONE_CALLER = threading.Lock()


def at_48k(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Wave (T,) resampled to 48 kHz, float32."""
    return np.ascontiguousarray(soxr.resample(wave, sample_rate, RATE), dtype=np.float32)


def zimtohrli(original: np.ndarray, decoded: np.ndarray) -> float:
    """Zimtohrli's opinion score of two waves (T,) at 48 kHz; about 0.1 s for 5 s of sound."""
    from zimtohrli import Pyohrli, mos_from_zimtohrli

    return float(mos_from_zimtohrli(Pyohrli().distance(original, decoded)))


def visqol(original: np.ndarray, decoded: np.ndarray) -> float:
    """ViSQOL's opinion score of two waves (T,) at 48 kHz; about 0.5 s for 5 s of sound.

    NaN for a silent original, which has no patch to compare, and where libsvm is not installed: it is
    the one package that comes as source, and `make setup` leaves it out where there is no compiler.
    """
    if find_spec("libsvm") is None or not np.any(np.abs(original) > 1e-4):
        return float("nan")
    api, pair = _visqol(), (original.astype(np.float64), decoded.astype(np.float64))
    with nullcontext() if _threads_may_meet() else _ONE_CALLER:
        # The last digits depend on where the arrays lie in memory.
        return round(float(api.measure_from_arrays(*pair, RATE).moslqo), 6)


def _threads_may_meet() -> bool:
    """Whether numba's parallel kernels may be entered by two threads: known once the first has run.

    The layer `workqueue`, which remains where neither OpenMP nor TBB is found, ends the process if they are.
    """
    from numba import threading_layer

    try:
        return threading_layer() in ("omp", "tbb")
    except ValueError:
        return False


def _visqol() -> Any:
    with _LOADING:  # libsvm parses its model with strtok: two threads at it corrupt the heap
        return _visqol_once()


@cache
def _visqol_once() -> Any:
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")
    return api
