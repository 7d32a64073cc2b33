"""Long recordings into clips, in memory for `prepare` and as files for whoever wants them."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from surco.audio.io import read_audio, write_wav
from surco.datasets.unused import sound_files
from surco.errors import InputError
from surco.files import disk_errors

Progress = Callable[[int, int, str], None]


def cut(wave: np.ndarray, samples: int) -> list[np.ndarray]:
    """The whole clips (samples,) of a wave (T,), end to end; a shorter wave is padded to one."""
    if len(wave) < samples:
        return [np.pad(wave, (0, samples - len(wave)))]
    return list(wave[: len(wave) // samples * samples].reshape(-1, samples))


def spread(count: int, wanted: int | None) -> list[int]:
    """Indices of `wanted` out of `count` things, evenly spread; all of them for None."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return [int((i + 0.5) * count / wanted) for i in range(wanted)]


def cut_folder(
    source: str | Path,
    out: str | Path,
    seconds: float = 5.0,
    *,
    sample_rate: int = 22_050,
    clips_per_track: int | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Cut every sound file under a folder into mono WAV files of `seconds`, keeping the folders.

    `rock/song.mp3` becomes `rock/song-000.wav`, `rock/song-001.wav`, ... The rest that is shorter
    than a clip is dropped; a whole file that is shorter is padded. Files that do not decode or are
    silent are left out, unless all are. Returns the files written.
    """
    source, out = Path(source), Path(out)
    if seconds <= 0:
        raise InputError(f"A clip of {seconds} s cannot be cut; give a length above 0.")
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; name the folder that holds the songs.")
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder; name a new one.")
    songs = sorted(sound_files(source))
    if not songs:
        raise InputError(f"{source} holds no sound files; name another folder.")

    names: list[Path] = []
    first_error: InputError | None = None
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}.", suffix=".part", dir=out.parent) as part:
            whole = Path(part, "whole")
            for done, song in enumerate(songs):
                if progress:
                    progress(done, len(songs), song.name)
                try:
                    clips = cut(read_audio(song, sample_rate=sample_rate), round(seconds * sample_rate))
                except InputError as error:
                    first_error = first_error or error
                    continue
                stem = song.relative_to(source).with_suffix("")
                if any(p.with_suffix("") == song.with_suffix("") and p != song for p in songs):
                    stem = stem.with_name(song.name)  # song.mp3 and song.wav side by side
                for i in spread(len(clips), clips_per_track):
                    name = stem.with_name(f"{stem.name}-{i:03d}.wav")
                    write_wav(whole / name, clips[i], sample_rate)
                    names.append(out / name)
            if not names and first_error:
                raise InputError(f"No file of {source} can be cut; the first: {first_error}") from first_error
            whole.replace(out)
    if progress:
        progress(len(songs), len(songs), f"{len(names)} clips")
    return names
