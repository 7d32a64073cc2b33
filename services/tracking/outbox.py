"""A outbox: what a job has to tell MLflow, on disk before MLflow is asked.

One folder a job: `entries.jsonl`, appended and fsynced, `files/` with the media, and `offset`, how
many bytes of the entries MLflow has taken. A dead MLflow therefore costs neither time nor data.
"""

import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Outbox:
    """Append-only record of one job; safe for threads, and for one flusher among processes."""

    def __init__(self, root: Path):
        self.root = root
        (root / "files").mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()

    def append(self, **entry: Any) -> None:
        """Write one entry, stamped with the time in ms, and see it on the disk."""
        line = json.dumps({"t": int(time.time() * 1000), **entry}, default=str) + "\n"
        with self._lock, (self.root / "entries.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def keep(self, path: Path) -> str:
        """Copy a file into the outbox; returns its path within."""
        number = len(list((self.root / "files").iterdir()))
        name = f"files/{number:05d}/{path.name}"
        (self.root / name).parent.mkdir()
        shutil.copyfile(path, self.root / name)
        return name

    def entries(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Entries not yet taken, each with the offset behind it. A half-written last line is left out."""
        path = self.root / "entries.jsonl"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield file.tell(), json.loads(line)

    @property
    def offset(self) -> int:
        path = self.root / "offset"
        return int(path.read_text()) if path.exists() else 0

    def take(self, offset: int) -> None:
        """Note that everything before `offset` is with MLflow."""
        part = self.root / "offset.part"
        part.write_text(str(offset))
        part.replace(self.root / "offset")

    @contextmanager
    def flushing(self) -> Iterator[bool]:
        """True while no other process flushes this outbox."""
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def remove(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
