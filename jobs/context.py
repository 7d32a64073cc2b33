"""What a job sees of the world: a folder to write, the artifacts of other jobs, and a tracker."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from jobs import checkpoints
from jobs.done import Result, parse_done
from jobs.stopped import Stopped as Stopped
from surco.files import safe_join, safe_name

_T = TypeVar("_T")


class Store(Protocol):
    """Object storage: whole objects under slash-separated keys."""

    def put(self, key: str, path: Path) -> None: ...
    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent`, False and nothing written where the key is taken."""
        ...

    def get(self, key: str, path: Path) -> None: ...
    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""
        ...

    def keys(self, prefix: str) -> list[str]: ...
    def delete(self, key: str) -> None: ...


class Tracker(Protocol):
    """Parameters, metrics and media of one run. Never blocks and never fails the job."""

    def params(self, values: Mapping[str, Any]) -> None: ...
    def metrics(self, values: Mapping[str, float], step: int = 0) -> None: ...
    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a file (WAV, PNG, HTML, JSON, ...) under `folder` of the run's artifacts."""
        ...

    def tags(self, values: Mapping[str, str]) -> None: ...
    def model(self, path: Path, name: str, *, size: int, score: float, keeps_bounds: bool) -> None:
        """Register a codec's weights under `name`; the best by what is told of them is its champion.

        `size` is of its vector, `score` its listening definition (0 another track, 1 the vocoder), and
        `keeps_bounds` says whether it is a smallest vector that keeps every bound.
        """
        ...


@dataclass
class Context:
    """Everything `run(spec, context)` may touch.

    `out` is an empty folder: what the job writes there is published, whole, when it returns.
    `beat` is called often; it raises `Stopped` when the job must end.
    """

    job_id: str
    store: Store
    tracker: Tracker
    workdir: Path
    device: str = "cpu"
    fence: int = 1
    sweep: str = ""  # the sweep that asked for it first
    code: str = ""  # version of the code that runs it, told in DONE.json
    attempt_id: str = ""  # fence and random digits; every prefix of what this attempt stores ends with it
    log: Callable[[str], None] = print
    beat: Callable[[], None] = lambda: None
    on_progress: Callable[[float, float, str], None] = lambda done, total, note: None
    cache: Path | None = None
    _resolved: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        path = self.workdir / "out"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self) -> Path:
        """A folder for what need not outlive the job."""
        path = self.workdir / "scratch"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def progress(self, done: float, total: float, note: str = "") -> None:
        """Tell how far the job is, and stop here if it must not go on."""
        self.beat()
        self.on_progress(done, total, note)

    def notes(self, total: int) -> Callable[[str], None]:
        """A function that tells of one more step done, of about `total`."""
        steps = count(1)
        return lambda text: self.progress(min(next(steps), total - 1), total, text)

    def done(self, job: str) -> dict[str, Any] | None:
        """The DONE.json of a job (`result`, `artifacts`, `prefix`), or None while it is not done."""
        if job not in self._resolved:
            data = self.store.get_bytes(f"jobs/{job}/DONE.json")
            if data is None:
                return None
            self._resolved[job] = parse_done(job, data)
        return self._resolved[job]

    def result(self, job: str) -> Result:
        """What another job's `run` returned."""
        return dict(self._require(job)["result"])

    def artifacts(self, job: str) -> list[str]:
        """Names of the files another job published."""
        return list(self._require(job)["artifacts"])

    def artifact(self, job: str, name: str) -> Path:
        """A file another job published, fetched once and then read from the cache."""
        done = self._require(job)
        path = safe_join((self.cache or self.workdir / "cache") / safe_name(job, "job"), name, "artifact")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{self.job_id[:8]}.part")
            self.store.get(f"{done['prefix']}/{name}", part)
            part.replace(path)
        return path

    def folder(self, job: str) -> Path:
        """All files another job published, as a folder."""
        for name in self.artifacts(job):
            self.artifact(job, name)
        return (self.cache or self.workdir / "cache") / job

    def _require(self, job: str) -> dict[str, Any]:
        done = self.done(job)
        if done is None:
            raise LookupError(f"Job {job[:12]} has no results yet; submit it or wait until it is done.")
        return done

    def publish(self, result: Result) -> bool:
        """Store `out`, then DONE.json, last and only if absent: a job is done once, or not at all.

        Files go under a prefix of this attempt alone, so a worker that lost its lease can neither publish
        nor spoil what its successor publishes, and a ledger that begins again at fence 1 cannot lead two
        attempts to one prefix. False if the job was done already.
        """
        prefix = f"jobs/{self.job_id}/attempts/{self._attempt}"
        names = sorted(p.relative_to(self.out).as_posix() for p in self.out.rglob("*") if p.is_file())
        for name in names:
            self.beat()
            self.store.put(f"{prefix}/{name}", self.out / name)
        self.beat()
        done = {
            "result": result,
            "artifacts": names,
            "prefix": prefix,
            "fence": self.fence,
            "code": self.code,
            "attempt": self._attempt,
        }
        return self.store.put_bytes(
            f"jobs/{self.job_id}/DONE.json", json.dumps(done).encode(), if_absent=True
        )

    @property
    def _attempt(self) -> str:
        return self.attempt_id or f"{self.fence:04d}"

    # -- checkpoints ---------------------------------------------------------------------------

    def save_checkpoint(self, folder: Path, step: int) -> None:
        """Store a checkpoint folder; it is the latest only once its marker is written."""
        checkpoints.save(self, folder, step, self._attempt)

    def resume(self, load: Callable[[Path], _T]) -> _T | None:
        """What `load` makes of the newest checkpoint of this job that is whole and loads; None without one.

        A cut or foreign one, and one that `load` refuses by raising, is passed over with a line in the log;
        `load` must leave everything as it was when it raises.
        """
        return checkpoints.restore(self, load)
