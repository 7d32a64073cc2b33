"""Eight beats to a vector: clips read from a beat on, at one tempo, so that their numbers mean the same.

Two clips of the same music that begin at other moments, or are played at another tempo, have vectors that
look unrelated, and a mean of many such clips has no beat. Here a track has one tempo, between 96
and 192 BPM (any tempo has an octave there), found in all its clips; a clip is read from a beat on so that
its 5 s hold eight beats, two bars of four; and `surco.codec.pose` plays it back at any tempo.

Tempo and phase come from onset strength, by combs over its autocorrelation and over itself (Scheirer, 1998;
Ellis, 2007).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import Pose

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
FRAMES = 22_050 / 256  # a second
CLIP = 5.0  # s
BEATS = 8  # of a vector
SLOWEST, FASTEST = 96.0, 192.0  # BPM
FINE = 200  # tempi tried


@dataclass(frozen=True)
class Pulse:
    """Of a clip: its tempo in BPM, where its first beat lies (s), and how clear the pulse is, 0 to 1."""

    tempo: float
    start: float
    clarity: float

    @property
    def pose(self) -> Pose:
        """In which eight beats, read as 5 s, are played at this tempo."""
        return playing(self.tempo)


def playing(tempo: float) -> Pose:
    """The pose in which a vector of eight beats is played at a tempo in BPM."""
    return Pose.lasting(BEATS * 60 / tempo)


def onsets(mels: Array) -> Array:
    """Onset strength (n, F) of log-mels (n, M, F): the mean rise of the bands, less its local mean."""
    rise = np.maximum(np.diff(mels, axis=2, prepend=mels[:, :, :1]), 0).mean(1)  # (n, F)
    width = int(FRAMES * 0.5) | 1
    padded = np.pad(rise, ((0, 0), (width // 2, width // 2)), mode="edge")
    local = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1).mean(2)  # (n, F)
    result: Array = np.maximum(rise - local, 0)
    return result


def find_tempo(curves: Array) -> tuple[float, float]:
    """Tempo (BPM, 96 to 192) of a track whose clips have onset curves (n, F), and its clarity, 0 to 1."""
    centred = curves - curves.mean(1, keepdims=True)
    n = curves.shape[1]
    correlation = np.fft.irfft(np.abs(np.fft.rfft(centred, 2 * n, axis=1)) ** 2, axis=1)[:, :n].sum(0)  # (F,)
    if correlation[0] <= 1e-9:
        return 120.0, 0.0
    correlation = correlation / correlation[0] * n / np.arange(n, 0, -1)
    tempi = SLOWEST * (FASTEST / SLOWEST) ** (np.arange(FINE) / FINE)  # (FINE,)
    lags = 60 * FRAMES / tempi
    heard = [np.interp(k * lags, np.arange(n), correlation) for k in (1, 2, 4)]
    score = (heard[0] + heard[1] + heard[2]) / 3
    best = int(np.argmax(score))
    return float(tempi[best]), float(np.clip(score[best], 0, 1))


def find_start(curve: Array, tempo: float) -> float:
    """Where (s) the first beat lies in a clip of onset curve (F,): the phase at which beats are strongest."""
    beat = 60 / tempo * FRAMES
    phases = np.arange(0, beat, 0.5)  # frames
    count = int((len(curve) - 1 - beat) // beat) + 1
    at = phases[:, None] + beat * np.arange(count)  # (p, k)
    smooth = np.convolve(curve, (0.25, 0.5, 0.25), "same")
    strength = np.interp(at.ravel(), np.arange(len(curve)), smooth).reshape(at.shape).mean(1)
    return float(
        max(phases[int(np.argmax(strength))] - 1, 0) / FRAMES
    )  # a rise begins a frame before its peak


def pulses(curves: Array, tracks: Sequence[str]) -> list[Pulse]:
    """The pulse of each clip, of onset curve (n, F), one tempo a track."""
    names = np.array(tracks)
    found: dict[int, Pulse] = {}
    for track in dict.fromkeys(tracks):
        rows = np.flatnonzero(names == track)
        tempo, clarity = find_tempo(curves[rows])
        for row in rows:
            found[int(row)] = Pulse(tempo, find_start(curves[row], tempo), clarity)
    return [found[i] for i in range(len(tracks))]


def on_beats(
    codec: "Codec",
    vectors: Array,
    tracks: Sequence[str],
    *,
    size: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Array, list[Pulse]]:
    """Vectors (N, size) of eight beats each, read from the vectors (N, D) of clips, with their pulses.

    A clip whose eighth beat lies beyond its end is read round, after whole beats. The vectors are those
    of a codec's own space; no sound is made.
    """
    import torch

    from surco.codec import recode

    size = size or vectors.shape[1]
    curves = []
    with torch.inference_mode():
        for i in range(0, len(vectors), 32):
            part = torch.from_numpy(np.ascontiguousarray(vectors[i : i + 32], np.float32))
            curves.append(onsets(codec.decode_mel(part.to(codec.low.device)).cpu().numpy()))
            progress(i, 2 * len(vectors))
    found = pulses(np.concatenate(curves), tracks)
    read = []
    beats, starts = np.array([60 / p.tempo for p in found]), np.array([p.start for p in found])
    for i in range(0, len(vectors), 16):
        some = slice(i, i + 16)
        poses = [-p.pose for p in found[some]]
        read.append(recode.read_each(codec, vectors[some], starts[some], poses, beats[some])[:, :size])
        progress(len(vectors) + i, 2 * len(vectors))
    return np.concatenate(read).astype(np.float32), found
