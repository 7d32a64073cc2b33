"""Which files of a folder are music that can be read, and why each of the others is left out."""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from surco.audio import ffmpeg
from surco.audio.io import SUFFIXES
from surco.datasets.manifest import Skipped
from surco.errors import plain

SPELLED_OUT = 20  # files of a kind that are named one by one; of more, the kind and their number
_DESKTOP = (".", "__MACOSX")  # what hidden files and folders begin with: the desktop's, not the user's
_OTHER_SOUND = {
    ".mid",
    ".midi",
    ".raw",
    ".pcm",
    ".wma",
    ".amr",
    ".dsf",
    ".dff",
    ".ra",
    ".mpc",
    ".aax",
    ".shn",
}


def is_sound(name: str) -> bool:
    """Whether a file's name is that of sound that can be read here."""
    path = Path(name)
    readable = SUFFIXES | ffmpeg.SUFFIXES if ffmpeg.available() else SUFFIXES
    return path.suffix.lower() in readable and not path.name.startswith(".")


def sound_files(root: Path) -> list[Path]:
    """Plain files with sound under a folder, but for what stands in hidden folders."""
    found = [path for path in _walk(root) if is_sound(path.name) and os.path.isfile(path)]
    return [path for path in found if _is_text(path.relative_to(root).as_posix())]


def _is_text(name: str) -> bool:
    """Whether a name can stand in a manifest, which is UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unused(root: Path, used: set[Path]) -> list[Skipped]:
    """The files under a folder that are not among those used, each with its reason."""
    resolved = {Path(os.path.realpath(path)) for path in used}
    left = [p for p in _walk(root) if p not in used and Path(os.path.realpath(p)) not in resolved]
    return explained([p.relative_to(root).as_posix() for p in left], root)


def explained(names: Iterable[str], root: Path | None = None) -> list[Skipped]:
    """Why files are left out: one by one, or by kind and number where there are many of a kind."""
    by_kind: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in sorted(names):
        path = Path(name)
        if path.name == "manifest.csv" or any(part.startswith(_DESKTOP) for part in path.parts):
            continue
        by_kind[_why(path, root), path.suffix.lower()].append(name)
    found = []
    for (reason, suffix), files in by_kind.items():
        if len(files) > SPELLED_OUT:
            kind = f"*{plain(suffix)}" if suffix else "without a suffix"
            found.append(Skipped(name=f"{len(files)} files {kind}", reason=reason))
        else:
            found += [Skipped(name=plain(file), reason=reason) for file in files]
    return found


def _why(path: Path, root: Path | None) -> str:
    if not _is_text(path.as_posix()):
        return "has a name that is no UTF-8; rename it."
    if root is not None and (reason := _no_plain_file(root / path)):
        return reason
    suffix = path.suffix.lower()
    if suffix in ffmpeg.SUFFIXES and not ffmpeg.available():
        return f"needs FFmpeg to be read: {ffmpeg.HOW}."
    if suffix in SUFFIXES | ffmpeg.SUFFIXES:
        return "is not listed in manifest.csv."
    if suffix in _OTHER_SOUND:
        return "is of a kind of sound that is not read; convert it to WAV or FLAC."
    return "is no sound file."


def _no_plain_file(path: Path) -> str:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "is a link to nowhere."
    except OSError as error:
        return f"cannot be read ({error.strerror})."
    return "" if stat.S_ISREG(mode) else "is no plain file."


def _walk(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(_DESKTOP)]
        found += [Path(folder, name) for name in names]
    return found
