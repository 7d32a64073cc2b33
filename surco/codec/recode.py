"""A song's vectors read anew: at other moments and another pitch, as plain vectors of the same size.

What `surco.codec.pose` does when a vector is decoded, this does to the numbers themselves: the decoded
log-mel is read where it is wanted and encoded again, without a vocoder between. It serves where vectors must
be mixed that differ in tempo, beat or key. It is no exact inverse of itself, as a pose is.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import IDENTITY, Pose
from surco.codec.streaming import OVERLAP

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
CLIP = 5.0  # s
STEP = CLIP - OVERLAP  # s between the beginnings of a song's clips


def duration(clips: int) -> float:
    """Seconds of a song of so many clips."""
    return STEP * (clips - 1) + CLIP


def posed(codec: "Codec", vectors: Array, pose: Pose) -> Array:
    """Vectors (m, D) of a song (n, D) in a pose; what lies beyond its end is silence.

    A song that lasts longer takes more clips, a shorter one fewer.
    """
    if not pose:
        return vectors.astype(np.float32)
    seconds = duration(len(vectors)) * pose.stretch
    clips = max(1, int(np.ceil((seconds - OVERLAP) / STEP - 1e-9)))
    starts = STEP * np.arange(clips)  # (m,)
    return read(codec, vectors, starts * pose.tempo, pose)


def read(
    codec: "Codec", vectors: Array, starts: Array, pose: Pose = IDENTITY, *, beat: float | None = None
) -> Array:
    """Vectors (m, D) of the clips of a song (n, D) that begin at `starts` (m,) s of it, in a pose.

    With a `beat` (s), the song is read round and round, after a whole number of beats; else what lies
    outside it is silence.
    """
    import torch

    tempi = np.full(len(starts), pose.tempo)
    clips = len(vectors)
    return _read(codec, vectors, starts, tempi, pose.semitones, lambda m: _where(m, clips, beat), torch)


def read_each(codec: "Codec", vectors: Array, starts: Array, poses: Sequence[Pose], beats: Array) -> Array:
    """Vectors (n, D): of each clip (n, D) what begins at its start (n,) s, in its pose, read round.

    A clip is read round after a whole number of its `beats` (n,) s. Poses differ in tempo alone.
    """
    import torch

    turns = torch.from_numpy(np.maximum(1, (CLIP / beats + 1e-6).astype(int)) * beats)[:, None]  # (n, 1)
    rows = torch.arange(len(vectors))[:, None]  # (n, 1)

    def where(moments: Any) -> tuple[Any, Any, Any]:
        local = moments % turns
        return rows.expand(*moments.shape), local, torch.ones_like(local, dtype=torch.bool)

    return _read(codec, vectors, starts, np.array([p.tempo for p in poses]), 0.0, where, torch)


def _read(
    codec: "Codec",
    vectors: Array,
    starts: Array,
    tempi: Array,
    semitones: float,
    where: Callable[[Any], tuple[Any, Any, Any]],
    torch: Any,
) -> Array:
    """Vectors (m, D) read of clips (n, D) from `starts` (m,) s on, `tempi` (m,) times as fast.

    `where` gives of moments (m, t) s the clip, the moment in it and whether it sounds, each (m, t).
    """
    from surco.codec.harmony import FACTOR, FRAMES, HOP, basis, turned
    from surco.codec.linear import dct_at
    from surco.codec.vector_layout import join, split

    c = codec.mel
    z = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(codec.low.device)
    begin = torch.from_numpy(np.asarray(starts, np.float64))[:, None]  # (m, 1)
    speed = torch.from_numpy(np.asarray(tempi, np.float64))[:, None]  # (m, 1)
    with torch.inference_mode():
        gain, coefficients, harmony = split(z)
        mel = codec.decode_coefficients(coefficients).clamp_min(c.floor_db)
        mel = codec.posed(mel, Pose(0.0, semitones))  # (n, M, F)
        frames = torch.arange(mel.shape[2]) * c.hop / c.sample_rate  # (F,) s
        clip, local, inside = where(begin + frames.double() * speed)  # (m, F) each
        at = (local * c.sample_rate / c.hop).clamp(0, mel.shape[2] - 1)  # (m, F) frames
        low = at.floor().long().clamp_max(mel.shape[2] - 2)
        part = (at - low).float()
        absolute = (mel + gain[:, None, None]).mT  # (n, F, M) dB against each other
        found = absolute[clip, low] * (1 - part)[..., None] + absolute[clip, low + 1] * part[..., None]
        found = torch.where(inside[..., None], found, found.new_tensor(-200.0)).mT  # (m, M, F)
        # each new clip at the loudness that log-mels are coded at, by the power of its own and of its sources
        own = 10 ** (mel / 10)
        usual = 10 * own.sum((1, 2))[clip].mean(1).log10()  # (m,)
        louder = (10 * (10 ** (found / 10)).sum((1, 2)).clamp_min(1e-12).log10() - usual).clamp_min(-90.0)
        made = codec.encode_mel((found - louder[:, None, None]).clamp_min(c.floor_db))
        made = made[:, : coefficients.shape[1]]
        seconds = HOP * FACTOR / c.sample_rate  # between frames of harmony
        clip, local, _ = where(begin + torch.arange(FRAMES).double() * seconds * speed)
        places = (local / seconds).clamp(0, FRAMES - 1)  # (m, 28)
        over = dct_at(FRAMES, places.flatten()).view(*places.shape, FRAMES)  # (m, 28, 28)
        there = dct_at(FRAMES, torch.arange(FRAMES))  # (28, 28)
        h = harmony.shape[1]
        around = torch.einsum("hct,tk->hck", basis()[:h], there)  # (h, 12, 28) over time's cosines
        raised = turned(harmony, semitones)  # (n, h)
        heard = torch.einsum("mth,hck,mtk->mct", raised[clip], around, over)  # (m, 12, 28)
        numbers = torch.einsum("mct,hct->mh", heard, basis()[:h])
        return join(louder, made, numbers).cpu().numpy()


def _where(moments: Any, clips: int, beat: float | None) -> tuple[Any, Any, Any]:
    """Clip, moment (s) in it, and whether the song sounds there, of moments (m, t) of a song."""
    seconds = duration(clips)
    if beat is not None:
        turn = max(1, int(seconds / beat + 1e-6)) * beat
        moments = moments % turn
    clip = ((moments - OVERLAP / 2) / STEP).floor().clamp(0, clips - 1).long()
    return clip, moments - clip * STEP, (moments >= -1e-6) & (moments <= seconds + 1e-6)
