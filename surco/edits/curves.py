"""Curves: edits that add decibels to a spectrogram, made on the dimensions of its vector.

Coefficients are a linear function of the log-mel, so what is added to the one is added to the other:
z + W Δmel, with no training. A curve is Δmel (n, M, F) in dB; `add` makes it, and corrects what the decoder's
network makes of it. What that and the floor of the mel still cost is measured (docs/edits.md), not assumed.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.vector_layout import join, split
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
BANDS = {"bass": (0.0, 250.0), "mids": (250.0, 2000.0), "presence": (2000.0, 4000.0), "treble": (4000.0, 1e9)}
EDGE = 0.5  # octaves over which a band begins
PIVOT, SPAN = 1000.0, 2.0  # Hz that a tilt leaves alone, and octaves either way in which it is told
DEEPEST = -60.0  # dB of a fade's silent end
SWELL = 0.35  # share of a beat after which ducking has let go by a factor of e
ROUNDS = 2  # of correction: on valid they bring tremolo from 1.06 to 1.02 of what encoding it costs
SMOOTH = 9  # frames (0.1 s) over which dynamics looks at loudness


@dataclass(frozen=True)
class Grid:
    """Where the cells of log-mels lie: frequencies (M,) in Hz, moments (n, F) in s of a song of `seconds`."""

    hertz: Array
    moments: Array
    seconds: float


def grid(codec: "Codec", clips: int = 1, *, step: float = 4.75) -> Grid:
    """The grid of `clips` log-mels of one song, one every `step` seconds."""
    from librosa import mel_frequencies

    c = codec.mel
    hertz = mel_frequencies(c.n_mels + 2, fmin=0.0, fmax=c.sample_rate / 2)[1:-1]  # (M,)
    frames = np.arange(431) * c.hop / c.sample_rate  # (F,)
    starts = step * np.arange(clips)  # (n,)
    return Grid(hertz, starts[:, None] + frames, float(starts[-1] + 5))


def band(g: Grid, decibel: float, name: str) -> Array:
    """Louder by `decibel` in one of `BANDS`."""
    if name not in BANDS:
        raise InputError(f"There is no band {name!r}; choose from {', '.join(BANDS)}.")
    low, high = BANDS[name]
    place = np.log2(np.maximum(g.hertz, 1.0))
    rise = np.clip((place - math.log2(low)) / EDGE + 0.5, 0, 1) if low else 1.0
    fall = np.clip((math.log2(high) - place) / EDGE + 0.5, 0, 1)
    return _everywhere(decibel * rise * fall, g)


def tilt(g: Grid, decibel: float) -> Array:
    """Brighter: 4 kHz is raised by `decibel` against 250 Hz, evenly over the octaves between, 1 kHz stays."""
    octaves = np.clip(np.log2(g.hertz / PIVOT), -SPAN - 1, SPAN + 1)  # (M,)
    return _everywhere(decibel * octaves / (2 * SPAN), g)


def fade_in(g: Grid, seconds: float) -> Array:
    """Rising from silence over the first `seconds` of the song."""
    return _fade(g.moments / max(seconds, 1e-9), g)


def fade_out(g: Grid, seconds: float) -> Array:
    """Falling to silence over the last `seconds` of the song."""
    return _fade((g.seconds - g.moments) / max(seconds, 1e-9), g)


def tremolo(g: Grid, decibel: float, rate: float = 4.0) -> Array:
    """Loudness that swings by `decibel` from crest to trough, `rate` times a second."""
    return _always(decibel / 2 * np.sin(2 * np.pi * rate * g.moments), g)


def ducking(g: Grid, decibel: float, rate: float = 2.0) -> Array:
    """Loudness pressed down by `decibel` at every beat, `rate` a second, that swells back until the next."""
    phase = (g.moments * rate) % 1  # (n, F)
    return _always(-decibel * np.exp(-phase / SWELL), g)


def dynamics(g: Grid, ratio: float, mels: Array) -> Array:
    """Loudness that swings `ratio` times as far around its mean: log-mels (n, M, F) say how it swings now."""
    level = loudness(mels)  # (n, F)
    return _always((ratio - 1) * np.clip(level - level.mean(1, keepdims=True), -24, 24), g)


def loudness(mels: Array) -> Array:
    """Loudness (n, F) in dB of the frames of log-mels (n, M, F), smoothed over 0.1 s."""
    from scipy.ndimage import uniform_filter1d

    power = (10 ** (np.asarray(mels, np.float64) / 10)).sum(1)  # (n, F)
    return 10 * np.log10(uniform_filter1d(power, SMOOTH, axis=1, mode="nearest"))


def add(codec: "Codec", vectors: Array, delta: Array, *, rounds: int = ROUNDS) -> Array:
    """Vectors (n, D) of the same clips with `delta` (n, M, F) dB added to their log-mels.

    What is louder on the whole goes to the gain, since a log-mel is coded at a fixed loudness. The network
    behind the coefficients undoes some of a strong curve; what the decoded log-mel still lacks is added
    again, `rounds` times.
    """
    import torch

    z = np.ascontiguousarray(vectors, np.float32)
    made = _step(codec, z, delta)
    if not rounds:
        return made

    def mels(v: Array) -> Array:
        """Decoded log-mels (n, M, F), at the loudness that `z` has."""
        with torch.inference_mode():
            found = codec.decode_mel(torch.from_numpy(v).to(codec.low.device)).cpu().numpy()
        return np.asarray(found + (v[:, 0] - z[:, 0])[:, None, None])

    floor = codec.mel.floor_db
    wanted = np.maximum(mels(z) + delta, floor)
    for _ in range(rounds):
        made = _step(codec, made, wanted - np.maximum(mels(made), floor))
    return made


def _step(codec: "Codec", vectors: Array, delta: Array) -> Array:
    """z + W delta, with no look at what the decoder makes of it."""
    import torch

    from surco.codec.linear import to_patches

    device = codec.low.device
    z = torch.from_numpy(np.ascontiguousarray(vectors, np.float32)).to(device)
    change = torch.from_numpy(np.ascontiguousarray(delta, np.float32)).to(device).expand(len(z), -1, -1)
    with torch.inference_mode():
        gain, coefficients, harmony = split(z)
        mel = codec.decode_coefficients(coefficients).clamp_min(codec.mel.floor_db)  # (n, M, F)
        power = [10 ** (x / 10) for x in (mel + change, mel)]
        louder = 10 * (power[0].sum((1, 2)) / power[1].sum((1, 2))).log10()  # (n,)
        patches = to_patches(change - louder[:, None, None])  # (n, 54, P)
        step = codec.linear.analyse(patches @ codec.linear.basis)[:, : coefficients.shape[1]]
        made = join(gain + louder, coefficients + step, harmony)
    return made.cpu().numpy()


def kept(codec: "Codec", size: int, delta: Array) -> float:
    """Share of the energy of `delta` (n, M, F) that vectors of `size` dimensions can hold, 1 at most."""
    import torch

    from surco.codec.linear import from_patches, to_patches
    from surco.codec.vector_layout import mel_size

    change = torch.from_numpy(np.ascontiguousarray(delta, np.float32))
    linear = codec.linear
    step = linear.analyse(to_patches(change) @ linear.basis)[:, : mel_size(size) - 1]
    held = from_patches(linear.synthesise(step) @ linear.basis.T)
    return 1 - float((held - change).square().sum() / change.square().sum().clamp_min(1e-12))


def _everywhere(profile: Array, g: Grid) -> Array:
    """A profile (M,) over frequency, the same at all times: (n, M, F)."""
    shape = (len(g.moments), len(g.hertz), g.moments.shape[1])
    return np.broadcast_to(profile[None, :, None], shape).astype(np.float32)


def _always(envelope: Array, g: Grid) -> Array:
    """An envelope (n, F) over time, the same at all frequencies: (n, M, F)."""
    shape = (len(envelope), len(g.hertz), g.moments.shape[1])
    return np.broadcast_to(envelope[:, None], shape).astype(np.float32)


def _fade(share: Array, g: Grid) -> Array:
    return _always(np.maximum(20 * np.log10(np.clip(share, 1e-6, 1)), DEEPEST), g)
