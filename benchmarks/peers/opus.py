"""Opus at its lowest rates, by the encoder in libsndfile, with its bits counted from the Ogg pages."""

import io

import numpy as np
import soundfile
import soxr

RATE = 24_000  # Hz, one of those Opus knows
DELAY = 0  # libsndfile skips Opus's pre-roll by itself


def encode(wave: np.ndarray, sample_rate: int, level: float) -> bytes:
    """An Ogg Opus file of a wave (T,); `level` 1 is libsndfile's lowest rate, 0 its highest."""
    file = io.BytesIO()
    upper = soxr.resample(wave, sample_rate, RATE)
    soundfile.write(file, np.clip(upper, -1, 1), RATE, format="OGG", subtype="OPUS", compression_level=level)
    return file.getvalue()


def decode(data: bytes, sample_rate: int, length: int) -> np.ndarray:
    """The wave (length,) of an Ogg Opus file."""
    wave, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    found = soxr.resample(wave, rate, sample_rate).astype(np.float32)[:length]
    return np.pad(found, (0, length - len(found)))


def payload_bits(data: bytes) -> int:
    """Bits of the Opus packets alone: no page headers, identification or comments."""
    at, page, total = 0, 0, 0
    while at < len(data):
        if data[at : at + 4] != b"OggS":
            raise ValueError("Not an Ogg stream.")
        segments = data[at + 26]
        size = sum(data[at + 27 : at + 27 + segments])
        total += size if page >= 2 else 0
        at += 27 + segments + size
        page += 1
    return 8 * total
