"""What a musician would measure on a clip: tempo, loudness, brightness, onset density, chroma entropy.

Measured on sound, never on vectors, so that a probe or an edit can be judged by them.

Sources: librosa (McFee et al. 2015); Ellis 2007 (tempo from the autocorrelation of onset strength,
with a prior around 120 BPM); Peeters 2004 (spectral centroid as brightness).
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Array = NDArray[Any]
UNITS = {
    "tempo": "BPM",
    "loudness": "dB RMS",
    "brightness": "octaves re 1 kHz",
    "onset density": "onsets per s",
    "chroma entropy": "bits",
}
_FFT, _HOP, _SILENT = 2048, 512, 1e-4


@cache
def _filters(sample_rate: int) -> tuple[Array, Array, Array]:
    """Mel (64, F) and chroma (12, F) filters, and the bins' frequencies (F,) in Hz."""
    import librosa

    mel = librosa.filters.mel(sr=sample_rate, n_fft=_FFT, n_mels=64)
    chroma = librosa.filters.chroma(sr=sample_rate, n_fft=_FFT, tuning=0.0)
    return mel, chroma, librosa.fft_frequencies(sr=sample_rate, n_fft=_FFT)


def measure(wave: Array, *, sample_rate: int = 22_050) -> dict[str, float]:
    """The attributes of a wave (T,), in `UNITS`; those that silence does not have are NaN."""
    import librosa

    if len(wave) < sample_rate // 2:
        raise InputError(f"A clip of {len(wave)} samples is shorter than half a second; give a longer one.")
    mel_filters, chroma_filters, frequencies = _filters(sample_rate)
    power = np.abs(librosa.stft(np.asarray(wave, np.float32), n_fft=_FFT, hop_length=_HOP)) ** 2  # (F, t)
    rms = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))
    loudness = 20 * np.log10(max(rms, _SILENT))
    if rms <= _SILENT:
        return {name: loudness if name == "loudness" else float("nan") for name in UNITS}
    spectrum = np.sqrt(power).sum(1)  # (F,)
    centroid = float(frequencies @ spectrum / max(spectrum.sum(), 1e-12))
    mel_db = librosa.power_to_db(mel_filters @ power)  # (64, t)
    strength = librosa.onset.onset_strength(S=mel_db, sr=sample_rate, hop_length=_HOP)  # (t,)
    onsets = librosa.onset.onset_detect(onset_envelope=strength, sr=sample_rate, hop_length=_HOP)
    chroma = chroma_filters @ power  # (12, t)
    loud = chroma.sum(0)  # (t,)
    share = chroma / np.maximum(loud, 1e-12)
    entropy = -(share * np.log2(share + 1e-12)).sum(0)  # (t,)
    return {
        "tempo": pulse(strength, sample_rate / _HOP),
        "loudness": loudness,
        "brightness": float(np.log2(max(centroid, 20.0) / 1000)),
        "onset density": len(onsets) * sample_rate / len(wave),
        "chroma entropy": float(entropy @ loud / max(loud.sum(), 1e-12)),
    }


def pulse(strength: Array, frame_rate: float, *, centre: float = 120.0, octaves: float = 1.0) -> float:
    """Tempo in BPM of an onset envelope (t,): the peak of its autocorrelation under a log-normal prior.

    Between 30 and 300 BPM; the peak is refined by a parabola, since a frame is several BPM wide.
    """
    envelope = strength - strength.mean()
    n = len(envelope)
    if not envelope.any():
        return float("nan")
    spectrum = np.abs(np.fft.rfft(envelope, 2 * n)) ** 2
    correlation = np.fft.irfft(spectrum)[:n]  # (t,) by lag in frames
    lags = np.arange(max(1, int(frame_rate * 60 / 300)), min(n - 1, int(frame_rate * 60 / 30) + 1))
    bpm = 60 * frame_rate / lags
    prior = np.exp(-0.5 * (np.log2(bpm / centre) / octaves) ** 2)
    lag = int(lags[np.argmax(np.maximum(correlation[lags], 0) * prior)])
    before, peak, after = correlation[lag - 1 : lag + 2]
    bend = before - 2 * peak + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(60 * frame_rate / (lag + np.clip(offset, -0.5, 0.5)))


def measure_all(
    waves: Iterable[Array], *, sample_rate: int = 22_050, progress: Callable[[int], None] = lambda done: None
) -> dict[str, NDArray[np.float64]]:
    """Attributes of N clips (T,), each an array (N,); `progress` is told how many are done."""
    rows = []
    for i, wave in enumerate(waves):
        rows.append(measure(np.asarray(wave), sample_rate=sample_rate))
        if i % 16 == 0:
            progress(i)
    return {name: np.array([row[name] for row in rows]) for name in UNITS}


def measured(attributes: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """The attributes that differ between clips, each (N,): those of which something can be learned."""
    return {a: v for a, v in attributes.items() if np.isfinite(v).sum() > 2 and np.nanstd(v) > 0}
