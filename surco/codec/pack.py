"""Vectors as few bits: `pack` rounds the numbers and codes them by how often each value occurs.

The coefficients are orthonormal, so that one step of rounding for all of them loses least (reverse
water-filling; Cover & Thomas, ch. 10); a wide dead zone at zero saves more bits than it costs. A number in
units of its own spread is distributed much like every other, so that one table tells the frequency of
every value at every step. All of that is whole numbers: every machine makes the same bytes and the same
vectors of them. The coder is asymmetric numeral systems (Duda, 2009; the package constriction).

A file is a header, then the 32-bit words of the coder, little-endian; number by number, each for all
clips, so that a prefix of the vectors comes first.
"""

import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import constriction
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from surco.codec.streaming import MAX_SAMPLES, clips
from surco.codec.vector_layout import places
from surco.errors import InputError

TABLES = Path(__file__).resolve().parent.parent / "weights" / "pack.safetensors"
PACKED = b"SRC1"  # how a file begins
HEADER = struct.Struct("<4s8sHBIII")  # magic, codec, size, step, clips, samples, CRC-32 of all but itself
STEP = 16  # of the coefficients, by default; chosen on valid clips
STEPS = range(1, 256)
UNIT = 256  # spreads and steps are whole numbers of 1/256
GAIN_STEP = 0.5  # dB
ZERO = 5  # eighths of a step from zero to the next value; rounding to the nearest would be 4
KNOTS = 32  # of the table in a standard deviation
REACH = 16  # standard deviations to either side; what lies beyond is cut
TOTAL = 1 << 20  # sum of the frequencies of a number's values


class Held(NamedTuple):
    """What packed bytes hold."""

    vectors: NDArray[np.float32]  # (n, d)
    samples: int | None  # length of the recording, where it is known
    codec: str  # fingerprint


class Tables(NamedTuple):
    """What the coder knows of vectors, from training data, as whole numbers."""

    gain: int  # mean gain, in 1/256 dB
    spread: NDArray[np.int64]  # (2048,) standard deviations in 1/256
    below: NDArray[np.int64]  # (REACH * KNOTS + 1,) of TOTAL, what lies within so much of the mean


@cache
def tables() -> Tables:
    """The shipped tables."""
    held = load(TABLES.read_bytes())
    return Tables(int(held["gain"][0]), held["spread"].astype(np.int64), held["below"].astype(np.int64))


def pack(vectors: NDArray[Any], codec: str, samples: int | None = None, *, step: int = STEP) -> bytes:
    """Bytes that `unpack` reads, of vectors (n, d).

    codec : the codec's fingerprint, 16 hex digits. samples : the recording's length, where it is known.
    step : of rounding a coefficient, 1 to 255; harmony takes half of it, the gain half a decibel.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or 0 in rows.shape or rows.shape[1] > len(tables().spread):
        raise InputError(f"Vectors to pack are (clips, 1 to {len(tables().spread)}), not {rows.shape}.")
    if not np.isfinite(rows).all():
        raise InputError("The vectors hold NaN or infinite numbers; encode the recording again.")
    if step not in STEPS:
        raise InputError(f"A step lies between 1 and {STEPS[-1]}, not {step}.")
    if len(rows) > clips(MAX_SAMPLES) or not 0 <= (samples or 0) <= MAX_SAMPLES:
        raise InputError("A packed recording lasts a day at most; cut it.")
    steps = _steps(rows.shape[1], step)  # (d,)
    mean = np.zeros(rows.shape[1])
    mean[0] = tables().gain / UNIT
    units = (rows - mean) / (steps / UNIT)  # (n, d)
    most = _most(steps)  # (d,)
    values = np.sign(units) * np.floor(np.abs(units) + (8 - ZERO) / 8)
    shifted = (np.clip(values, -most, most) + most).astype(np.int32)  # (n, d)
    coder = constriction.stream.stack.AnsCoder()
    for j in reversed(range(rows.shape[1])):  # a stack: the last in is the first out
        coder.encode_reverse(np.ascontiguousarray(shifted[:, j]), _model(j, steps[j], most[j]))
    words = coder.get_compressed().astype("<u4").tobytes()
    head = (PACKED, bytes.fromhex(codec), rows.shape[1], step, len(rows), samples or 0)
    check = zlib.crc32(words, zlib.crc32(HEADER.pack(*head, 0)))
    return HEADER.pack(*head, check) + words


def unpack(data: bytes, name: str = "The packed vectors") -> Held:
    """The vectors of bytes that `pack` made; `name` is what an InputError calls them.

    Raises InputError on any other bytes.
    """
    damaged = f"{name} are cut or damaged; have `surco encode` write them again."
    if data[:4] != PACKED or len(data) < HEADER.size:
        raise InputError(f"{name} are none of this version; have `surco encode` write them.")
    magic, codec, size, step, count, samples, check = HEADER.unpack_from(data)
    words = data[HEADER.size :]
    if zlib.crc32(words, zlib.crc32(HEADER.pack(magic, codec, size, step, count, samples, 0))) != check:
        raise InputError(damaged)
    # the gain alone takes a bit a clip: what claims more clips than that was not written by `pack`
    if (
        not 1 <= size <= len(tables().spread)
        or step not in STEPS
        or not 1 <= count <= min(clips(MAX_SAMPLES), 8 * len(words))
        or samples > MAX_SAMPLES
        or len(words) % 4
        or not any(words[-4:])
    ):
        raise InputError(damaged)
    steps = _steps(size, step)  # (d,)
    most = _most(steps)  # (d,)
    coder = constriction.stream.stack.AnsCoder(np.frombuffer(words, "<u4").astype(np.uint32))
    rows = np.empty((count, size), np.float32)
    for j in range(size):
        values = coder.decode(_model(j, steps[j], most[j]), count).astype(np.int64) - most[j]
        rows[:, j] = values * steps[j] / UNIT
    if not coder.is_empty():
        raise InputError(damaged)
    rows[:, 0] += tables().gain / UNIT
    return Held(rows, samples or None, codec.hex())


def _steps(size: int, step: int) -> NDArray[np.int64]:
    """The step (d,) of each number, in 1/256."""
    steps = np.full(size, step * UNIT, np.int64)
    steps[places(size)[1].numpy()] = step * UNIT // 2
    steps[0] = round(GAIN_STEP * UNIT)
    return steps


def _most(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest value (d,) of each number."""
    return 1 + REACH * tables().spread[: len(steps)] // steps


def _model(number: int, step: np.int64, most: np.int64) -> Any:
    """How often each value from -most to most of a number occurs."""
    spread, below = tables().spread[number], tables().below
    edges = (8 * np.arange(most + 1) + ZERO) * step  # (most + 1,) upper ends, in eighths of 1/256
    at = np.minimum(edges * KNOTS * 256 // (8 * spread), REACH * KNOTS * 256 - 1)  # in 1/256 of a knot
    knot, part = at // 256, at % 256
    within = below[knot] + (below[knot + 1] - below[knot]) * part // 256  # (most + 1,) of TOTAL
    within[-1] = TOTAL
    half = np.maximum(np.diff(within) // 2, 1)  # (most,) each of the values above zero
    frequencies = np.concatenate([half[::-1], [max(within[0], 1)], half])
    # Whole numbers below 2**24, which single precision holds exactly.
    return constriction.stream.model.Categorical(frequencies.astype(np.float32), perfect=False)
