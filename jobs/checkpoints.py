"""Checkpoints in the store: whole, checked, and never fewer than the one before the newest.

A checkpoint is a folder under `jobs/<job>/checkpoints/<step>-<attempt>/`; it counts once its marker,
`LATEST.json`, is written, which names the job and each file's SHA-256. What is cut, foreign or does not load
is passed over for the one before it, with a line in the log.
"""

import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobs.stopped import Stopped
from surco.errors import DiskFull
from surco.files import safe_name

if TYPE_CHECKING:
    from jobs.context import Context

_T = TypeVar("_T")

KEPT = 2  # the newest whole one, and the one before it
MARKER = "LATEST.json"


def save(context: "Context", folder: Path, step: int, attempt: str) -> None:
    """Store a folder as the checkpoint of a step, then let go of all but the newest `KEPT`."""
    root = f"jobs/{context.job_id}/checkpoints/"
    prefix = f"{root}{step:09d}-{attempt}"
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = _sha256(path)
        context.store.put(f"{prefix}/{path.name}", path)
    marker = {"job": context.job_id, "step": step, "files": files}
    context.store.put_bytes(f"{prefix}/{MARKER}", json.dumps(marker).encode())
    keys = context.store.keys(root)
    whole = sorted(key.rsplit("/", 1)[0] for key in keys if key.endswith(f"/{MARKER}"))
    oldest = [one for one in whole if one <= prefix][-KEPT:][0]
    # markers first: what is half deleted must not look whole
    for key in sorted(keys, key=lambda k: not k.endswith(f"/{MARKER}")):
        if key.rsplit("/", 1)[0] < oldest:
            context.store.delete(key)


def restore(context: "Context", load: Callable[[Path], _T]) -> _T | None:
    """What `load` makes of the newest checkpoint that is whole and loads; None without one.

    `load` is called with a folder and must change nothing if it raises.
    """
    root = f"jobs/{context.job_id}/checkpoints/"
    markers = [key for key in context.store.keys(root) if key.endswith(f"/{MARKER}")]
    for marker in sorted(markers, reverse=True):
        name = marker.removeprefix(root).rpartition("/")[0]
        try:
            return load(_fetch(context, marker))
        except (Stopped, ConnectionError, MemoryError, DiskFull):
            raise  # no fault of the checkpoint
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise
            _pass_over(context, name, error)
        except Exception as error:
            _pass_over(context, name, error)
    return None


def _pass_over(context: "Context", name: str, error: Exception) -> None:
    reason = str(error).splitlines()[0][:200] if str(error) else "no reason given"
    context.log(f"Checkpoint {name} is passed over: {type(error).__name__}: {reason}")


def _fetch(context: "Context", marker: str) -> Path:
    known = json.loads(context.store.get_bytes(marker) or b"{}")
    if known.get("job") != context.job_id:
        raise ValueError("it is not this job's")
    folder = context.workdir / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, digest in known["files"].items():
        path = folder / safe_name(name, "file of a checkpoint")
        context.store.get(f"{marker.rsplit('/', 1)[0]}/{name}", path)
        if _sha256(path) != digest:
            raise ValueError(f"{name} is not what was saved")
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
