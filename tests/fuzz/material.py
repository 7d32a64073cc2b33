"""Pieces that hostile inputs are made of, all drawn from one generator."""

import io
import math
import random
from typing import Any

import numpy as np
import soundfile

NAMES = [
    "../../../../escaped/x",
    "/etc/surco-escaped",
    "..",
    ".",
    "",
    "a/../../b",
    "a\\..\\b",
    "C:\\x",
    "x" * 300,
    "é" * 200,
    "a\0b",
    "a\nb",
    "\ud800",
    "\udcff",
    "[bold]x[/]",
    "[/red]",
    "-rf",
    "con",
    "a" * 60 + "/" + "b" * 300,
    "/".join("d" * 9 for _ in range(90)),
    "🎵.wav",
    "\u202egpj.wav",
    " ",
    "*",
    "$(x)",
    "song.wav",
]
NUMBERS: list[Any] = [
    0,
    -1,
    1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    1e308,
    -1e308,
    1e-320,
    float("nan"),
    float("inf"),
    -float("inf"),
    0.5,
]
WORDS = ["", "x", "null", "true", "0", "[]", "{}", "x" * 100_000, "é" * 500, *NAMES]


def value(rng: random.Random, depth: int = 3) -> Any:
    """Any JSON value, or what Python's JSON takes for one."""
    kind = rng.randrange(8 if depth else 5)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind in (1, 2):
        return rng.choice(NUMBERS)
    if kind in (3, 4):
        return rng.choice(WORDS)
    if kind == 5:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    return {rng.choice(WORDS)[:50]: value(rng, depth - 1) for _ in range(rng.randrange(4))}


def spoilt(rng: random.Random, good: Any) -> Any:
    """A nested value with one thing in it changed, dropped, added or replaced."""
    if isinstance(good, dict) and good and rng.random() < 0.8:
        key = rng.choice(sorted(good))
        turn = rng.randrange(5)
        if turn == 0:
            return {k: v for k, v in good.items() if k != key}
        if turn == 1:
            return {**good, rng.choice(WORDS)[:50]: value(rng)}
        return {**good, key: spoilt(rng, good[key]) if turn == 2 else value(rng)}
    if isinstance(good, list) and good and rng.random() < 0.8:
        place = rng.randrange(len(good))
        return [*good[:place], spoilt(rng, good[place]), *good[place + 1 :]]
    return value(rng)


def mangled(rng: random.Random, data: bytes) -> bytes:
    """Bytes cut, flipped, doubled, with holes, or of something else."""
    turn = rng.randrange(7)
    if turn == 0:
        return data[: rng.randrange(len(data) + 1)]
    if turn == 1:
        place = rng.randrange(len(data) + 1)
        return data[:place] + rng.randbytes(rng.randrange(1, 64)) + data[place:]
    if turn == 2:
        place, size = rng.randrange(len(data) + 1), rng.randrange(1, 256)
        return data[:place] + b"\0" * size + data[place + size :]
    if turn == 3:
        return rng.randbytes(rng.randrange(2_000))
    if turn == 4:
        return data + rng.randbytes(rng.randrange(1, 500))
    changed = bytearray(data)
    near = 64 if turn == 5 else len(changed)  # headers are where the claims stand
    for _ in range(rng.randrange(1, 9)):
        if changed:
            changed[rng.randrange(min(near, len(changed)))] = rng.choice(
                [0, 1, 127, 128, 255, rng.randrange(256)]
            )
    return bytes(changed)


def wave(rng: random.Random, samples: int = 3_000) -> np.ndarray:
    """A tone (T,) over noise, float32."""
    noise = np.random.default_rng(rng.randrange(2**32)).standard_normal(samples)
    return (0.3 * np.sin(np.arange(samples) * rng.uniform(0.01, 1)) + 0.05 * noise).astype(np.float32)


FORMATS = [
    ("WAV", "PCM_16", ".wav"),
    ("WAV", "FLOAT", ".wav"),
    ("WAV", "DOUBLE", ".wav"),
    ("WAV", "PCM_U8", ".wav"),
    ("WAV", "IMA_ADPCM", ".wav"),
    ("FLAC", "PCM_16", ".flac"),
    ("OGG", "VORBIS", ".ogg"),
    ("AIFF", "PCM_24", ".aiff"),
    ("AU", "PCM_16", ".au"),
    ("MP3", "MPEG_LAYER_III", ".mp3"),
    ("OGG", "OPUS", ".opus"),
    ("W64", "PCM_16", ".wav"),
]


def sound(rng: random.Random) -> tuple[bytes, str]:
    """A sound file, sound or not so, and the suffix of its kind."""
    form, subtype, suffix = rng.choice(FORMATS)
    rate = rng.choice([8_000, 48_000]) if subtype == "OPUS" else rng.choice([8_000, 22_050, 44_100])
    channels = rng.choice([1, 1, 2])
    made = np.stack([wave(rng)] * channels, 1)
    if subtype in ("FLOAT", "DOUBLE") and rng.random() < 0.6:
        made = made * rng.choice([1.5, 1e3, 1e30, -32768.0])
        made[rng.randrange(len(made))] = rng.choice([math.nan, math.inf, 0.0])
    buffer = io.BytesIO()
    soundfile.write(buffer, made, rate, subtype=subtype, format=form)
    return buffer.getvalue(), suffix
