"""Archives from strangers: what they hold is looked at before anything is written.

Members that would land outside the folder, links, devices and bombs are refused; a member that
nobody asked for is not written at all.
"""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from surco.errors import InputError
from surco.files import disk_errors

MAX_BYTES = 64 << 30  # unpacked
MAX_RATIO = 100  # unpacked over packed; sound packs to a half at best, silence to a thousandth
FREE_BYTES = 256 << 20  # below this the ratio does not matter
MAX_MEMBERS = 200_000

_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile)


def is_archive(path: Path) -> bool:
    """Whether a file is called like a zip or tar archive."""
    return path.is_file() and path.name.lower().endswith(
        (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
    )


def extract(path: Path, folder: Path, *, keep: Callable[[str], bool] = lambda name: True) -> int:
    """Unpack the members that `keep` wants into `folder`; returns how many there were.

    Raises
    ------
    InputError : damaged, encrypted, too large, or a member is unsafe
    """
    limit = _Limit(path, max(FREE_BYTES, min(MAX_BYTES, MAX_RATIO * path.stat().st_size)))
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    written = 0
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, stream in members(path, limit):
                if not keep(name):
                    continue
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(stream, file, 1 << 20)
                written += 1
        except _DAMAGED as error:
            raise InputError(f"{path} is damaged or truncated ({error}); fetch it again.") from error
    return written


class _Limit:
    """Counts members and unpacked bytes, and says stop."""

    def __init__(self, path: Path, bytes: int):
        self.path, self.left, self.members = path, bytes, 0

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise InputError(f"{self.path} unpacks to far more than music would; unpack it yourself.")

    def member(self, name: str) -> None:
        self.members += 1
        if self.members > MAX_MEMBERS:
            raise InputError(f"{self.path} has over {MAX_MEMBERS:,} members; unpack it yourself.")
        plain = PurePosixPath(name.replace("\\", "/"))
        if plain.is_absolute() or ".." in plain.parts or ":" in plain.parts[:1] or "\0" in name:
            raise self.refuse(name, "which leads out of the folder")

    def refuse(self, name: str, what: str) -> InputError:
        return InputError(f"{self.path} has the member {name!r}, {what}; pack it again without.")


def _zip_members(path: Path, limit: _Limit) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():  # all are looked at before the first is unpacked
            limit.member(info.filename)
            limit.take(info.file_size)  # and zipfile reads no more of a member than it claims here
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise limit.refuse(info.filename, "a link or device")
            if info.flag_bits & 1:
                raise limit.refuse(info.filename, "which is encrypted")
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as stream:
                    yield info.filename, stream


def _tar_members(path: Path, limit: _Limit) -> Iterator[tuple[str, IO[bytes]]]:
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        opener = next((o for magic, o in _OPENERS.items() if head.startswith(magic)), None)
        stream = _Counted(opener(file) if opener else file, limit)
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for info in archive:
                limit.member(info.name)
                if not (info.isreg() or info.isdir()):
                    raise limit.refuse(info.name, "a link or device")
                if info.isreg() and (content := archive.extractfile(info)) is not None:
                    yield info.name, content


class _Counted(io.RawIOBase):
    """An unpacked stream that stops at its limit, before the bytes are asked for."""

    def __init__(self, stream: IO[bytes], limit: _Limit):
        self._stream, self._limit = stream, limit

    def read(self, size: int = -1) -> bytes:
        self._limit.take(max(size, 0))
        return self._stream.read(size)
