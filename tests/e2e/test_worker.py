"""What becomes of a real worker whose connection is cut, whose Redis restarts, or that is told to go."""

import os
import signal
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import DONE, QUEUED, RUNNING, Job
from services.settings import Settings
from services.stack import Stack
from services.worker.health import DRAIN, last_look, workers
from tests.chaos.proxy import Proxy
from tests.e2e.worker_process import Worker, until


def submit(client: Client, label: str, **fields: object) -> Job:
    return client.submit("noop", parse_spec("noop", {"label": label, **fields}))


def signed(client: Client, worker: Worker, *, there: bool = True) -> None:
    """Wait until the worker is on the list, or off it."""
    for _ in range(600):
        listed = any(one.name.endswith(f":{worker.process.pid}") for one in workers(client.ledger.redis))
        if listed == there:
            return
        time.sleep(0.2)
    raise AssertionError(f"the worker never was {'on' if there else 'off'} the list")


def test_a_silently_cut_worker_drops_off_the_list_and_hears_again(client: Client, settings: Settings) -> None:
    """Packets are dropped, nothing is closed; then new connections pass and the old ones stay dead."""
    url = urlsplit(settings.redis_url)
    proxy = Proxy(url.port or 0)
    through = url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")).geturl()
    worker = Worker(settings.model_copy(update={"redis_url": through}))
    try:
        signed(client, worker)
        proxy.stalled.set()
        signed(client, worker, there=False)
        job = submit(client, "while it is deaf")
        proxy.heal_new_only()
        signed(client, worker)
        assert until(client, job, DONE).attempts == 1
        assert worker.process.poll() is None
    finally:
        worker.kill()
        proxy.close()


def test_a_drained_worker_ends_after_its_job_and_takes_no_other(
    client: Client, worker: Callable[..., Worker]
) -> None:
    one = worker(concurrency=1)
    signed(client, one)
    first = submit(client, "its last", seconds=6)
    running = until(client, first, RUNNING)
    host = running.worker.rpartition(":")[0]
    client.ledger.redis.set(f"{DRAIN}{host}:{one.process.pid}", "1")
    for _ in range(300):
        if any(w.draining for w in workers(client.ledger.redis)):
            break
        time.sleep(0.1)
    second = submit(client, "not for it")
    assert one.process.wait(120) == 0
    assert until(client, first, DONE).attempts == 1
    assert until(client, second, QUEUED).attempts == 0


@pytest.mark.parametrize("cut", ["calm", "restarted", "connections killed"])
def test_a_worker_parks_its_job_and_ends_when_told(
    client: Client, worker: Callable[..., Worker], stack: Stack, cut: str
) -> None:
    """After a lost connection a message comes twice, and is answered in vain beside the running job."""
    one = worker()
    signed(client, one)
    job = submit(client, f"parked, {cut}", seconds=300)
    until(client, job, RUNNING)
    if cut == "restarted":
        time.sleep(1.2)  # the append-only file is synced every second
        stack.kill_server("redis")
        stack.wait(["redis"], timeout=60)
    elif cut == "connections killed":
        client.ledger.redis.client_kill_filter(_type="normal", skipme=True)
        for _ in range(300):
            if one.log.read_text().count("received") == 2:
                break
            time.sleep(0.1)
    signed(client, one)
    one.process.send_signal(signal.SIGTERM)
    one.process.wait(60)
    assert "did not end" not in one.log.read_text()
    parked = until(client, job, QUEUED, seconds=60)
    assert parked.attempts == 0 and not parked.reason


def test_a_segmentation_fault_is_named(client: Client, worker: Callable[..., Worker]) -> None:
    worker()
    job = submit(client, "crashes", seconds=30)
    running = until(client, job, RUNNING)
    os.kill(int(running.worker.rpartition(":")[2]), signal.SIGSEGV)
    for _ in range(600):
        found = client.ledger.get(job.id)
        if found is not None and found.fence > running.fence:
            break
        time.sleep(0.1)
    lines = list(client.ledger.log_lines(job.id))
    assert any("SIGSEGV (memory access" in line for line in lines), lines
    for _ in range(600):  # the job may be taken back before the reconciler's first look
        if last_look(client.ledger.redis) is not None:
            break
        time.sleep(0.1)
    look = last_look(client.ledger.redis)
    assert look is not None and not look.error, look
