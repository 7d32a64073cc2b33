"""Sounds small enough to travel inside a page: mono MP3 at the best rate that fits.

MP3 because every browser decodes it; 22 050 Hz is a rate of MPEG-2 Layer III, whose constant rates
make the size of the page known before a sample is coded.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Sound = Path | NDArray[Any]  # a file, or a wave (T,) in [-1, 1]
RATES = (64, 56, 48, 40, 32, 24, 16)  # kbit/s
_BASE64 = 4 / 3
_SLACK = 200  # bytes of markup around a sound, and the encoder's delay


def read(sound: Sound, sample_rate: int) -> NDArray[np.float32]:
    """The wave (T,) of a sound."""
    if isinstance(sound, Path):
        from surco.audio.io import read_audio

        return read_audio(sound, sample_rate=sample_rate, allow_silence=True)
    return np.asarray(sound, dtype=np.float32)


def encode_mp3(wave: NDArray[Any], sample_rate: int, kbps: int) -> bytes:
    """Constant-rate MP3 of a mono wave (T,); what exceeds full scale is clipped."""
    import lameenc

    encoder = lameenc.Encoder()
    encoder.set_channels(1)
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_bit_rate(kbps)
    encoder.set_quality(4)
    encoder.silence()
    pcm = (np.clip(wave, -1, 1) * 32767).round().astype("<i2")
    return bytes(encoder.encode(pcm.tobytes())) + bytes(encoder.flush())


def weight(seconds: float, kbps: int) -> float:
    """Bytes that a sound adds to the page."""
    return (seconds + 0.12) * kbps * 125 * _BASE64 + _SLACK


def best_rate(seconds: list[float], budget: float) -> int:
    """The highest of `RATES` at which sounds of these lengths stay within `budget` bytes of page."""
    for kbps in RATES:
        if sum(weight(s, kbps) for s in seconds) <= budget:
            return kbps
    raise InputError(
        f"{len(seconds)} sounds of {sum(seconds):,.0f} s in all do not fit a page of {budget / 1e6:.0f} MB; "
        "take a smaller listening set or fewer sizes."
    )


def element(number: int, wave: NDArray[Any], sample_rate: int, kbps: int) -> str:
    """The inert HTML element that carries a sound."""
    text = base64.b64encode(encode_mp3(wave, sample_rate, kbps)).decode()
    return f'<script type="text/plain" id="sound-{number}" data-samples="{len(wave)}">{text}</script>'
