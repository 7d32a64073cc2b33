"""Recordings of any length as a run of clips: coded one after the other, joined by cross-fades."""

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from surco.codec.pose import IDENTITY, Pose
from surco.errors import InputError

RATE = 22_050  # Hz
SAMPLES = 110_250  # of a clip, 5 s
OVERLAP = 0.25  # s
BATCH = 8  # clips coded at once
MAX_SAMPLES = 24 * 3600 * RATE  # a day: what claims to be longer is damaged


class ClipCodec(Protocol):
    """What streaming asks of a codec."""

    def encode(self, wave: Tensor, size: int | None = None) -> Tensor: ...
    def decode(self, vector: Tensor, size: int | None = None, *, pose: Pose = IDENTITY) -> Tensor: ...


def fade_length(overlap: float) -> int:
    """Samples by which neighbouring clips overlap."""
    if not 0 <= overlap <= 2.5:
        raise InputError(f"Clips overlap by 0 to 2.5 s, not {overlap}.")
    return round(overlap * RATE)


def clips(samples: int, overlap: float = OVERLAP) -> int:
    """How many clips, and vectors, a recording of so many samples has.

    >>> clips(5 * RATE), clips(60 * RATE)
    (1, 13)
    """
    fade = fade_length(overlap)
    return 1 + max(0, math.ceil((samples - SAMPLES) / (SAMPLES - fade)))


def encode(
    codec: ClipCodec, blocks: Iterable[Tensor], size: int | None = None, *, overlap: float = OVERLAP
) -> Iterator[Tensor]:
    """Vectors (b, size), some at a time, of a recording given as blocks (t,) of any lengths.

    Clip i starts at sample i * (110 250 - overlap); the last is followed by silence.
    """
    fade, rest, waiting = fade_length(overlap), torch.zeros(0), []
    sent = False
    for block in blocks:
        if block.ndim != 1:
            raise InputError(f"A recording has shape (samples,), not {tuple(block.shape)}; mix it to mono.")
        rest = torch.cat([rest, block.float()])
        while len(rest) >= SAMPLES:
            waiting.append(rest[:SAMPLES])
            rest = rest[SAMPLES - fade :]
            if len(waiting) == BATCH:
                yield codec.encode(torch.stack(waiting), size)
                waiting, sent = [], True
    if not (sent or waiting or len(rest)):
        raise InputError("The recording is empty; give one with sound in it.")
    if len(rest) > fade or not (sent or waiting):
        waiting.append(torch.nn.functional.pad(rest, (0, SAMPLES - len(rest))))
    if waiting:
        yield codec.encode(torch.stack(waiting), size)


def decode(
    codec: ClipCodec, vectors: Iterable[Tensor], *, overlap: float = OVERLAP, pose: Pose = IDENTITY
) -> Iterator[Tensor]:
    """The recording, in pieces (t,), of vectors (b, d) that `encode` made with the same overlap.

    Clips are joined by equal-power cross-fades, for the phases of two clips are not related. A `pose`
    stretches clips and cross-fades alike.
    """
    samples = pose.samples(SAMPLES)
    fade = pose.samples(fade_length(overlap))
    ramp = torch.linspace(0, torch.pi / 2, fade).sin()  # (fade,)
    tail: Tensor | None = None
    for batch in vectors:
        for wave in codec.decode(batch, pose=pose).cpu():
            head = wave[:fade]
            if tail is not None:
                head = head * ramp + tail * ramp.flip(0)
            yield head
            yield wave[fade : samples - fade]
            tail = wave[samples - fade :]
    if tail is None:
        raise InputError("There is no vector to decode; encode a recording first.")
    yield tail
