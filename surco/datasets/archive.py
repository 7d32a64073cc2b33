"""Archives from strangers: what they hold is looked at before anything is written.

Members that would land outside the folder, links, devices and bombs are refused; a member that
nobody asked for is not written at all.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO

from surco.errors import InputError, middle_out, quoted
from surco.files import disk_errors, regular_file

MAX_BYTES = 64 << 30  # unpacked
MAX_RATIO = 100  # unpacked over packed; sound packs to a half at best, silence to a thousandth
FREE_BYTES = 256 << 20  # below this the ratio does not matter
MAX_MEMBERS = 200_000

_OPENERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGED = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile,
    OSError,  # "Invalid data stream", as bz2 says it
    ValueError, ArithmeticError, LookupError, TypeError, NotImplementedError, RuntimeError, MemoryError,
)  # fmt: skip
_DRIVE = re.compile(r"^[A-Za-z]:")
_DEEPEST, _PATH_BYTES = 64, 2_000  # folders and bytes of a member's path
_NAME_BYTES = 240  # of one part of a member's path; file systems take 255


def is_archive(path: Path) -> bool:
    """Whether a file is called like a zip or tar archive."""
    return os.path.isfile(path) and path.name.lower().endswith(
        (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
    )


def extract(path: Path, folder: Path, *, keep: Callable[[str], bool] = lambda name: True) -> int:
    """Unpack the members that `keep` wants into `folder`; returns how many there were.

    Raises
    ------
    InputError : damaged, encrypted, too large, or a member is unsafe
    """
    regular_file(path)
    limit = _Limit(path, max(FREE_BYTES, min(MAX_BYTES, MAX_RATIO * path.stat().st_size)))
    members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    written = 0
    with disk_errors(folder):
        ours = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for name, stream in _from(members(path, limit), path):
                if keep(name):
                    _write(stream, folder / name, path)
                    written += 1
        except BaseException:
            if ours:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    return written


def _from(members: Iterator[tuple[str, IO[bytes]]], path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The members, whatever a damaged archive makes its reader say told as one sentence."""
    try:
        yield from members
    except InputError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _write(stream: IO[bytes], target: Path, path: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise InputError(f"{path} has two members in one place, {target.name!r}; pack it again.") from None
    with file:
        while block := _block(stream, path):
            file.write(block)  # a full disk is no fault of the archive


def _block(stream: IO[bytes], path: Path) -> bytes:
    try:
        return stream.read(1 << 20)
    except InputError:
        raise
    except _DAMAGED as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged or truncated ({middle_out(str(error), 80)}); fetch it again.")


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
        if not plain.parts:
            return  # the folder itself
        if plain.is_absolute() or ".." in plain.parts or _DRIVE.match(plain.parts[0]):
            raise self.refuse(name, "which leads out of the folder")
        encoded = [part.encode("utf-8", "surrogateescape") for part in plain.parts if "\0" not in part]
        if len(encoded) < len(plain.parts) or len(encoded) > _DEEPEST:
            raise self.refuse(name, "which is no path")
        if max(map(len, encoded)) > _NAME_BYTES or sum(map(len, encoded)) > _PATH_BYTES:
            raise self.refuse(name, "whose name is too long")

    def refuse(self, name: str, what: str) -> InputError:
        return InputError(f"{self.path} has the member {quoted(name)}, {what}; pack it again without.")


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
                if info.sparse is not None or info.size < 0:
                    raise limit.refuse(info.name, "which claims more than it holds")
                if info.isreg() and (content := archive.extractfile(info)) is not None:
                    yield info.name, content


class _Counted(io.RawIOBase):
    """An unpacked stream that stops at its limit, before the bytes are asked for."""

    def __init__(self, stream: IO[bytes], limit: _Limit):
        self._stream, self._limit = stream, limit

    def read(self, size: int = -1) -> bytes:
        self._limit.take(max(size, 0))
        return self._stream.read(size)
