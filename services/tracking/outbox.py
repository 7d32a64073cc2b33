"""The outbox: what a job has to tell MLflow, on disk before MLflow is asked.

One folder an attempt, `outbox/<job>/<attempt>/`: `head.json` says whose it is, `entries.jsonl` is appended
and fsynced, `files/` holds the media. The writer holds a lock on its entries for as long as it lives, and
the folder gets its name only once that lock is held. So whoever reads it (`attempts.py`) knows without
asking a server whether more can come, and never takes away what a writer is about to fill.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import time
from io import FileIO
from pathlib import Path
from typing import Any

log = logging.getLogger("surco.tracking")

ENTRIES, HEAD = "entries.jsonl", "head.json"


class Outbox:
    """The writer's side of one attempt; safe for threads. A full disk costs entries, never the job.

    Args:
        folder: of the job, `outbox/<job>`.
        head: what the sender must know to find the job's run.
    """

    def __init__(self, folder: Path, head: dict[str, Any]):
        self.folder = folder
        self.head = head
        self.root: Path | None = None  # of this attempt; None while the disk has no room for it
        self.lost = 0  # entries and files that the disk did not take
        self._file: FileIO | None = None
        self._closed = False
        self._files = 0
        self._lock = threading.Lock()
        with self._lock, self._forgiving():
            self._open()

    def append(self, **entry: Any) -> bool:
        """Write one entry, stamped with the time in ms, and see it on the disk; False where that failed."""
        line = json.dumps({"t": int(time.time() * 1000), **entry}, default=str) + "\n"
        with self._lock:
            if self._closed:
                return False
            before = self.lost
            with self._forgiving():
                self._write(line.encode("utf-8"))
            return self.lost == before

    def keep(self, path: Path, name: str = "") -> str:
        """Copy a file into the outbox, under another name if given; its path within, "" where that failed."""
        with self._lock:
            if self._closed:
                return ""
            folder = None
            try:
                root = self._open()
                self._files += 1
                folder = root / "files" / f"{self._files:05d}"
                folder.mkdir()
                target = folder / (name or path.name)
                shutil.copyfile(path, target)
                return target.relative_to(root).as_posix()
            except OSError as error:
                if folder is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                self._missed(error)
                return ""

    def close(self) -> None:
        """No entry comes after this; what was lost is told as the last one."""
        if self.lost:
            self.append(tags={"outbox_entries_lost": str(self.lost)})
        with self._lock:
            self._closed = True
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()  # which gives the lock back

    def _write(self, line: bytes) -> None:
        self._open()
        assert self._file is not None
        size = os.fstat(self._file.fileno()).st_size
        written = 0
        try:
            while written < len(line):
                written += self._file.write(line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(size)  # no half line stays for the next one to be glued to
            raise
        os.fsync(self._file.fileno())

    def _open(self) -> Path:
        if self.root is not None:
            return self.root
        for _ in range(20):
            # The sender may take the job's empty folder away between our steps: then once more.
            with contextlib.suppress(FileNotFoundError):
                self.root = self._new_attempt()
                return self.root
        raise FileNotFoundError(f"no folder of an attempt could be made in {self.folder.name}")

    def _new_attempt(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(p.name[:4]) for p in self.folder.iterdir() if p.name[:4].isdigit()]
        name = f"{max(numbers, default=0) + 1:04d}-{secrets.token_hex(4)}"
        making = self.folder / f".{name}"
        try:
            (making / "files").mkdir(parents=True)
            (making / HEAD).write_text(json.dumps(self.head), encoding="utf-8")
            file = FileIO(making / ENTRIES, "a")
            fcntl.flock(file, fcntl.LOCK_EX)
            making.rename(self.folder / name)
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            raise
        self._file = file
        return self.folder / name

    @contextlib.contextmanager
    def _forgiving(self) -> Any:
        try:
            yield
        except OSError as error:
            self._missed(error)

    def _missed(self, error: OSError) -> None:
        if not self.lost:
            log.warning("The outbox of job %s takes nothing: %s", self.folder.name[:12], error)
        self.lost += 1
