"""How music moves within five seconds: pulse, onsets, chords, loudness, colour and what comes back.

Nine numbers a window, measured on sound alone, in which drawn songs and real clips are compared by
`surco.prior.two_sample`. Sources: autocorrelation of onset strength (Ellis, 2007); chords by the nearest of
24 triads (Fujishima, 1999); spectral contrast (Jiang et al., 2002); what comes back, by the diagonals
of the self-similarity matrix (Foote, 1999).
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MEASURES = {
    "beat salience": "0 to 1",
    "tempo stability": "-1 to 1",
    "onset rate": "per s",
    "chroma entropy": "bits",
    "chord changes": "per s",
    "spectral flux": "dB per frame",
    "dynamics": "dB",
    "contrast": "dB",
    "self-similarity": "-1 to 1",
}
WINDOW = 5.0  # s
BEAT = (0.25, 1.0)  # s, lags at which a pulse is looked for: 60 to 240 BPM
BACK = (2.0, 4.0)  # s, lags at which the same may come back within a window
_FFT, _HOP, _SILENT = 2048, 256, 1e-4
_BLOCK = 16  # frames of a column, 0.19 s, in which chords and what comes back are looked for


@cache
def _filters(rate: int) -> tuple[Array, Array, Array]:
    """Mel (64, F), chroma (12, F) and unit triads (24, 12)."""
    import librosa

    mel = librosa.filters.mel(sr=rate, n_fft=_FFT, n_mels=64)
    chroma = librosa.filters.chroma(sr=rate, n_fft=_FFT, tuning=0.0)
    triads = np.zeros((24, 12))
    for root in range(12):
        triads[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1
        triads[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1
    return mel, chroma, triads / np.sqrt(3)


def movement(wave: Array, *, rate: int = 22_050) -> Array:
    """The nine `MEASURES` (9,) of a wave (T,) of some 5 s; a silent one has zeros."""
    import librosa

    wave = np.asarray(wave, np.float32)
    if np.sqrt(np.mean(np.square(wave, dtype=np.float64))) <= _SILENT:
        return np.zeros(len(MEASURES))
    power = np.abs(librosa.stft(wave, n_fft=_FFT, hop_length=_HOP)) ** 2  # (F, t)
    mel_filters, chroma_filters, triads = _filters(rate)
    mel = librosa.power_to_db(mel_filters @ power, top_db=80.0)  # (64, t)
    frames = rate / _HOP
    onset = np.maximum(np.diff(mel, axis=1), 0).mean(0)  # (t - 1,)
    strength = librosa.onset.onset_strength(S=mel, sr=rate, hop_length=_HOP)  # (t,)
    found = librosa.onset.onset_detect(onset_envelope=strength, sr=rate, hop_length=_HOP)
    chroma = chroma_filters @ power  # (12, t)
    share = chroma / np.maximum(chroma.sum(0), 1e-12)
    entropy = -(share * np.log2(share + 1e-12)).sum(0)  # (t,)
    weight = chroma.sum(0) / max(chroma.sum(), 1e-12)
    level = 10 * np.log10(power.sum(0) / power.sum(0).max() + 1e-6)  # (t,) within 60 dB
    contrast = librosa.feature.spectral_contrast(S=np.sqrt(power[:, ::4]), sr=rate, n_fft=_FFT)
    return np.array(
        [
            beat_salience(onset, frames),
            _stability(onset, frames),
            len(found) * rate / len(wave),
            float(entropy @ weight),
            _chord_changes(chroma, triads, frames),
            float(onset.mean()),
            float(level.std()),
            float(contrast.mean()),
            _comes_back(mel, frames),
        ]
    )


def _autocorrelation(envelope: Array) -> Array:
    """Correlation (n,) of an envelope (n,) with itself by lag, 1 at lag 0; zeros where it is steady."""
    centred = envelope - envelope.mean()
    n = len(centred)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * n)) ** 2)[:n]
    if correlation[0] <= 1e-9:
        return np.zeros(n)
    result: Array = correlation / correlation[0] * n / np.arange(n, 0, -1)
    return result


def beat_salience(envelope: Array, frames: float) -> float:
    """Largest autocorrelation of an onset envelope (t,), of `frames` a second, among the lags of beats."""
    low, high = (round(s * frames) for s in BEAT)
    return float(np.clip(_autocorrelation(envelope)[low : high + 1].max(initial=0), 0, 1))


def _stability(envelope: Array, frames: float) -> float:
    """Correlation of the autocorrelations of the two halves among the lags of beats."""
    low, high = (round(s * frames) for s in BEAT)
    half = len(envelope) // 2
    a, b = (_autocorrelation(e)[low : high + 1] for e in (envelope[:half], envelope[half:]))
    return float(np.corrcoef(a, b)[0, 1]) if min(a.std(), b.std()) > 1e-9 else 0.0


def _columns(x: Array) -> Array:
    """Means (k, n) of blocks of a series (k, t)."""
    result: Array = x[:, : x.shape[1] // _BLOCK * _BLOCK].reshape(len(x), -1, _BLOCK).mean(2)
    return result


def _chord_changes(chroma: Array, triads: Array, frames: float) -> float:
    """How often a second the nearest triad of half a second is another than before."""
    columns = _columns(chroma)  # (12, n)
    smooth = np.stack([np.convolve(c, np.ones(3) / 3, "valid") for c in columns])  # (12, n - 2)
    chord = (triads @ smooth).argmax(0)
    return float((np.diff(chord) != 0).sum() * frames / _BLOCK / max(len(chord) - 1, 1))


def _comes_back(mel: Array, frames: float) -> float:
    """Largest mean likeness of what lies 2 to 4 s apart, the mean spectrum being taken out."""
    columns = _columns(mel)
    columns = columns - columns.mean(1, keepdims=True)
    columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-6)
    alike = columns.T @ columns  # (n, n)
    low, high = (round(s * frames / _BLOCK) for s in BACK)
    lags = range(low, min(high, len(alike) - 1) + 1)
    return float(max((np.diagonal(alike, lag).mean() for lag in lags), default=0.0))


def windows(wave: Array, *, rate: int = 22_050, seconds: float = WINDOW) -> Array:
    """Whole windows (n, T) of a song (t,), one after the other; what is left over at its end is dropped."""
    size = round(seconds * rate)
    result: Array = wave[: len(wave) // size * size].reshape(-1, size)
    return result


def movement_all(
    waves: Array, *, rate: int = 22_050, progress: Callable[[int], None] = lambda done: None
) -> Array:
    """The measures (N, 9) of waves (N, T); `progress` is told how many are done."""
    rows = []
    for i, wave in enumerate(waves):
        rows.append(movement(wave, rate=rate))
        progress(i + 1)
    return np.array(rows).reshape(-1, len(MEASURES))


def step(wave: Array, at: float, *, rate: int = 22_050, seconds: float = 0.5) -> tuple[float, float]:
    """How far level and colour, both in dB, step at a moment `at` (s) of a wave (T,); NaN near its ends.

    The half second before is compared with the half second after. Colour is the mean difference of 64 mel
    bands after the difference of level has been taken out.
    """
    size, middle = round(seconds * rate), round(at * rate)
    if middle < size or middle + size > len(wave):
        return float("nan"), float("nan")
    import librosa

    mel_filters, _, _ = _filters(rate)
    both = []
    for part in (wave[middle - size : middle], wave[middle : middle + size]):
        power = np.abs(librosa.stft(np.asarray(part, np.float32), n_fft=_FFT, hop_length=_FFT // 2)) ** 2
        both.append(10 * np.log10((mel_filters @ power).mean(1) + 1e-8))
    levels = [10 * np.log10(np.mean(np.square(w, dtype=np.float64)) + 1e-8)
              for w in (wave[middle - size : middle], wave[middle : middle + size])]  # fmt: skip
    difference = both[1] - both[0]
    return float(abs(levels[1] - levels[0])), float(np.abs(difference - difference.mean()).mean())
