"""Where music comes from: the shipped demo, GTZAN, or any folder (or archive) of sound files."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from surco.audio.io import SUFFIXES
from surco.datasets import gtzan
from surco.datasets.archive import extract, is_archive
from surco.datasets.listing import LISTING, ListedFile, read_listing
from surco.datasets.manifest import Skipped
from surco.datasets.unused import explained, is_sound, sound_files, unused
from surco.errors import InputError, plain, quoted
from surco.files import regular_file

DEMO = Path(__file__).parent / "demo"
OUTSIDE = Path(__file__).parent / "demo_outside"
SHIPPED = {"demo": DEMO, "demo-outside": OUTSIDE}
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
    unused: list[Skipped] = field(default_factory=list)  # every other file that lies there, and why


def locate(source: str | Path, scratch: Path) -> Source:
    """Find the files of `"demo"`, `"demo-outside"` (tracks of packages that neither the demo nor the weights
    have anything of), `"gtzan"` (from the hub), `"gtzan:PATH"`, or of a folder or archive.

    Archives are extracted under `scratch`. A `Path` is always a path, even one that is called demo.
    """
    if isinstance(source, str) and source in SHIPPED:
        return Source(source, listed(SHIPPED[source]))
    if source == "gtzan":
        return _gtzan(gtzan.download(), scratch)
    if isinstance(source, str) and source.startswith("gtzan:"):
        return _gtzan(Path(source.removeprefix("gtzan:")), scratch)
    path = existing(source)
    if path.is_dir():
        name, root, own_name, packed = plain(path.resolve().name), path, "", list[Skipped]()
    else:
        root, packed = _extracted(path, scratch)
        root = _unwrap(root)
        name, own_name = plain(path.name), plain(path.name.split(".")[0])
    files = _folder(root, own_name)
    return Source(name, files, unused=packed + unused(root, {file.path for file in files}))


def source_genres(source: str | Path) -> list[str] | None:
    """The styles of a source, read off its names; None where only unpacking or fetching it would tell."""
    if isinstance(source, str) and source in SHIPPED:
        return sorted({file.genre for file in listed(SHIPPED[source])})
    if isinstance(source, str) and source.split(":")[0] == "gtzan":
        return sorted({name.split(".")[0] for name in gtzan.splits()})
    path = existing(source)
    return sorted({file.genre for file in _folder(path)}) if path.is_dir() else None


def source_fingerprint(source: str | Path) -> str:
    """SHA-256 of what a source holds, so that the same path with other content is another dataset.

    Reads every sound file once, at about the speed of the disk. GTZAN from the hub is named by its
    pinned revision and not fetched.
    """
    if source == "gtzan":
        return hashlib.sha256(f"{gtzan.REPOSITORY}@{gtzan.REVISION}".encode()).hexdigest()
    if isinstance(source, str) and source.startswith("gtzan:"):
        source = Path(source.removeprefix("gtzan:"))
    path = SHIPPED[source] if isinstance(source, str) and source in SHIPPED else existing(source)
    digest = hashlib.sha256()
    listing = [path / LISTING] if (path / LISTING).is_file() else []
    for file in [regular_file(path)] if not path.is_dir() else sorted(sound_files(path)) + listing:
        name = "" if file == path else file.relative_to(path).as_posix()
        digest.update(f"{name}\0{file.stat().st_size}\0".encode("utf-8", "surrogateescape"))
        try:
            with file.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(f"{file} cannot be read ({error.strerror}); mend or remove it.") from error
    return digest.hexdigest()


def existing(path: str | Path) -> Path:
    """The path, if there is something."""
    try:
        path = Path(path).expanduser()
        there = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, no such user
        raise InputError(f"{quoted(str(path))} is no path ({error}); check it.") from None
    if not there:
        raise InputError(f"{path}: no such file or folder; check the path, or use the source 'demo'.")
    return path


def _gtzan(path: Path, scratch: Path) -> Source:
    path = existing(path)
    root = path if path.is_dir() else _extracted(path, scratch)[0]
    found, notes = gtzan.find(root)
    files = [SoundFile(p, p.name, p.stem, p.stem.split(".")[0], split) for p, split in found]
    return Source("gtzan", files, notes)


def _extracted(path: Path, scratch: Path) -> tuple[Path, list[Skipped]]:
    """Where an archive's sound files are unpacked to, and its other members."""
    if not is_archive(path):
        raise InputError(
            f"{path} is neither a folder nor a zip or tar archive; name the folder with the music."
        )
    left: list[str] = []

    def keep(name: str) -> bool:
        if is_sound(name) or Path(name).name == LISTING:
            return True
        left.append(name)
        return False

    extract(path, scratch, keep=keep)
    return scratch, explained(left)


def _unwrap(root: Path) -> Path:
    """Step into the one folder that an archive wraps around its class folders."""
    while True:
        inside = list(root.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or not any(p.is_dir() for p in inside[0].iterdir()):
            return root
        root = inside[0]


def _folder(root: Path, own_name: str = "") -> list[SoundFile]:
    if (root / LISTING).is_file():
        return listed(root)
    files = []
    for path in sorted(sound_files(root)):
        inner = path.relative_to(root)
        genre = plain(inner.parts[0] if len(inner.parts) > 1 else own_name or root.resolve().name)
        files.append(SoundFile(path, inner.as_posix(), inner.as_posix(), genre))
    if not files:
        raise InputError(f"{root} holds no sound files ({', '.join(sorted(SUFFIXES))}); name another folder.")
    return files


def listed(root: Path) -> list[SoundFile]:
    """The files that a folder's manifest.csv names, with their tracks and splits."""

    def found(row: ListedFile) -> SoundFile:
        return SoundFile(row.path, row.clip, row.track, row.style, row.split)

    return sorted((found(row) for row in read_listing(root)), key=lambda f: f.name)
