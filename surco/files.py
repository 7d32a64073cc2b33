"""Files that are whole or not there, and full disks told in a sentence."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from surco.errors import DiskFull, InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


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
        raise


def is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk is what stands behind an error, whichever library said so."""
    while error is not None:
        if isinstance(error, DiskFull) or "No space left on device" in str(error):
            return True
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


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
