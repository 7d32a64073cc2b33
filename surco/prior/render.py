"""A song's vectors to one wave: joined on the beat as log-mels, before anything is sound.

Clips that are decoded apart and cross-faded have two unrelated phases in every join, and their levels step.
Here each vector's log-mel is read at its pose, the log-mels are laid end to end, levels at the
joins are brought together, and the vocoder makes one wave of all of it.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surco.audio.griffin_lim import RETOUCHES
from surco.codec.harmony import FRAMES, SECONDS, basis
from surco.codec.pose import Pose, read
from surco.codec.vector_layout import split

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.codec.texture import Texture

Array = NDArray[Any]
CLIP = 5.0  # s
FADE = 4  # frames on either side of a join over which two log-mels are mixed: 46 ms
HEARD = 43  # frames on either side of a join whose levels are compared: half a second
REACH = 172  # frames on either side of a join over which levels are brought together: 2 s
BANDS = 3  # mel bands over which a difference of level is smoothed, so that it is colour and not notes


def starts_of(poses: Sequence[Pose]) -> Array:
    """Where each vector begins in its song, and where the last ends, (n + 1,) s."""
    return np.concatenate([[0.0], np.cumsum([CLIP * p.stretch for p in poses])])


def render(
    codec: "Codec",
    vectors: Array,
    poses: Sequence[Pose],
    seconds: float | None = None,
    *,
    texture: "Texture | None" = None,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Array:
    """The wave (T,) at 22 050 Hz of a song's vectors (n, D), each in its pose, cut at `seconds`.

    All poses of a song share their semitones. The level is that of the song's mean vector. `progress` is told
    the share that is done, a few times, 1 not among them.
    """
    rate, hop = codec.mel.sample_rate, codec.mel.hop
    begins = starts_of(poses)
    length = float(begins[-1]) if seconds is None else min(seconds, float(begins[-1]))
    with torch.inference_mode():
        rows = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(codec.low.device)
        gain, coefficients, harmony = split(rows)
        mels = codec.decode_coefficients(coefficients).clamp_min(codec.mel.floor_db)  # (n, M, 431)
        if texture is not None:
            mels = codec.textured(mels, rows.shape[1], texture, harmony, seed=seed)
        mels = codec.posed(mels, Pose(0.0, poses[0].semitones))
        level = gain.mean()
        mels = (mels + (gain - level)[:, None, None]).clamp_min(codec.mel.floor_db)
        times = torch.arange(1 + int(length * rate) // hop) * hop / rate  # (F,) s
        mel = _laid_out(mels, times, begins, poses, rate / hop)  # (M, F)
        mel = torch.cat([mel, mel[:, -1:]], 1)[None]  # (1, M, F + 1): sound to the last sample
        progress(0.1)

        def decibel(frames: int) -> Tensor:
            moments = torch.arange(frames) * SECONDS
            return _harmony(harmony, moments, begins, poses)[None]  # (1, 12, t)

        heard = 0

        def retouch(spec: Tensor) -> Tensor:
            nonlocal heard
            heard += 1
            progress(0.3 + 0.15 * min(heard, RETOUCHES))
            return codec.harmony.impose_shares(spec, decibel) if harmony.shape[1] else spec

        if codec.vocoder is None:
            from surco.audio.griffin_lim import griffin_lim

            wave = griffin_lim(mel, config=codec.mel, retouch=retouch)[0]
        else:
            wave = codec.vocoder.to(mel.device)(mel, retouch=retouch)[0]
        wave = wave[: round(length * rate)] * 10 ** ((level - codec.mel.loudness_db) / 20)
    return wave.float().cpu().numpy()


def _places(times: Tensor, begins: Array, poses: Sequence[Pose]) -> tuple[Tensor, Tensor]:
    """Which vector sounds at times (t,) s, and the moment (s) of its own 5 s."""
    edges = torch.from_numpy(begins)
    which = (torch.searchsorted(edges, times.double(), right=True) - 1).clamp(0, len(poses) - 1)  # (t,)
    tempi = torch.tensor([p.tempo for p in poses], dtype=torch.float64)
    return which, (times.double() - edges[which]) * tempi[which]


def _laid_out(mels: Tensor, times: Tensor, begins: Array, poses: Sequence[Pose], frames: float) -> Tensor:
    """Log-mel (M, F) of a song at times (F,) s, of the log-mels (n, M, 431) of its vectors."""
    which, local = _places(times, begins, poses)
    out = mels.new_empty(mels.shape[1], len(times))
    parts = []
    for k in range(len(poses)):
        parts.append(read(mels[k], local[which == k] * frames))  # (M, f)
    _bring_together(parts)
    for k in range(len(poses)):
        out[:, which == k] = parts[k]
    for k in range(1, len(poses)):  # neighbours are mixed over a few frames, the ends being held
        edge = int((which < k).sum())
        span = min(FADE, edge, out.shape[1] - edge)
        if span > 0 and parts[k - 1].shape[1] and parts[k].shape[1]:
            ramp = torch.linspace(0, 1, 2 * span + 2)[1:-1]  # (2 span,)
            before = torch.cat([out[:, edge - span : edge], parts[k - 1][:, -1:].expand(-1, span)], 1)
            after = torch.cat([parts[k][:, :1].expand(-1, span), out[:, edge : edge + span]], 1)
            out[:, edge - span : edge + span] = before * (1 - ramp) + after * ramp
    return out


def _bring_together(parts: list[Tensor]) -> None:
    """Take out of neighbouring log-mels (M, f), in place, the step of level and colour at their joins.

    Each goes half the way, less and less away from the join.
    """
    steps: list[Tensor | None] = []
    for before, after in pairwise(parts):
        tail, head = before[:, -HEARD:], after[:, :HEARD]
        if not tail.shape[1] or not head.shape[1]:
            steps.append(None)
            continue
        difference = head.mean(1) - tail.mean(1)  # (M,)
        padded = torch.nn.functional.pad(difference[None, None], (BANDS // 2, BANDS // 2), mode="replicate")
        steps.append(torch.nn.functional.avg_pool1d(padded, BANDS, 1)[0, 0])
    for k, change in enumerate(steps):
        if change is None:
            continue
        before, after = parts[k], parts[k + 1]
        one, two = (min(REACH, p.shape[1]) for p in (before, after))
        before[:, -one:] += change[:, None] / 2 * torch.linspace(1 - one / REACH, 1, one)
        after[:, :two] -= change[:, None] / 2 * torch.linspace(1, 1 - two / REACH, two)


def _harmony(numbers: Tensor, times: Tensor, begins: Array, poses: Sequence[Pose]) -> Tensor:
    """Log-ratios (12, t) in dB of the pitch classes at times (t,) s, of numbers (n, h) of harmony."""
    which, local = _places(times, begins, poses)
    at = (local / SECONDS).clamp(0, FRAMES - 1)  # (t,)
    over = basis(poses[0].semitones, at).to(numbers)[: numbers.shape[1]]  # (h, 12, t)
    return torch.einsum("th,hct->ct", numbers[which], over)
