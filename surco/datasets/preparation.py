"""From a source of music to a dataset folder: shards of clips and the manifest that names them."""

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from surco.audio.io import FULL_SCALE, is_silent, read_audio, to_int16
from surco.datasets.config import DatasetConfig
from surco.datasets.cutting import Progress, cut, spread
from surco.datasets.manifest import Clip, Manifest, Skipped, Split, fingerprint
from surco.datasets.shards import ShardWriter
from surco.datasets.sources import SoundFile, Source, locate
from surco.datasets.splits import split_tracks
from surco.errors import InputError, plain
from surco.files import disk_errors


@dataclass
class _Piece:
    file: SoundFile
    place: int  # of the clip in its file
    of: int  # clips in that file
    wave: np.ndarray  # (T,) int16


def prepare(
    source: str | Path,
    out: str | Path,
    config: DatasetConfig | None = None,
    *,
    shard_clips: int = 256,
    progress: Progress | None = None,
) -> Manifest:
    """Turn a source into a dataset folder.

    Parameters
    ----------
    source : "demo", "gtzan" (from the hub), "gtzan:PATH", or the path of a folder or archive
    out : the dataset folder; new or empty. It is there, whole, only once everything is written
    config : see `DatasetConfig`
    shard_clips : clips to a shard; has no part in the fingerprint
    progress : called with files done, files in all, and a note

    Raises
    ------
    InputError : nothing to read, an unknown genre, an unsafe archive, a full disk

    A file that cannot be decoded or is silent is skipped and named in `manifest.skipped`; what was
    done to the others (padding, silent clips left out) is in `manifest.notes`.
    """
    out, config = Path(out), config or DatasetConfig()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder; name a new one, or remove it first.")
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name}.", suffix=".part", dir=out.parent) as part:
            if progress:
                progress(0, 1, "opening the source")
            music = locate(source, Path(part, "source"))
            manifest = _write(music, Path(part, "dataset"), config, shard_clips, progress)
            Path(part, "dataset").replace(out)
    return manifest


def _write(
    music: Source, folder: Path, config: DatasetConfig, shard_clips: int, progress: Progress | None
) -> Manifest:
    tracks = _by_track(music, config)
    splits = _splits(tracks, config)
    writer = ShardWriter(folder, clips=shard_clips)
    clips: list[Clip] = []
    skipped: list[Skipped] = list(music.unused)
    padded, silent, done = list[str](), 0, 0
    total = sum(map(len, tracks.values()))
    ids = _file_ids([file for files in tracks.values() for file in files])
    for track, files in tracks.items():
        pieces: list[_Piece] = []
        for file in files:
            if progress:
                progress(done, total, file.name)
            done += 1
            try:
                wave = read_audio(file.path, sample_rate=config.sample_rate)
            except InputError as error:
                reason = str(error).replace(str(file.path), file.path.name)
                skipped.append(Skipped(name=plain(file.name), reason=reason))
                continue
            if len(wave) < config.clip_samples:
                padded.append(file.name)
            wave /= max(float(np.abs(wave).max()), 1.0)  # lossy decoders overshoot full scale
            waves = cut(to_int16(wave), config.clip_samples)
            pieces += [_Piece(file, i, len(waves), w) for i, w in enumerate(waves)]
        sounding = [p for p in pieces if not is_silent(p.wave / FULL_SCALE)]
        silent += len(pieces) - len(sounding)
        for i in spread(len(sounding), config.clips_per_track):
            piece = sounding[i]
            writer.add(piece.wave)
            clips.append(_clip(piece, ids[piece.file.name], track, splits[track], config))
    if not clips:
        bad = skipped[len(music.unused) :]
        reason = bad[0].reason if bad else "every clip is silent."
        raise InputError(f"No file of {music.name} can be used; the first: {reason}")
    if progress:
        progress(total, total, f"{len(clips)} clips")

    manifest = Manifest(
        fingerprint=fingerprint(config, clips),
        source=music.name,
        config=config,
        genres=sorted({clip.genre for clip in clips}),
        clips=clips,
        skipped=skipped,
        notes=music.notes + _notes(padded, silent),
        shards=writer.close(),
    )
    manifest.save(folder)
    return manifest


def _clip(piece: _Piece, id: str, track: str, split: str, config: DatasetConfig) -> Clip:
    return Clip(
        id=id if piece.of == 1 else f"{id}-{piece.place:03d}",
        track=track,
        genre=piece.file.genre,
        split=cast(Split, split),
        start_s=piece.place * config.clip_samples / config.sample_rate,
        sha256=hashlib.sha256(piece.wave.astype("<i2").tobytes()).hexdigest(),
    )


def _by_track(music: Source, config: DatasetConfig) -> dict[str, list[SoundFile]]:
    """Files of each track, sorted, of the genres asked for."""
    known = sorted({file.genre for file in music.files})
    for genre in config.genres or []:
        if genre not in known:
            raise InputError(f"{music.name} has no genre {genre!r}; choose from {', '.join(known)}.")
    tracks: dict[str, list[SoundFile]] = defaultdict(list)
    for file in sorted(music.files, key=lambda f: (f.track, f.name)):
        if config.genres is None or file.genre in config.genres:
            tracks[file.track].append(file)
    return dict(tracks)


def _splits(tracks: dict[str, list[SoundFile]], config: DatasetConfig) -> dict[str, str]:
    given = {track: files[0].split for track, files in tracks.items()}
    free = {track: tracks[track][0].genre for track, split in given.items() if split is None}
    dealt = split_tracks(free, valid=config.valid_fraction, test=config.test_fraction, seed=config.seed)
    return {track: split or dealt[track] for track, split in given.items()}


def _file_ids(files: list[SoundFile]) -> dict[str, str]:
    """A name for each file that is safe as a file name and unlike the others'."""
    ids: dict[str, str] = {}
    for file in files:
        path = Path(file.name)
        plain = path.stem if path.stem.startswith(f"{file.genre}.") else ".".join(path.with_suffix("").parts)
        ids[file.name] = re.sub(r"[^A-Za-z0-9._-]+", "_", plain).strip(".")[:80] or "clip"
    taken = list(ids.values())
    for name, id in ids.items():
        if taken.count(id) > 1:
            ids[name] = f"{id}.{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return ids


def _notes(padded: list[str], silent: int) -> list[str]:
    notes = []
    if padded:
        some = ", ".join(padded[:5]) + (" and others" if len(padded) > 5 else "")
        notes.append(f"{len(padded)} files are shorter than a clip and were padded with silence: {some}.")
    if silent:
        notes.append(f"{silent} silent clips were left out.")
    return notes
