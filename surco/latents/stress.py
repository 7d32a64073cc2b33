"""Sounds that no music collection holds, made on the spot: where does the codec stop working?

Sources: Fant 1960 and Klatt 1980 (vowels as a pulse train through formant resonators; formant
frequencies of Peterson & Barney 1952); Farina 2000 (exponential sweep).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Array = NDArray[Any]
SYNTHETIC = ("silence", "sine", "sweep", "click", "white noise", "sung vowels")
ALTERED = ("backwards", "6 semitones up", "6 semitones down", "half speed")
VOWELS = {  # formant frequencies and bandwidths in Hz, men's averages
    "a": ((730, 90), (1090, 110), (2440, 170)),
    "e": ((530, 60), (1840, 100), (2480, 160)),
    "i": ((270, 60), (2290, 100), (3010, 160)),
    "o": ((570, 70), (840, 80), (2410, 160)),
    "u": ((300, 60), (870, 80), (2240, 160)),
}


def synthetic(name: str, *, samples: int = 110_250, sample_rate: int = 22_050, seed: int = 0) -> Array:
    """A wave (samples,) of one of `SYNTHETIC`, at -20 dBFS RMS but for silence and the click."""
    t = np.arange(samples) / sample_rate
    if name == "silence":
        wave = np.zeros(samples)
    elif name == "sine":
        wave = np.sin(2 * np.pi * 440 * t)
    elif name == "sweep":
        low, high = 40.0, 0.45 * sample_rate
        rate = np.log(high / low) / t[-1]
        wave = np.sin(2 * np.pi * low / rate * (np.exp(rate * t) - 1))
    elif name == "click":
        wave = np.zeros(samples)
        wave[samples // 2] = 1.0
    elif name == "white noise":
        wave = np.random.default_rng(seed).standard_normal(samples)
    elif name == "sung vowels":
        wave = _vowels(t, sample_rate)
    else:
        raise InputError(f"There is no stress sound {name!r}; use one of {', '.join(SYNTHETIC)}.")
    if name not in ("silence", "click"):
        wave = wave * 0.1 / np.sqrt(np.mean(wave**2))
    return wave.astype(np.float32)


def _vowels(t: Array, sample_rate: int) -> Array:
    """A scale sung on a, e, i, o, u with vibrato: glottal pulses through three resonators each."""
    from scipy.signal import lfilter

    notes = np.array([146.8, 164.8, 185.0, 196.0, 220.0])  # D3 to A3, Hz
    which = np.minimum((t / t[-1] * len(notes)).astype(int), len(notes) - 1)
    pitch = notes[which] * 2 ** (0.3 / 12 * np.sin(2 * np.pi * 5.5 * t))  # a third of a semitone, 5.5 Hz
    phase = np.cumsum(pitch / sample_rate)
    pulses = np.diff(np.floor(phase), prepend=0.0)  # one a period
    source = lfilter(
        [1.0], [1.0, -0.97], pulses - pulses.mean()
    )  # the glottis falls by about 12 dB an octave
    wave = np.zeros_like(t)
    for i, formants in enumerate(VOWELS.values()):
        part = np.where(which == i, source, 0.0)
        for centre, width in formants:
            r = np.exp(-np.pi * width / sample_rate)
            a = [1.0, -2 * r * np.cos(2 * np.pi * centre / sample_rate), r**2]
            part = lfilter([sum(a)], a, part)
        wave += part
    return np.diff(wave, prepend=0.0)  # radiation at the lips


def altered(name: str, wave: Array, *, sample_rate: int = 22_050) -> Array:
    """A clip (T,) changed by one of `ALTERED`, of the same length.

    "half speed" plays the first half of the clip as a tape at half speed, an octave lower.
    """
    if name == "backwards":
        return np.ascontiguousarray(wave[::-1])
    if name in ("6 semitones up", "6 semitones down"):
        import librosa

        steps = 6 if name.endswith("up") else -6
        return librosa.effects.pitch_shift(wave, sr=sample_rate, n_steps=steps).astype(np.float32)
    if name == "half speed":
        import soxr

        slow = soxr.resample(wave[: len(wave) // 2 + 1].astype(np.float32), 1, 2)  # (T + 1,)
        return np.pad(slow, (0, max(0, len(wave) - len(slow))))[: len(wave)].astype(np.float32)
    raise InputError(f"There is no alteration {name!r}; use one of {', '.join(ALTERED)}.")
