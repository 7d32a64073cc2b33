"""What is heard of an edit: how far what was asked for moved, and whether the rest stayed.

Every measure takes sounds and answers in the units in which the edit was asked: a tempo ratio is found by
stretching one mel over the other, a transposition by sliding one constant-Q spectrum over the
other, a curve of decibels by regression on it. What has to stay is compared after the pose is undone on the
analysis, never on the sound.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import IDENTITY, Pose
from surco.metrics.structure import BLOCK, HOP, LAG, Chromagram, chromagrams, correlation

Array = NDArray[Any]
CHROMA_HOP = 512  # samples between frames of a chromagram
STEPS = 561  # tempo ratios tried between a half and twice: a quarter of a per cent each
FINE = 5  # bins of the constant-Q spectrum a semitone
SOUNDS_DB = -70.0  # a cell quieter than this, at the fixed loudness, says nothing about a curve


@dataclass(frozen=True)
class Heard:
    """Analyses of one sound."""

    chroma: Array  # (12, t)
    loud: Array  # (t,) bool
    onset: Array  # (F,)
    mel: Array  # (M, F) dB at the fixed loudness


def hear(wave: Array, mel: Array, rate: int, chromagram: Chromagram | None = None) -> Heard:
    """Analyses of a wave (T,) and its log-mel (M, F); its chromagram, if it is known, is not taken anew."""
    from librosa.onset import onset_strength

    chroma, loud = chromagrams([wave], rate)[0] if chromagram is None else chromagram
    return Heard(chroma, loud, onset_strength(y=wave, sr=rate, hop_length=HOP), mel)


def undone(x: Heard, pose: Pose) -> Heard:
    """An analysis as if it had not been made in a pose; whole semitones only."""
    if not pose:
        return x

    def back(values: Array) -> Array:
        """Values (..., t') read at the moments of the unposed sound that it still holds."""
        count = min(int((values.shape[-1] - 1) / pose.stretch) + 1, 100_000)
        return values[..., np.round(np.arange(count) * pose.stretch).astype(int)]

    moments = np.arange(int((len(x.onset) - 1) / pose.stretch) + 1) * pose.stretch
    onset = np.interp(moments, np.arange(len(x.onset)), x.onset)
    chroma = np.roll(back(x.chroma), -round(pose.semitones), axis=0)
    return Heard(chroma, back(x.loud), onset, back(x.mel))


def stayed(reference: Heard, edited: Heard, pose: Pose = IDENTITY) -> dict[str, float]:
    """Correlations of chroma, onsets and self-similarity with a sound that was not edited."""
    now = undone(edited, pose)
    t = min(reference.chroma.shape[1], now.chroma.shape[1])
    loud = reference.loud[:t]
    frames = min(reference.mel.shape[1], now.mel.shape[1])
    return {
        "chroma": correlation(reference.chroma[:, :t][:, loud], now.chroma[:, :t][:, loud]),
        "onset": onsets_alike(reference.onset, now.onset),
        "self-similarity": correlation(_form(reference.mel[:, :frames]), _form(now.mel[:, :frames])),
    }


def onsets_alike(a: Array, b: Array) -> float:
    """Largest correlation of two onset curves within ±2 frames."""
    n = min(len(a), len(b))
    if n <= 2 * LAG + 2:
        return float("nan")
    middle = a[LAG : n - LAG]
    return max(correlation(middle, b[LAG + lag : n - LAG + lag]) for lag in range(-LAG, LAG + 1))


def chroma_alike(a: Heard, b: Heard) -> float:
    """Correlation of the chromagrams where the first sounds."""
    return stayed(a, b)["chroma"]


def log_tempo(before: Array, after: Array, *, width: int = 4) -> float:
    """Logarithm of how many times as fast a log-mel (M, F') runs as another (M, F); NaN if nothing changes.

    All bands are compared, for a song without a beat has a tempo too: that of its changes. They are taken
    `width` at a time; broad ones stand a change of pitch.
    """
    found = np.linspace(-np.log(2), np.log(2), STEPS)
    one, two = (_changes(x, width) for x in (before, after))  # (b, F) and (b, F')
    if one.std() < 1e-6 or two.std() < 1e-6:
        return float("nan")
    last = one.shape[1] - 1
    fit = []
    for ratio in np.exp(found):
        count = min(two.shape[1], int(last / ratio) + 1)
        at = np.arange(count) * ratio
        low = np.minimum(at.astype(int), last - 1)
        stretched = one[:, low] + (one[:, low + 1] - one[:, low]) * (at - low)
        a, b = stretched - stretched.mean(1, keepdims=True), two[:, :count]
        b = b - b.mean(1, keepdims=True)
        fit.append(float((a * b).sum() / max(np.sqrt((a * a).sum() * (b * b).sum()), 1e-9)))
    return _peak(found, np.array(fit))


def _changes(mel: Array, width: int) -> Array:
    """A log-mel (M, F) in bands of `width` (b, F), each against its own mean."""
    bands = mel[: len(mel) // width * width].reshape(len(mel) // width, width, -1).mean(1)
    return bands - bands.mean(1, keepdims=True)


def constant_q(wave: Array, rate: int) -> Array:
    """Logarithm of the constant-Q spectrum (bins, t) of a wave (T,), five bins a semitone, 40 dB deep."""
    from librosa import cqt

    bins = 12 * FINE
    found = np.abs(cqt(y=wave, sr=rate, fmin=65.4, n_bins=6 * bins, bins_per_octave=bins, hop_length=2048))
    return np.log(found + 1e-2 * max(found.max(), 1e-9))


def semitones(before: Array, after: Array) -> float:
    """How many semitones a constant-Q spectrum (bins, t') lies above another (bins, t), to an octave.

    Both are compared frame by frame, by partials (differences between bins) and by the shape of the
    spectrum, which is all that noise has of pitch.
    """
    frames = min(before.shape[1], after.shape[1])
    one, two = before[:, :frames], after[:, :frames]
    lags = np.arange(-12 * FINE, 12 * FINE + 1)
    fit = []
    for lag in map(int, lags):
        a = one[max(0, -lag) : len(one) - max(0, lag)]
        b = two[max(0, lag) : len(two) - max(0, -lag)]
        fit.append(_fit(a, b) + _fit(np.diff(a, axis=0), np.diff(b, axis=0)))
    return _peak(lags / FINE, np.array(fit))


def _fit(a: Array, b: Array) -> float:
    """Correlation, 0 where one is constant."""
    found = correlation(a, b)
    return found if np.isfinite(found) else 0.0


def along(before: Array, after: Array, curve: Array) -> float:
    """Slope of the change between log-mels (M, F), at one loudness, on a curve (M, F) of decibels."""
    sounds = (before > SOUNDS_DB) & (after > SOUNDS_DB)
    asked = curve * sounds
    return float(((after - before) * asked).sum() / max(float((asked * asked).sum()), 1e-12))


def spectrum_distance(a: Array, b: Array) -> float:
    """Distance in dB between the spectra that stay in two log-mels (M, F)."""
    return float(np.abs(a.mean(1) - b.mean(1)).mean())


def _form(mel: Array) -> Array:
    """Cosines (pairs,) between the columns of a log-mel (M, F), 8 frames each, mean spectrum taken out."""
    n = mel.shape[1] // BLOCK
    columns = mel[:, : n * BLOCK].reshape(len(mel), n, BLOCK).mean(-1)
    columns = columns - columns.mean(1, keepdims=True)
    columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-6)
    return (columns.T @ columns)[np.triu_indices(n, 1)]


def _peak(x: Array, fit: Array) -> float:
    """Where `fit` over the even grid `x` is largest, between two places by a parabola."""
    i = int(np.argmax(fit))
    if not 0 < i < len(x) - 1:
        return float(x[i])
    left, top, right = fit[i - 1 : i + 2]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(x[i] + np.clip(shift, -0.5, 0.5) * (x[1] - x[0]))
