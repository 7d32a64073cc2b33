"""Sound files in and out: whatever libsndfile reads becomes one mono float wave at one rate.

Headers are not believed. A file is decoded block by block, so that memory follows what is there and
not what a header claims, and every way a file can be bad ends in one `InputError`.
"""

import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import soundfile
import soxr

from surco.audio import ffmpeg
from surco.audio.ffmpeg import SUFFIXES as FFMPEG_SUFFIXES
from surco.errors import InputError
from surco.files import regular_file, write_bytes

SUFFIXES = {".wav", ".wave", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au"}
MAX_SECONDS = 4 * 3600  # longer than any record; a header that claims more is damaged
RATES = (1_000, 768_000)  # Hz, what real converters do
FULL_SCALE = 32_768  # of int16, as libsndfile reads it
LOUDEST = 10.0  # times full scale (+20 dB): float files may go over, but whole numbers as floats are no wave
SILENCE_DB = -90.0  # RMS under which a wave counts as silent: the last bit of 16
TAGS = ("title", "artist", "album", "genre", "date", "tracknumber", "comment", "copyright", "license")
_BLOCK = 1 << 18  # frames decoded at a time

# libsndfile's own log is the only place where it admits that a file is shorter than its header says.
_SHORTFALL = re.compile(r"^\s*(?:data|data size|ssnd)\s*:\s*(\d+) \(should be (\d+)\)", re.I | re.M)
_CUT_OGG = ("Last page lacks an end-of-stream bit", "Junk after the last page")
_MISSING_SHARE = 0.01  # a header may round; more than this is a cut
_MP3_SHARE = 0.1  # without an index the length of an MP3 is an estimate


def read_audio(
    path: str | Path,
    *,
    sample_rate: int = 22_050,
    allow_silence: bool = False,
    max_seconds: float = MAX_SECONDS,
) -> np.ndarray:
    """Read a sound file as mono.

    Parameters
    ----------
    path : wav, flac, mp3, ogg, opus, aiff, au, or whatever else libsndfile reads
    sample_rate : rate to resample to, Hz
    allow_silence : take a silent file instead of refusing it
    max_seconds : longest recording that is taken; it is not decoded beyond

    Returns
    -------
    np.ndarray (T,), float32, at most a hair over [-1, 1] (lossy decoders overshoot)

    Raises
    ------
    InputError : no such file, not audio, truncated, empty, silent, too long, or with NaN samples
    """
    path = Path(path)
    if not os.path.lexists(path):
        raise InputError(f"{path}: no such file; check the path.")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder; name one sound file, or prepare the folder as a dataset.")
    regular_file(path)
    suffix = path.suffix.lower()
    if suffix == ".raw":
        raise InputError(f"{path} has no header that tells rate and channels; convert it to WAV first.")
    if suffix in FFMPEG_SUFFIXES:
        wave = ffmpeg.read(path, sample_rate, max_seconds)
    else:
        wave = _read(path, sample_rate, max_seconds)
    if not np.isfinite(wave).all():
        raise InputError(f"{path} holds NaN or infinite samples; export it again.")
    if (peak := float(np.abs(wave).max(initial=0.0))) > LOUDEST:
        raise InputError(
            f"{path} holds samples up to {peak:.3g} times full scale, so its scale is unknown; normalise it."
        )
    if not allow_silence and is_silent(wave):
        raise InputError(f"{path} is silent; choose a file with sound in it.")
    return wave


def _read(path: Path, sample_rate: int, max_seconds: float) -> np.ndarray:
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:  # names may hold what no text can
            _check_header(path, file, max_seconds)
            return _decode(path, file, sample_rate, max_seconds)
    except soundfile.LibsndfileError as error:
        raise InputError(_why_unreadable(path, error)) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the disk.") from error
    except (soundfile.SoundFileError, TypeError, ValueError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is not audio that can be decoded ({error}); convert it.") from error


def is_silent(wave: np.ndarray) -> bool:
    """Whether the RMS of a wave (T,) is below `SILENCE_DB` dB re full scale."""
    power = np.square(wave, dtype=np.float64)
    return wave.size == 0 or float(power.mean()) < 10 ** (SILENCE_DB / 10)


def _check_header(path: Path, file: soundfile.SoundFile, max_seconds: float) -> None:
    if file.channels < 1:
        raise InputError(f"{path} has no channels; export it again.")
    if not RATES[0] <= file.samplerate <= RATES[1]:
        raise InputError(f"{path} claims a sample rate of {file.samplerate} Hz; export it again.")
    seconds = file.frames / file.samplerate
    for claimed, present in _SHORTFALL.findall(file.extra_info):
        if int(present) < int(claimed) * (1 - _MISSING_SHARE):
            raise InputError(
                f"{path} is truncated: its header promises {int(claimed):,} bytes of sound and "
                f"{int(present):,} are there; fetch or export it again."
            )
    if all(words in file.extra_info for words in _CUT_OGG):
        raise InputError(f"{path} is truncated: its last page is cut; fetch or export it again.")
    if seconds > max_seconds:
        raise InputError(
            f"{path} claims to last {_told(seconds)}; export it again, or cut it to under "
            f"{_told(max_seconds)}."
        )


def _told(seconds: float) -> str:
    """Hours, or minutes where that is more telling."""
    return f"{seconds / 3600:,.0f} hours" if seconds >= 7200 else f"{seconds / 60:,.0f} minutes"


def _decode(path: Path, file: soundfile.SoundFile, sample_rate: int, max_seconds: float) -> np.ndarray:
    """Mono wave (T,) at `sample_rate`, built from blocks."""
    promised, found = file.frames, 0
    resampler = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32")
    same_rate = file.samplerate == sample_rate
    parts: list[np.ndarray] = []
    for block in _blocks(file):
        found += len(block)
        if found > max_seconds * file.samplerate:
            raise InputError(f"{path} lasts over {_told(max_seconds)}; cut it first.")
        mono = block.mean(axis=1, dtype=np.float32)  # (frames,)
        if not np.isfinite(mono).all():
            raise InputError(f"{path} holds NaN or infinite samples; export it again.")
        parts.append(mono if same_rate else resampler.resample_chunk(mono))
    if found == 0:
        raise InputError(f"{path} holds no sound at all; choose another file.")
    if found < promised * (1 - (_MP3_SHARE if file.format == "MP3" else _MISSING_SHARE)):
        raise InputError(
            f"{path} is truncated: its header promises {promised / file.samplerate:,.1f} s and "
            f"{found / file.samplerate:,.1f} s are there; fetch or export it again."
        )
    if not same_rate:
        parts.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    return np.concatenate(parts)


def _blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """Blocks (frames, channels) of a file until it gives no more."""
    while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block


def _why_unreadable(path: Path, error: soundfile.LibsndfileError) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty; fetch or export it again."
    reason = error.error_string.strip().rstrip(".")
    if "channel" in reason.lower():
        return f"{path} has no channels, or too many ({reason}); export it again."
    # libsndfile's own reason is left out: of a text named .mp3 it says that the file does not exist
    return f"{path} is not audio that can be decoded, or is truncated; fetch or convert it again."


# -- writing -----------------------------------------------------------------------------------


def to_int16(wave: np.ndarray) -> np.ndarray:
    """A float wave as int16, to the nearest step; what exceeds full scale is clipped.

    >>> to_int16(np.array([0.5, -1.5]))
    array([ 16384, -32768], dtype=int16)
    """
    return np.round(wave * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def write_wav(
    path: str | Path, wave: np.ndarray, sample_rate: int = 22_050, tags: Mapping[str, str] | None = None
) -> None:
    """Write a mono wave (T,) as 16-bit WAV; what exceeds full scale is clipped.

    `tags` holds INFO texts under any of the names in `TAGS`.
    """
    write_bytes(path, _encode(path, wave, sample_rate, "WAV", tags))


def write_flac(
    path: str | Path, wave: np.ndarray, sample_rate: int = 22_050, tags: Mapping[str, str] | None = None
) -> None:
    """Write a mono wave (T,) as 16-bit FLAC.

    `tags` holds Vorbis comments under any of the names in `TAGS`.
    """
    write_bytes(path, _encode(path, wave, sample_rate, "FLAC", tags))


def writer_of(path: str | Path) -> Callable[..., None]:
    """What writes a wave to a path, by its suffix; InputError for any but .wav and .flac."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".wav", ".flac"):
        raise InputError(f"{path}: sound is written as .wav or .flac, not {suffix or 'without a suffix'}.")
    return write_wav if suffix == ".wav" else write_flac


def _encode(
    path: str | Path, wave: np.ndarray, sample_rate: int, format: str, tags: Mapping[str, str] | None = None
) -> bytes:
    wave = np.asarray(wave, dtype=np.float32)
    if wave.ndim != 1:
        raise InputError(f"{path}: one mono wave was expected, got an array of shape {wave.shape}.")
    if not np.isfinite(wave).all():
        raise InputError(f"{path}: the wave holds NaN or infinite samples, so it is not written.")
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sample_rate, 1, "PCM_16", format=format) as file:
        for name, value in (tags or {}).items():
            if name not in TAGS:
                raise InputError(f"{name!r} is no tag of a sound file; use {', '.join(TAGS)}.")
            setattr(file, name, str(value))
        file.write(to_int16(wave))
    return buffer.getvalue()
