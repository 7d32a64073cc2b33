"""What of the music survives: harmony, attacks, tempo, form.

Each measure compares two analyses of `Structure`. On a silent or perfectly steady original a
correlation has nothing to correlate; it is NaN then, and left out of the averages, never 0 or 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import librosa
import mir_eval
import numpy as np

HOP = 256  # samples between onset frames (11.6 ms)
LAG = 2  # onset frames two curves may be apart
BLOCK = 8  # mel frames in a column of the self-similarity matrix (93 ms)
STEADY = 0.05  # standard deviation of onset strength (dB) under which nothing begins; music has 1 to 5
TOGETHER = 8  # chromagrams taken at once: librosa makes its filters anew at each call, which takes most of it
SILENCE = 1e-5  # peak under which a wave counts as silent (-100 dBFS)


@dataclass(frozen=True)
class Structure:
    """Analyses of one clip; a silent one has none of them."""

    chroma: np.ndarray  # (12, frames), largest entry of a frame 1
    loud: np.ndarray  # (frames,) bool: frames whose energy lies within 60 dB of the loudest
    onset: np.ndarray  # (frames,) onset strength
    onsets: np.ndarray  # (k,) seconds
    tempo: float  # beats per minute, NaN where there is no pulse
    similarity: np.ndarray  # (pairs,) upper triangle of the self-similarity matrix


Chromagram = tuple[np.ndarray, np.ndarray]  # as of `chromagrams`


def analyse(
    wave: np.ndarray, mel: np.ndarray, sample_rate: int, chromagram: Chromagram | None = None
) -> Structure:
    """Structure of a wave (T,), given its log-mel (80, F) in dB, and its chromagram if that is known.

    About 0.1 s for 5 s of sound.
    """
    if np.abs(wave).max() < SILENCE:
        none = np.zeros(0)
        return Structure(none, none, none, none, float("nan"), none)
    chroma, loud = chromagrams([wave], sample_rate)[0] if chromagram is None else chromagram
    onset = librosa.onset.onset_strength(y=wave, sr=sample_rate, hop_length=HOP)  # (frames,)
    steady = bool(onset.std() < STEADY)
    found = librosa.onset.onset_detect(onset_envelope=onset, sr=sample_rate, hop_length=HOP)  # (k,)
    frames = found[:0] if steady else found
    tempo = (
        np.nan if steady else librosa.feature.tempo(onset_envelope=onset, sr=sample_rate, hop_length=HOP)[0]
    )
    return Structure(
        chroma=chroma,
        loud=loud,
        onset=np.zeros_like(onset) if steady else onset,
        onsets=librosa.frames_to_time(frames, sr=sample_rate, hop_length=HOP),
        tempo=float(tempo),
        similarity=_self_similarity(mel),
    )


def chromagrams(waves: Sequence[np.ndarray], sample_rate: int) -> list[Chromagram]:
    """Of each wave (T,): chroma (12, frames), the largest of a frame 1, and which frames sound (frames,)."""
    found: dict[int, Chromagram] = {}
    for length in sorted({len(wave) for wave in waves}):
        rows = [i for i, wave in enumerate(waves) if len(wave) == length]
        for start in range(0, len(rows), TOGETHER):
            part = rows[start : start + TOGETHER]
            # a fixed tuning: estimated on each side, two estimates could differ and rotate the chroma
            chroma = librosa.feature.chroma_cqt(
                y=np.stack([waves[i] for i in part]), sr=sample_rate, hop_length=512, norm=None, tuning=0.0
            )  # (n, 12, frames)
            for i, one in zip(part, chroma, strict=True):
                energy = one.sum(0)  # (frames,)
                found[i] = one / np.maximum(one.max(0), 1e-9), energy > 1e-3 * energy.max()
    return [found[i] for i in range(len(waves))]


@lru_cache(maxsize=32)
def _known(wave: bytes, sample_rate: int) -> Chromagram:
    """The chromagram of what many waves are compared with in turn."""
    return chromagrams([np.frombuffer(wave, np.float32)], sample_rate)[0]


def harmony_alike(waves: np.ndarray, others: np.ndarray, sample_rate: int) -> np.ndarray:
    """Correlations (n,) of the chromagrams of `waves` (n, T) with those of `others` (n, T); 0 for silence."""
    found = []
    for (ours, _), other in zip(chromagrams(list(waves), sample_rate), others, strict=True):
        theirs, loud = _known(np.asarray(other, np.float32).tobytes(), sample_rate)
        found.append(_alike(theirs, loud, ours))
    return np.nan_to_num(np.array(found))


def _alike(chroma: np.ndarray, loud: np.ndarray, other: np.ndarray) -> float:
    """Correlation of two chromagrams (12, F) over the frames where the first is loud (F,); NaN if none is."""
    if not loud.any():
        return float("nan")
    return correlation(chroma[:, loud], other[:, loud]) if other.size else 0.0


def _self_similarity(mel: np.ndarray) -> np.ndarray:
    """Cosines (pairs,) between the columns of a log-mel (80, F), each the mean of 8 frames.

    The clip's mean spectrum is taken out first: it is in every column and would make all of them alike.
    """
    columns = mel[:, : mel.shape[1] // BLOCK * BLOCK].reshape(len(mel), -1, BLOCK).mean(-1)  # (80, n)
    columns = columns - columns.mean(1, keepdims=True)
    columns = columns / np.maximum(np.linalg.norm(columns, axis=0), 1e-6)
    return (columns.T @ columns)[np.triu_indices(columns.shape[1], 1)]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation; NaN if the first array does not vary, 0 if only the second does not."""
    if a.size < 2 or a.std() < 1e-6:
        return float("nan")
    if b.size != a.size or b.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def chroma_correlation(original: Structure, decoded: Structure) -> float:
    """Correlation of two chromagrams over the frames where the original sounds."""
    return _alike(original.chroma, original.loud.astype(bool), decoded.chroma)


def onset_correlation(original: Structure, decoded: Structure) -> float:
    """Largest correlation of two onset-strength curves within ±2 frames (23 ms)."""
    a, b = original.onset, decoded.onset
    if a.size != b.size or a.size <= 2 * LAG:
        return correlation(a, b)
    middle = a[LAG:-LAG]
    return max(correlation(middle, b[LAG + lag : len(b) - LAG + lag]) for lag in range(-LAG, LAG + 1))


def onset_f1(original: Structure, decoded: Structure) -> float:
    """F-measure of detected onsets within ±50 ms (mir_eval); NaN if the original has none."""
    if not len(original.onsets):
        return float("nan")
    if not len(decoded.onsets):
        return 0.0
    return float(mir_eval.onset.f_measure(original.onsets, decoded.onsets)[0])


def tempo_agreement(original: Structure, decoded: Structure) -> float:
    """1 if two tempi agree within 4 %, octaves allowed, else 0; NaN if the original has no pulse."""
    if not original.tempo > 0:
        return float("nan")
    if not decoded.tempo > 0:
        return 0.0
    octaves = np.log2(decoded.tempo / original.tempo)
    return float(abs(octaves - round(octaves)) <= np.log2(1.04))


def similarity_correlation(original: Structure, decoded: Structure) -> float:
    """Correlation of two self-similarity matrices: whether what repeats still repeats."""
    return correlation(original.similarity, decoded.similarity)
