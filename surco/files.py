"""Files that are whole or not there, names that stay in their folder, and bad paths told in a sentence.

Whatever comes from data or from a store and is to become part of a path goes through `safe_name`,
`safe_join` or `as_file_name`; whatever is opened for reading goes through `regular_file` first.
"""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surco.errors import DiskFull, InputError, quoted

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BAD_PATH = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL}
_NAME_BYTES = 200  # file systems take 255, and a part that is being written gets a longer name
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}  # fmt: skip


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a folder that may not be written into an `InputError` about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"The disk is full, writing {path}; free space or write elsewhere.") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise InputError(f"{path} may not be written; choose another folder.") from error
        if error.errno in _BAD_PATH:
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another path.") from error
        raise
    except UnicodeEncodeError as error:
        raise InputError(f"{path} is no name that a file can have; choose another.") from error


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk is what stands behind an error, whichever library said so."""
    while error is not None:
        if isinstance(error, DiskFull) or "No space left on device" in str(error):
            return True
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def safe_name(name: object, what: str = "file name") -> str:
    """The name itself, if it can be one part of a path and no more; an `InputError` if it cannot.

    >>> safe_name("rock-0001.wav")
    'rock-0001.wav'
    """
    try:
        if (
            isinstance(name, str)
            and name.strip(". ")
            and name.isprintable()
            and not any(c in name for c in "/\\:")
            and len(name.encode()) <= _NAME_BYTES
        ):
            return name
    except UnicodeEncodeError:
        pass
    raise InputError(f"{quoted(name)} cannot be a {what}: it is empty, too long, or leads elsewhere.")


def safe_join(folder: Path, name: object, what: str = "file name") -> Path:
    """A path below `folder` by a name with slashes, each part checked, that no link leads out of."""
    if not isinstance(name, str) or len(name) > 4096:
        raise InputError(f"{quoted(name)} cannot be a {what}.")
    path = folder.joinpath(*(safe_name(part, what) for part in name.split("/")))
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):
        inside = False
    if not inside:
        raise InputError(f"{quoted(name)} cannot be a {what}: it leads out of its folder.")
    return path


def as_file_name(text: str, limit: int = 80) -> str:
    """A label as a part of a file name: what a path or a shell would read as its own becomes "_".

    >>> as_file_name("../../R&B / soul")
    'R_B_soul'
    """
    return re.sub(r"[^\w.-]+", "_", text).strip("._-")[:limit] or "_"


def regular_file(path: str | Path) -> Path:
    """The path, if a plain file, or a link to one, is there: to open anything else may wait for ever.

    Raises InputError for a missing file, a broken or circular link, a folder, pipe, socket or device, and a
    path that no file can have.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        broken = error.errno == errno.ENOENT and os.path.islink(path)
        reason = "a link to nowhere" if broken else error.strerror
        raise InputError(f"{path} cannot be read ({reason}); check the path.") from None
    except ValueError:  # a NUL, or what the file system cannot encode
        raise InputError(f"{quoted(str(path))} is no path; check it.") from None
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no plain file")
        raise InputError(f"{path} is {kind}; name a plain file.")
    return Path(path)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a whole file or nothing: beside it first, then renamed into its place."""
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
