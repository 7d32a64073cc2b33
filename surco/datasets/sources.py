"""Where music comes from: the shipped demo, GTZAN, or any folder (or archive) of sound files."""

import csv
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from surco.audio.io import SUFFIXES
from surco.datasets import gtzan
from surco.datasets.archive import extract, is_archive
from surco.datasets.manifest import Split
from surco.errors import InputError

DEMO = Path(__file__).parent / "demo"
_COLUMNS = ("clip", "style", "split", "track")
_CHUNK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True)
class SoundFile:
    """One file of a source; `split` is None where the source leaves that to us."""

    path: Path
    name: str  # relative to the source, with slashes
    track: str
    genre: str
    split: str | None = None


@dataclass
class Source:
    """The files of a source, sorted by name."""

    name: str
    files: list[SoundFile]
    notes: list[str] = field(default_factory=list)


def locate(source: str | Path, scratch: Path) -> Source:
    """Find the files of `"demo"`, `"gtzan"` (from the hub), `"gtzan:PATH"`, or of a folder or archive.

    Archives are extracted under `scratch`. A `Path` is always a path, even one that is called demo.
    """
    if source == "demo":
        return Source("demo", _listed(DEMO))
    if source == "gtzan":
        return _gtzan(gtzan.download(), scratch)
    if isinstance(source, str) and source.startswith("gtzan:"):
        return _gtzan(Path(source.removeprefix("gtzan:")), scratch)
    path = existing(source)
    if path.is_dir():
        return Source(path.resolve().name, _folder(path))
    root = _unwrap(_extracted(path, scratch))
    return Source(path.name, _folder(root, own_name=path.name.split(".")[0]))


def source_fingerprint(source: str | Path) -> str:
    """SHA-256 of what a source holds, so that the same path with other content is another dataset.

    Reads every sound file once, at about the speed of the disk. GTZAN from the hub is named by its
    pinned revision and not fetched.
    """
    if source == "gtzan":
        return hashlib.sha256(f"{gtzan.REPOSITORY}@{gtzan.REVISION}".encode()).hexdigest()
    if isinstance(source, str) and source.startswith("gtzan:"):
        source = Path(source.removeprefix("gtzan:"))
    path = DEMO if source == "demo" else existing(source)
    digest = hashlib.sha256()
    listing = [path / "manifest.csv"] if (path / "manifest.csv").is_file() else []
    for file in [path] if path.is_file() else sorted(_files(path)) + listing:
        name = "" if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


def existing(path: str | Path) -> Path:
    """The path, if there is something."""
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path, or use the source 'demo'.")
    return path


def _gtzan(path: Path, scratch: Path) -> Source:
    path = existing(path)
    root = path if path.is_dir() else _extracted(path, scratch)
    found, notes = gtzan.find(root)
    files = [SoundFile(p, p.name, p.stem, p.stem.split(".")[0], split) for p, split in found]
    return Source("gtzan", files, notes)


def _extracted(path: Path, scratch: Path) -> Path:
    if not is_archive(path):
        raise InputError(
            f"{path} is neither a folder nor a zip or tar archive; name the folder with the music."
        )
    extract(path, scratch, keep=lambda name: _is_sound(name) or Path(name).name == "manifest.csv")
    return scratch


def _is_sound(name: str) -> bool:
    # Hidden files are the desktop's, not the user's.
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _unwrap(root: Path) -> Path:
    """Step into the one folder that an archive wraps around its class folders."""
    while True:
        inside = list(root.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or not any(p.is_dir() for p in inside[0].iterdir()):
            return root
        root = inside[0]


def _folder(root: Path, own_name: str = "") -> list[SoundFile]:
    if (root / "manifest.csv").is_file():
        return _listed(root)
    files = []
    for path in sorted(_files(root)):
        inner = path.relative_to(root)
        genre = inner.parts[0] if len(inner.parts) > 1 else own_name or root.resolve().name
        files.append(SoundFile(path, inner.as_posix(), inner.as_posix(), genre))
    if not files:
        raise InputError(f"{root} holds no sound files ({', '.join(sorted(SUFFIXES))}); name another folder.")
    return files


def _files(root: Path) -> list[Path]:
    """Sound files under a folder, but for what stands in hidden folders."""
    found: list[Path] = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith((".", "__MACOSX"))]
        found += [Path(folder, name) for name in names if _is_sound(name)]
    return found


def _listed(root: Path) -> list[SoundFile]:
    """The files that a folder's manifest.csv names, with their tracks and splits."""
    listing = root / "manifest.csv"
    try:
        with listing.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{listing} is no CSV text in UTF-8; correct or remove it.") from error
    missing = [c for c in _COLUMNS if not rows or not rows[0].get(c)]
    if missing:
        raise InputError(f"{listing} has no rows with {', '.join(missing)}; correct or remove it.")
    files, seen = [], dict[str, str]()
    for row in rows:
        path = (root / row["clip"]).resolve()
        if not path.is_relative_to(root.resolve()):
            raise InputError(f"{listing} names {row['clip']}, which is outside the folder; correct it.")
        if row["split"] not in get_args(Split):
            raise InputError(f"{listing} has the split {row['split']!r}; use train, valid or test.")
        if seen.setdefault(row["track"], row["split"]) != row["split"]:
            raise InputError(f"{listing} has the track {row['track']} in two splits; give it one.")
        files.append(SoundFile(path, row["clip"], row["track"], row["style"], row["split"]))
    return sorted(files, key=lambda f: f.name)
