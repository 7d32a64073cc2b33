"""The worker: Celery's prefork pool, one job a process, and the threads of its main process."""

import faulthandler
import logging
import os
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Any

from celery import Celery, signals

from services.queue.broker import QUEUES, celery_app, soft_shutdown
from services.queue.messages import TASK
from services.settings import load_settings
from services.worker.cores import gpus, shares, take_own_gpu
from services.worker.kernels import warm_kernels

if TYPE_CHECKING:
    from services.queue.client import Client

app: Celery = celery_app(load_settings())


@app.task(name=TASK, Request="services.worker.deaths:Request")
def run(job_id: str) -> str:
    """Answer a message; the ledger decides whether there is anything to do."""
    from services.worker.runner import run_job

    return run_job(_client(), job_id)


@cache
def _client() -> "Client":
    """A client that does not ask Redis anything yet: it may be away when the worker starts."""
    from services.queue.broker import Notifier
    from services.queue.client import Client
    from services.queue.connection import connect
    from services.queue.ledger import Ledger
    from services.storage.s3 import S3Store

    settings = load_settings()
    connection = connect(settings)
    notifier = Notifier(connection)
    return Client(settings, Ledger(connection, notifier.many), S3Store(settings), notifier)


@signals.setup_logging.connect
def _log_plainly(**_: Any) -> None:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname).1s %(name)s: %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)


@signals.worker_process_init.connect
def _start_child(**_: Any) -> None:
    """Child n sees only the n-th of the GPUs that `serve` found, and is warm before its job comes."""
    faulthandler.enable()  # a native crash says in the worker's log where it happened
    take_own_gpu()
    import services.worker.runner  # noqa: F401  # while the child is idle, so that a job starts at once
    from jobs.closure import code_version
    from jobs.kinds import all_kinds

    for kind in all_kinds():
        code_version(kind)  # of what this process loads, not of what an editor saves later

    _client()


@signals.worker_init.connect
def _promise_to_end(**_: Any) -> None:
    from celery.worker import state

    from services.worker.ending import Ending

    Ending(soft_shutdown(load_settings()), lambda: len(state.active_requests)).watch()


@signals.worker_ready.connect
def _start_threads(sender: Any, **_: Any) -> None:
    """Sender, reconciler, deaths and signing, in the main process; once, however often it connects."""
    if _started:
        return
    _started.append(True)
    import celery.worker.state as state

    from services.tracking.sender import Sender
    from services.worker.deaths import DEATHS
    from services.worker.health import Vitals, name
    from services.worker.reconciler import Reconciler
    from services.worker.signing import Signing
    from services.worker.tidy import start_tidying

    settings, client = load_settings(), _client()
    Sender(settings).start()
    reconciler = Reconciler(client, settings.reconcile_seconds)
    queues, processes = sorted(app.amqp.queues.consume_from), int(sender.pool.num_processes)

    def vitals() -> Vitals:
        return Vitals(
            name(), queues=queues, processes=processes, running=len(state.active_requests),
            draining=signing.draining, reconciler_silent=round(time.monotonic() - reconciler.turned, 1),
        )  # fmt: skip

    def drain() -> None:
        state.should_stop = 0  # Celery's warm shutdown: the loop ends, the jobs are waited for

    signing = Signing(client.ledger.redis, settings, vitals, drain=drain)
    for thread in (reconciler, signing):
        thread.start()
    DEATHS.begin(client)
    start_tidying(settings, client.ledger)


_started: list[bool] = []


def serve(queues: tuple[str, ...] = QUEUES, concurrency: int | None = None) -> None:
    """Answer these queues' messages until told to stop: one child a GPU, else one a core up to 4."""
    found = gpus()
    if found and "gpu" in queues:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(found)
    concurrency, threads = shares(concurrency or load_settings().worker_processes or len(found))
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    warm_kernels()
    app.worker_main([
        "worker", "--queues", ",".join(queues), "--concurrency", str(concurrency), "--loglevel", "INFO",
        "--without-gossip", "--without-mingle", "--without-heartbeat",  # none of them is read by anyone
        "--hostname", f"surco-{os.getpid()}@%h",
    ])  # fmt: skip
