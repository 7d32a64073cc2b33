"""Two songs brought to one tempo, one beat and one key, so that what is mixed of them fits.

Tempo is that of `surco.latents.attributes`, read modulo octaves, so that no song is played more than √2
times as fast; the beat is the shift of one onset curve against the other that fits best; the key is the
rotation of the pitch classes, as their dimensions of harmony have them, that fits best.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec import recode
from surco.codec.pose import Pose

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
FRAME = 256 / 22_050  # s
USUAL = 0.5  # s of a beat where no pulse is found


@dataclass(frozen=True)
class Alignment:
    """How the second song is played to fit the first: its pose, where it begins (s), its beat (s)."""

    pose: Pose
    start: float
    beat: float


def onsets(mels: Array) -> Array:
    """Onset strength (n, F) of log-mels (n, M, F): the mean rise of the bands."""
    rise = np.maximum(np.diff(mels, axis=2, prepend=mels[:, :, :1]), 0)
    return rise.mean(1)


def tempo(mel: Array) -> float:
    """Beats per minute of a log-mel (M, F); NaN where there is no pulse."""
    from surco.latents.attributes import pulse

    return pulse(onsets(mel[None])[0], 1 / FRAME)


def key_shift(a: Array, b: Array) -> int:
    """Semitones, -6 to 5, that the harmony (h,) of `b` must rise to be most like that of `a` (h,)."""
    from surco.codec.harmony import basis

    if not len(a):
        return 0
    classes = basis()[: len(a)].mean(2).numpy()  # (h, 12)
    one, two = a @ classes, b @ classes  # (12,)
    fit = [float(one @ np.roll(two, s)) for s in range(-6, 6)]
    return int(np.argmax(fit)) - 6


def align(codec: "Codec", a: Array, b: Array, *, key: bool = True) -> Alignment:
    """How the clip `b` (D,) is played to fit the clip `a` (D,)."""
    import torch

    from surco.codec.vector_layout import places

    with torch.inference_mode():
        both = torch.from_numpy(np.stack([a, b]).astype(np.float32)).to(codec.low.device)
        mels = codec.decode_mel(both).cpu().numpy()  # (2, M, F)
    ours, theirs = tempo(mels[0]), tempo(mels[1])
    ratio = ours / theirs if ours > 0 and theirs > 0 else 1.0
    ratio = float(2 ** (np.log2(ratio) - np.round(np.log2(ratio))))  # the nearest octave of it
    there = places(len(a))[1].numpy()
    semitones = key_shift(a[there], b[there]) if key else 0
    beat = 60 / theirs if theirs > 0 else USUAL
    one, two = onsets(mels)
    frames = np.arange(len(one))
    turn = max(1, int(len(two) * FRAME / beat + 1e-6)) * beat / FRAME  # frames of whole beats

    def fit(start: float) -> float:
        moved = np.interp((start / FRAME + frames * ratio) % turn, frames, two)
        return float(np.corrcoef(one, moved)[0, 1]) if one.std() > 0 and moved.std() > 0 else 0.0

    starts = np.arange(0, turn * FRAME, 2 * FRAME)
    start = float(starts[int(np.argmax([fit(s) for s in starts]))])
    return Alignment(Pose.of(ratio, semitones), start, beat)


def aligned(codec: "Codec", a: Array, b: Array, *, key: bool = True) -> tuple[Array, list[Alignment]]:
    """The clips `b` (n, D), each played to fit its clip `a` (n, D), as vectors (n, D)."""
    found = [align(codec, x, y, key=key) for x, y in zip(a, b, strict=True)]
    played = [
        recode.read(codec, y[None], np.array([f.start]), f.pose, beat=f.beat)
        for y, f in zip(b, found, strict=True)
    ]
    return np.concatenate(played), found
