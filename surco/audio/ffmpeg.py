"""Sound that libsndfile does not read (AAC, WMA, Apple Lossless), through FFmpeg where it is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from surco.errors import InputError, middle_out

SUFFIXES = {
    ".m4a",
    ".m4b",
    ".aac",
    ".mp4",
    ".wma",
    ".wmv",
    ".mka",
    ".mkv",
    ".webm",
    ".mov",
    ".ac3",
    ".ape",
    ".wv",
}
HOW = "pip install 'surco[ffmpeg]'"


def available() -> bool:
    """Whether PyAV, which brings FFmpeg, is installed; nothing is imported to tell."""
    return find_spec("av") is not None


def read(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    """The first sound track of a file as mono (T,), float32, at `sample_rate` Hz.

    Raises InputError where PyAV is not installed, the file does not decode, or it is too long.
    """
    if not available():
        raise InputError(f"{path} is read by FFmpeg, which is not installed; install it: {HOW}.")
    import av

    try:
        with av.open(str(path), "r") as container:
            return _decode(path, container, sample_rate, max_seconds)
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError, TypeError, IndexError, MemoryError) as error:
        raise InputError(
            f"{path} does not decode ({middle_out(str(error), 80)}); fetch or convert it again."
        ) from error


def _decode(path: Path, container: Any, sample_rate: int, max_seconds: float) -> np.ndarray:
    import av

    if not container.streams.audio:
        raise InputError(f"{path} has no sound track; choose another file.")
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    parts: list[np.ndarray] = []
    found = 0
    for frame in container.decode(container.streams.audio[0]):
        for block in resampler.resample(frame):
            parts.append(block.to_ndarray()[0].astype(np.float32))  # (T,)
            found += len(parts[-1])
        if found > max_seconds * sample_rate:
            raise InputError(f"{path} lasts over {max_seconds / 60:,.0f} minutes; cut it first.")
    parts += [block.to_ndarray()[0].astype(np.float32) for block in resampler.resample(None)]
    if not found:
        raise InputError(f"{path} holds no sound at all; choose another file.")
    return np.concatenate(parts)
