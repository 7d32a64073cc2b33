"""Sound files, folders of them, and archives."""

import bz2
import csv
import gzip
import io
import lzma
import os
import random
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from surco.audio.io import LOUDEST, read_audio
from surco.datasets import DatasetConfig, cut_folder, prepare, source_fingerprint
from surco.datasets.archive import extract
from tests.fuzz.material import NAMES, mangled, sound

SUFFIXES = [".wav", ".mp3", ".raw", ".m4a", ".wma", ".txt", "", ".WAV", ".aac", ".flac"]
KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
CONFIG = DatasetConfig(clip_seconds=0.05, sample_rate=8_000, clips_per_track=2)


def file(rng: random.Random, box: Path) -> None:
    """A damaged or odd sound file under any suffix."""
    data, suffix = sound(rng)
    path = box / f"x{suffix if rng.random() < 0.7 else rng.choice(SUFFIXES)}"
    path.write_bytes(mangled(rng, data) if rng.random() < 0.8 else data)
    heard = read_audio(path, sample_rate=rng.choice([8_000, 22_050]))
    assert heard.ndim == 1 and bool(np.isfinite(heard).all()) and float(np.abs(heard).max()) <= LOUDEST


def path(rng: random.Random, box: Path) -> None:
    """What is no file: pipes, loops, broken links, folders, names that cannot be."""
    read_audio(odd_path(rng, box))


def odd_path(rng: random.Random, folder: Path, suffix: str = ".wav") -> Path:
    """Something in a folder that ought not to be opened, or not to exist."""
    made = folder / f"odd{rng.randrange(1_000)}{suffix}"
    turn = rng.randrange(6)
    if made.exists() or made.is_symlink():
        return made
    if turn == 0:
        os.mkfifo(made)
    elif turn == 1:
        made.symlink_to(made.name)
    elif turn == 2:
        made.symlink_to(rng.choice(["nowhere", "/dev/zero", "..", "/proc/self/mem"]))
    elif turn == 3:
        made.mkdir()
    elif turn == 4:
        made.touch()
    else:
        return folder / rng.choice(NAMES)
    return made


def _fill(rng: random.Random, folder: Path) -> None:
    for _ in range(rng.randrange(1, 4)):
        data, suffix = sound(rng)
        inner = folder / rng.choice(["rock", "jazz", "a b", "[x]", "\udcff", "é", "new\nline"])
        inner.mkdir(exist_ok=True)
        if rng.random() < 0.4:
            data = mangled(rng, data)
        (inner / f"{rng.choice(['a', 'b', 'x.y', chr(0xDCFE), 'q' * 200])}{suffix}").write_bytes(data)
    for _ in range(rng.randrange(3)):
        odd_path(rng, folder, rng.choice(SUFFIXES))


def folder(rng: random.Random, box: Path) -> None:
    """A folder of music with odd things in it, prepared, cut or named by content."""
    music = box / "music"
    music.mkdir()
    _fill(rng, music)
    if rng.random() < 0.4:
        _listing(rng, music)
    turn = rng.randrange(4)
    if turn == 0:
        source_fingerprint(music)
    elif turn == 1:
        cut_folder(music, box / "out", rng.choice([0.05, 0.2, -1.0]), sample_rate=8_000)
    else:
        prepare(music, box / "out", CONFIG)


def _listing(rng: random.Random, music: Path) -> None:
    rows = [["clip", "style", "split", "track"]]
    known = [str(p.relative_to(music)) for p in music.rglob("*") if p.is_file()]
    for _ in range(rng.randrange(4)):
        clip = rng.choice([*known, *NAMES]) if known else rng.choice(NAMES)
        style, track = rng.choice(["rock", *NAMES]), rng.choice(["t", *NAMES])
        rows.append([clip, style, rng.choice(["train", "test", "valid", "", "all"]), track])
    if rng.random() < 0.3:
        rows = [row[: rng.randrange(5)] + ["extra"] * rng.randrange(3) for row in rows]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    data = text.getvalue().encode("utf-8", "surrogatepass")
    (music / "manifest.csv").write_bytes(mangled(rng, data) if rng.random() < 0.2 else data)


def archive(rng: random.Random, box: Path) -> None:
    """A zip or tar that is damaged, or whose members lead elsewhere, lie on one another or are no files."""
    data, suffix = _zip(rng) if rng.random() < 0.4 else _tar(rng)
    path = box / f"music{suffix}"
    path.write_bytes(mangled(rng, data) if rng.random() < 0.4 else data)
    if rng.random() < 0.3:
        extract(path, box / "out")
    else:
        prepare(path, box / "out", CONFIG)


def _members(rng: random.Random) -> list[tuple[str, bytes]]:
    found = []
    for _ in range(rng.randrange(1, 5)):
        data, suffix = sound(rng)
        name = rng.choice([f"rock/a{suffix}", f"rock/b{suffix}", "rock", "rock/a", *NAMES])
        found.append((name if rng.random() < 0.8 else f"{name}{suffix}", data))
    return found


def _zip(rng: random.Random) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in _members(rng):
            clean = name.encode("utf-8", "replace").decode() or "x"
            info = zipfile.ZipInfo(clean if clean.strip("\0") else "x")
            info.compress_type = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
            if rng.random() < 0.1:
                info.external_attr = rng.choice([stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR]) << 16
            made.writestr(info, b"\0" * 30_000_000 if rng.random() < 0.01 else data)
    return buffer.getvalue(), ".zip"


def _tar(rng: random.Random) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    form = rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogatepass") as made:
        for name, data in _members(rng):
            info = tarfile.TarInfo(name.replace("\0", "").replace("\ud800", "\udc80") or ".")
            info.size = len(data)
            if rng.random() < 0.15:
                info.type = rng.choice(KINDS)
                info.size, target = 0, rng.choice(["/etc/passwd", "../..", name[:90]])
                info.linkname = target.replace("\0", "").replace("\ud800", "")
            made.addfile(info, io.BytesIO(data))
    pack: Any
    suffix, pack = rng.choice(
        [(".tar", bytes), (".tar.gz", gzip.compress), (".tar.bz2", bz2.compress), (".tar.xz", lzma.compress)]
    )
    packed = pack(buffer.getvalue())
    return packed, suffix if rng.random() < 0.9 else ".tar.xz"
