"""The worker: Celery's prefork pool, one job a process, and the reconciler in its main process."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from services.errors import ServerDown
from services.queue.broker import QUEUES, celery_app
from services.queue.messages import TASK
from services.settings import load_settings

if TYPE_CHECKING:
    from services.queue.client import Client

app: Celery = celery_app(load_settings())


@app.task(name=TASK)
def run(job_id: str) -> str:
    """Answer a message; the ledger decides whether there is anything to do."""
    from services.worker.runner import run_job

    return run_job(_client(), job_id)


@cache
def _client() -> "Client":
    from services.queue.client import Client

    return Client.open(load_settings())


@signals.setup_logging.connect
def _log_plainly(**_: Any) -> None:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    """Child n sees only the n-th of the GPUs that `serve` found, and is warm before its job comes."""
    from billiard.process import current_process

    index = int(getattr(current_process(), "index", 0) or 0)
    visible = [g for g in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if g]
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[index % len(visible)]
    import services.worker.runner  # noqa: F401  # while the child is idle, so that a job starts at once
    from jobs.closure import code_version
    from jobs.kinds import all_kinds

    for kind in all_kinds():
        code_version(kind)  # of what this process loads, not of what an editor saves later

    with contextlib.suppress(ServerDown):
        _client()


@signals.worker_ready.connect
def _reconcile(**_: Any) -> None:
    from services.tracking.sender import Sender
    from services.worker.reconciler import Reconciler

    settings = load_settings()
    Sender(settings).start()
    Reconciler(_client(), settings.reconcile_seconds).start()


def gpus() -> list[str]:
    """The GPUs this process may use: those it was given, else all that `nvidia-smi` lists."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [g for g in given.split(",") if g]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def serve(queues: tuple[str, ...] = QUEUES, concurrency: int | None = None) -> None:
    """Answer these queues' messages until told to stop: one child a GPU, else one a core up to 4."""
    found = gpus()
    if found and "gpu" in queues:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(found)
    concurrency = concurrency or load_settings().worker_processes or len(found) or min(os.cpu_count() or 1, 4)
    share = max(1, (os.cpu_count() or 1) // concurrency)
    os.environ.setdefault("OMP_NUM_THREADS", str(share))
    # One process compiles what all children use; where that is done already it takes no time.
    subprocess.run([sys.executable, "-m", "surco.warm"], env=_with_code(), check=False)
    app.worker_main([
        "worker", "--queues", ",".join(queues), "--concurrency", str(concurrency), "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", "--hostname", f"surco-{os.getpid()}@%h",
    ])  # fmt: skip


def _with_code() -> dict[str, str]:
    """The environment, with this checkout on the path of a child."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
