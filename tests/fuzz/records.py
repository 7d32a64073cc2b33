"""What a store, an outbox or a page may hold, what listings show of it, and the command line."""

import contextlib
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

from jobs.context import Context
from jobs.local import FolderStore, FolderTracker
from services.errors import ServerDown
from services.tracking.attempts import parse
from surco.errors import InputError
from surco.page.listening_test import score_tests
from tests.fuzz.material import NAMES, WORDS, mangled, spoilt, value
from tests.fuzz.sounds import odd_path
from tests.fuzz.tensors import recording

JOB = "ab" * 32


def context(box: Path) -> Context:
    """A job's view of a store in a folder."""
    return Context(
        "cd" * 32,
        FolderStore(box / "store"),
        FolderTracker(box / "mlflow"),
        box / "work",
        log=lambda line: None,
    )


def done(rng: random.Random, box: Path) -> None:
    """DONE.json, and the artifacts that it names."""
    here = context(box)
    prefix = f"jobs/{JOB}/attempts/0001"
    names = ["a.txt", rng.choice(NAMES), *([rng.choice(NAMES)] if rng.random() < 0.3 else [])]
    told: Any = {"result": {}, "artifacts": names, "prefix": prefix}
    if rng.random() < 0.5:
        told = spoilt(rng, told)
    data = json.dumps(told).encode("utf-8", "replace")
    here.store.put_bytes(f"jobs/{JOB}/DONE.json", mangled(rng, data) if rng.random() < 0.3 else data)
    for name in ("a.txt", "song.wav"):
        here.store.put_bytes(f"{prefix}/{name}", b"x")
    with contextlib.suppress(
        FileNotFoundError
    ):  # what the store does not hold: a job that may be tried again
        here.folder(JOB)


def key(rng: random.Random, box: Path) -> None:
    """Keys of the store, and names of artifacts, as data gives them."""
    here = context(box)
    turn = rng.randrange(3)
    if turn == 0:
        here.store.put_bytes(rng.choice(NAMES), b"x")
    elif turn == 1:
        here.store.get_bytes(f"jobs/{rng.choice(NAMES)}/x")
    else:
        here.store.put_bytes(f"jobs/{JOB}/DONE.json", json.dumps(
            {"result": {}, "artifacts": [], "prefix": f"jobs/{JOB}/attempts/0001"}
        ).encode())  # fmt: skip
        with contextlib.suppress(FileNotFoundError):
            here.artifact(JOB, rng.choice(NAMES))


def checkpoint(rng: random.Random, box: Path) -> None:
    """A checkpoint's marker: whatever it holds, it is passed over."""
    here = context(box)
    root = f"jobs/{here.job_id}/checkpoints/000000001-0001"
    marker = spoilt(rng, {"job": here.job_id, "step": 1, "files": {"state.json": "0" * 64}})
    if rng.random() < 0.4:
        marker = {"job": here.job_id, "step": 1, "files": {rng.choice(NAMES): "0" * 64}}
    data = json.dumps(marker).encode("utf-8", "replace")
    here.store.put_bytes(f"{root}/LATEST.json", mangled(rng, data) if rng.random() < 0.3 else data)
    assert here.resume(lambda folder: (folder / "state.json").read_bytes()) is None


def outbox(rng: random.Random, box: Path) -> None:
    """A line of an outbox: an entry, or a ValueError, after which it is put aside."""
    line = json.dumps(spoilt(rng, {"t": 1, "metrics": {"a": 1.0}, "step": 3})).encode("utf-8", "replace")
    try:
        parse(mangled(rng, line) if rng.random() < 0.4 else line)
    except ValueError as error:
        if len(str(error)) > 10_000:
            raise AssertionError("a reason of over 10,000 characters") from None


def blind_test(rng: random.Random, box: Path) -> None:
    """Results that the listening page saved."""
    good = {
        "kind": "surco-listening-test", "version": 1, "listener": "x", "seed": 1, "sweep": "s",
        "trials": [{"marks": {"reference": 100, "anchor": 10, "64": 50}}] * 3,
    }  # fmt: skip
    path = box / "scores.json"
    data = json.dumps(spoilt(rng, good) if rng.random() < 0.9 else value(rng)).encode("utf-8", "replace")
    path.write_bytes(mangled(rng, data) if rng.random() < 0.3 else data)
    score_tests([path if rng.random() < 0.9 else odd_path(rng, box, ".json")])


def listing(rng: random.Random, box: Path) -> None:
    """Tables and lines of jobs whose labels, notes and reasons hold what a terminal or Rich would obey."""
    from rich.console import Console

    from services.cli.job_table import job_table
    from services.cli.watch import _line, _running
    from services.queue.job import Job

    def word() -> str:
        return rng.choice(
            [*WORDS, "[/red]", "[bold", "[/]", "\\[x]", "[link=x]y", "\\", ":smile:", "[@click=f]"]
        )

    state = rng.choice(["dead", "running", "done", "queued"])
    progress = {"done": 1, "total": 2, "note": word()}
    one = Job(JOB, "noop", "cpu", state, {}, label=word(), reason=word(), progress=progress)
    console = Console(file=io.StringIO(), width=100)
    console.print(job_table([one]))
    console.print(_line(one), highlight=False, soft_wrap=True)
    console.print(_running([one]))


def command(rng: random.Random, box: Path) -> None:
    """The command line itself, in this process: exit code 0, 1 or 2, and no traceback."""
    from surco.cli import main

    turn = rng.randrange(4)
    if turn == 0:
        with contextlib.suppress(InputError):
            recording(rng, box)
        arguments = ["info", str(box / "x.npy")]
    elif turn == 1:
        arguments = ["encode", str(odd_path(rng, box)).replace("\0", ""), "--out", str(box / "out")]
    elif turn == 2:
        arguments = [
            "edit",
            str(odd_path(rng, box)).replace("\0", ""),
            "-o",
            str(box / "out"),
            "--tempo",
            rng.choice(WORDS),
        ]
    else:
        arguments = [
            rng.choice(["info", "cut", "nothing", "version"]),
            *(rng.choice(WORDS) for _ in range(rng.randrange(3))),
        ]
    before = sys.argv
    try:
        sys.argv = ["surco", *arguments]
        main()
    except SystemExit as end:
        if end.code not in (0, 1, 2, None):
            raise AssertionError(f"exit code {end.code}") from None
    except ServerDown:
        pass
    finally:
        sys.argv = before
