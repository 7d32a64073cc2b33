"""The reader's side of an outbox: the attempts of a job, their entries, and how far MLflow has taken them.

`offset` beside the entries says how many of their bytes MLflow has taken. A line that is no entry (torn by
a death or a full disk, or damaged) is put aside with its reason and blocks nothing.
"""

import contextlib
import fcntl
import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.tracking.outbox import ENTRIES, HEAD

log = logging.getLogger("surco.tracking")

LONGEST_LINE = 8 << 20
MOST_ASIDE = 1 << 20  # bytes put aside for one job
OLD_SECONDS = 3600  # nobody takes so long to make a folder


class Head(BaseModel):
    """Whose attempt it is."""

    job: str = Field(min_length=1)
    kind: str
    label: str = ""
    sweep: str = ""
    sweep_name: str = "sweep"
    on_sweep: bool = False  # it speaks on the sweep's own run


class Entry(BaseModel):
    """One line of an outbox: exactly one thing to tell."""

    model_config = ConfigDict(extra="forbid")

    t: int
    metrics: dict[str, float] | None = None
    step: int = 0
    params: dict[str, str] | None = None
    tags: dict[str, str] | None = None
    artifact: str | None = None
    folder: str = ""
    model: str | None = None
    name: str = ""
    facts: dict[str, Any] = Field(default_factory=dict)
    end: Literal["FINISHED", "FAILED", "KILLED"] | None = None

    @property
    def file(self) -> str:
        """Path, within the attempt, of the file it tells of; "" without one."""
        return self.artifact or self.model or ""


class Attempt:
    """One attempt's folder, read and, once MLflow has all of it, taken away."""

    def __init__(self, root: Path):
        self.root = root
        self.job = root.parent.name

    @property
    def head(self) -> Head:
        """Raises ValueError or OSError where it is damaged."""
        return Head.model_validate_json((self.root / HEAD).read_bytes())

    def writer_lives(self) -> bool:
        """Whether more entries can come."""
        with (self.root / ENTRIES).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def entries(self, *, over: bool, limit: int = 1000) -> list[tuple[int, Entry]]:
        """Up to `limit` entries not yet taken, each with the offset behind it.

        A last line without its end is left for later, or put aside where the attempt is `over`.
        """
        found: list[tuple[int, Entry]] = []
        for end, line in self._lines(self.offset):
            if not line.endswith(b"\n") and not over and len(line) < LONGEST_LINE:
                break
            try:
                found.append((end, parse(line)))
            except ValueError as error:
                if found:
                    break  # it is put aside once all before it is taken
                self.put_aside(line, error)
                self.take(end)
            if len(found) >= limit:
                break
        return found

    def everything(self) -> Iterator[Entry]:
        """All entries, taken or not, without those that are none."""
        for _, line in self._lines(0):
            with contextlib.suppress(ValueError):
                yield parse(line)

    def _lines(self, offset: int) -> Iterator[tuple[int, bytes]]:
        with (self.root / ENTRIES).open("rb") as file:
            file.seek(offset)
            while line := file.readline(LONGEST_LINE):
                yield file.tell(), line

    @property
    def offset(self) -> int:
        try:
            return max(0, int((self.root / "offset").read_text()))
        except (OSError, ValueError):
            return 0  # nothing is sent twice: points that MLflow has are left out

    def take(self, offset: int) -> None:
        """Note that everything before `offset` is with MLflow."""
        part = self.root / "offset.part"
        part.write_text(str(offset))
        part.replace(self.root / "offset")

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """True while no other process sends this attempt."""
        with (self.root / "sending").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
                return
            yield True

    def put_aside(self, line: bytes, reason: object) -> None:
        """Keep what cannot be told, outside the outbox, and say why."""
        why = str(reason).replace("\n", " ")[:200]
        log.warning("An outbox entry of job %s is put aside: %s", self.job[:12], why)
        path = aside(self.root) / f"{self.job[:64]}.txt"
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.stat().st_size < MOST_ASIDE:
                with path.open("ab") as file:
                    file.write(f"# {why}\n".encode() + line.rstrip(b"\n")[:MOST_ASIDE] + b"\n")

    def remove(self) -> None:
        """Take the attempt away, in one step for whoever looks, and the job's folder where it is empty."""
        gone = self.root.with_name(f".gone-{self.root.name}")
        self.root.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.root.parent.rmdir()


def parse(line: bytes) -> Entry:
    """The entry of a line; ValueError where it is none."""
    try:
        entry = Entry.model_validate(json.loads(line))
    except RecursionError:
        raise ValueError("too deep") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))[:60]}: {first['msg']}") from None
    told = [entry.metrics, entry.params, entry.tags, entry.artifact, entry.model, entry.end]
    if sum(part is not None for part in told) != 1:
        raise ValueError("it tells nothing, or several things")
    if entry.file and (not entry.file.startswith("files/") or ".." in PurePosixPath(entry.file).parts):
        raise ValueError("its file is outside the outbox")
    return entry


def attempts(job: Path) -> list[Attempt]:
    """A job's attempts, oldest first; what a former removal or a death in mid-making left is removed."""
    for debris in job.glob(".*"):
        with contextlib.suppress(OSError):
            if debris.name.startswith(".gone-") or time.time() - debris.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(debris, ignore_errors=True)
    return [Attempt(p) for p in sorted(job.iterdir()) if not p.name.startswith(".") and p.is_dir()]


def aside(root: Path) -> Path:
    """Where what cannot be told is kept: beside the outbox folder of an attempt."""
    return root.parent.parent.with_name("outbox-aside")
