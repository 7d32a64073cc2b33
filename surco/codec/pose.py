"""Pose: how fast and how high a vector is played, two numbers that stand beside it and are 0 by default.

A decoded log-mel is a picture of time against frequency, so both are changes of its axes. Its frames are
read at other moments. Its bands lie evenly in neither Hz nor octaves and are wider than the partials in
them, so a shift of pitch goes through the power spectrum that the vocoder sees behind them; the notes below
500 Hz turn with it (`surco.codec.harmony.basis`). Poses add up: one after another is one pose, exactly.

Source: the vocoder makes phases of its own, so that nothing of a phase vocoder's smearing (Laroche & Dolson,
1999) arises: frames are interpolated in dB.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from surco.audio.mel import MelConfig
from surco.errors import InputError

SLOWEST, FASTEST = 0.5, 2.0  # times the tempo
FARTHEST = 12.0  # semitones, either way
NEAR = 1e-9  # a pose this close to a limit lies within it


@dataclass(frozen=True)
class Pose:
    """How a vector is played.

    log_stretch : natural logarithm of the duration against the vector's own 5 s; below 0 is faster
    semitones : how much higher everything sounds

    Raises InputError beyond half or twice the tempo, or an octave.
    """

    log_stretch: float = 0.0
    semitones: float = 0.0

    def __post_init__(self) -> None:
        if not abs(self.log_stretch) <= math.log(FASTEST) + NEAR:  # NaN is refused too
            raise InputError(
                f"A tempo lies between {SLOWEST:g} and {FASTEST:g} times the song's own, not "
                f"{_tempo(self.log_stretch):g}."
            )
        if not abs(self.semitones) <= FARTHEST + NEAR:
            raise InputError(
                f"A pitch moves by at most {FARTHEST:g} semitones either way, not {self.semitones:g}."
            )

    @classmethod
    def of(cls, tempo: float = 1.0, semitones: float = 0.0) -> "Pose":
        """The pose that plays `tempo` times as fast and `semitones` higher."""
        return cls(-math.log(tempo) if tempo > 0 else math.nan, semitones)

    @classmethod
    def lasting(cls, seconds: float, semitones: float = 0.0) -> "Pose":
        """The pose in which a clip of 5 s lasts `seconds`."""
        return cls.of(5 / seconds if seconds > 0 else math.nan, semitones)

    @property
    def stretch(self) -> float:
        """Duration against the vector's own."""
        return math.exp(self.log_stretch)

    @property
    def tempo(self) -> float:
        """Times as fast as the vector's own."""
        return math.exp(-self.log_stretch)

    def __add__(self, other: "Pose") -> "Pose":
        """One after the other: tempi multiply, semitones add."""
        return Pose(self.log_stretch + other.log_stretch, self.semitones + other.semitones)

    def __neg__(self) -> "Pose":
        """The pose that undoes this one."""
        return Pose(-self.log_stretch, -self.semitones)

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return self != IDENTITY

    def samples(self, own: int) -> int:
        """Samples that `own` samples last."""
        return round(own * self.stretch)


def _tempo(log_stretch: float) -> float:
    return math.exp(-log_stretch) if abs(log_stretch) < 100 else math.inf


IDENTITY = Pose()


def stretch_frames(mel: Tensor, pose: Pose, config: MelConfig, samples: int) -> Tensor:
    """Log-mels (B, M, F) in dB, of `samples` samples a clip, at a pose's tempo: (B, M, F').

    F' covers `pose.samples(samples)` samples.
    """
    if not pose.log_stretch:
        return mel
    frames = 1 + pose.samples(samples) // config.hop
    return read(mel, torch.arange(frames, device=mel.device) * pose.tempo)


def shift_bins(power: Tensor, semitones: float) -> Tensor:
    """Power spectrograms (B, F, frames) whose bins hold what lay `semitones` lower; nothing lies above.

    What is spread over more bins is lower in each, so that the power of the whole stays.
    """
    bins, narrower = power.shape[1], 2 ** (-semitones / 12)
    at = torch.arange(bins, device=power.device) * narrower  # (F,)
    return read(power.mT, at).mT * (at <= bins - 1)[:, None] * narrower


def read(x: Tensor, at: Tensor) -> Tensor:
    """Values (..., n) of series (..., F) at places `at` (n,), by linear interpolation; the ends are held."""
    at = at.double().clamp(0, x.shape[-1] - 1)
    low = at.floor().long().clamp_max(x.shape[-1] - 2)
    part = (at - low).to(x.dtype)
    return x[..., low] * (1 - part) + x[..., low + 1] * part
