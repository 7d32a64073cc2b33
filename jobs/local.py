"""Jobs without servers: a store and a tracker in a folder, and a runner in this process."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.closure import code_version
from jobs.context import Context
from jobs.kinds import find_kind
from jobs.spec import JobSpec, job_id
from surco.files import safe_join


class FolderStore:
    """`jobs.context.Store` on disk: a key is a path under `root`."""

    def __init__(self, root: Path):
        self.root = root

    def put(self, key: str, path: Path) -> None:
        self.put_bytes(key, path.read_bytes())

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        target = safe_join(self.root, key, "key")
        target.parent.mkdir(parents=True, exist_ok=True)
        if if_absent:
            try:
                with target.open("xb") as file:
                    file.write(data)
            except FileExistsError:
                return False
            return True
        part = target.with_name(target.name + ".part")
        part.write_bytes(data)
        part.replace(target)
        return True

    def get(self, key: str, path: Path) -> None:
        shutil.copyfile(safe_join(self.root, key, "key"), path)

    def get_bytes(self, key: str) -> bytes | None:
        target = safe_join(self.root, key, "key")
        return target.read_bytes() if target.is_file() else None

    def keys(self, prefix: str) -> list[str]:
        found = (p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file())
        return sorted(k for k in found if k.startswith(prefix))

    def delete(self, key: str) -> None:
        safe_join(self.root, key, "key").unlink(missing_ok=True)


class FolderTracker:
    """`jobs.context.Tracker` on disk: `params.json`, `tags.json`, `metrics.jsonl` and `artifacts/`."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def params(self, values: Mapping[str, Any]) -> None:
        self._merge("params.json", values)

    def tags(self, values: Mapping[str, str]) -> None:
        self._merge("tags.json", values)

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        with (self.root / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def artifact(self, path: Path, folder: str = "") -> None:
        target = self.root / "artifacts" / folder / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)

    def model(self, path: Path, name: str, *, size: int, score: float, keeps_bounds: bool) -> None:
        self.artifact(path, f"models/{name}")
        self.tags({f"{name}": f"{size} dimensions, score {score:.4f}, keeps bounds: {keeps_bounds}"})

    def _merge(self, name: str, values: Mapping[str, Any]) -> None:
        path = self.root / name
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **values}, indent=1, default=str))


def local_context(folder: Path, job: str, *, device: str = "cpu") -> Context:
    """A context whose store, tracker and workdir live under `folder`."""
    return Context(
        job_id=job,
        store=FolderStore(folder / "store"),
        tracker=FolderTracker(folder / "tracking" / job),
        workdir=folder / "work" / job,
        device=device,
        cache=folder / "cache",
    )


def run_local(kind: str, spec: JobSpec, folder: Path, *, device: str = "cpu") -> str:
    """Run one job here and publish it as the workers do; returns its id. Done already: not run again."""
    job = job_id(kind, spec)
    context = local_context(folder, job, device=device)
    context.code = code_version(kind)
    if context.done(job) is None:
        shutil.rmtree(context.workdir, ignore_errors=True)
        result = find_kind(kind).run(spec, context)
        context.publish(result)
    return job
