"""The queue on real servers: messages, leases, fences, and everything that may die."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from jobs.kinds import parse_spec
from services.errors import ServerDown
from services.queue.broker import celery_app
from services.queue.client import Client
from services.queue.ledger import CANCELLED, DEAD, DONE, QUEUED, RUNNING, SKIPPED, WAITING, Job
from services.queue.messages import TASK
from services.queue.transport import QUARANTINE
from services.stack import Stack
from services.worker.reconciler import reconcile
from tests.e2e.worker_process import Worker, until
from tests.hostile_messages import HOSTILE


def submit(client: Client, label: str, **fields: object) -> Job:
    return client.submit("noop", parse_spec("noop", {"label": label, **fields}))


def test_jobs_run_in_order_of_their_needs(client: Client, worker: Callable[..., Worker]) -> None:
    first = submit(client, "first")
    second = submit(client, "second", after=[first.id])
    assert second.state == WAITING
    worker()
    done = until(client, second, DONE)
    assert done.result["label"] == "second"
    assert until(client, first, DONE).ended <= done.started
    assert json.loads(client.store.get_bytes(f"jobs/{first.id}/DONE.json") or b"")["fence"] == 1


def test_the_same_spec_is_the_same_job(client: Client, worker: Callable[..., Worker]) -> None:
    first = submit(client, "once")
    worker()
    until(client, first, DONE)
    again = submit(client, "once")
    assert (again.id, again.state, again.attempts) == (first.id, DONE, 1)


def test_twenty_messages_run_a_job_once(client: Client, worker: Callable[..., Worker]) -> None:
    job = submit(client, "rung often", seconds=0.5)
    for _ in range(20):
        client.notifier("cpu", job.id)
    worker()
    until(client, job, DONE)
    after = submit(client, "behind them")
    until(client, after, DONE)
    found = client.ledger.get(job.id)
    assert found is not None and found.attempts == 1 and found.fence == 1


def test_garbage_in_the_queue_stops_nothing(client: Client, worker: Callable[..., Worker]) -> None:
    app = celery_app(client.settings)
    app.send_task("surco.unknown", args=["?"], queue="cpu")
    app.send_task(TASK, args=["no such job"], queue="cpu")
    app.send_task(TASK, args=[], queue="cpu")
    client.ledger.redis.lpush(
        "cpu", "this is no message", "[]", "{}", '{"properties": {"delivery_info": 1}}', "\x00"
    )
    good = client.ledger.redis
    names = ["deep JSON, closed", "a text for the time limit", "a list for the task", "a dict for the task"]
    names += ["arguments as a text", "a date in the future", "garbage bytes", "a deep body"]
    good.lpush("cpu", *(HOSTILE[name][0] for name in names))
    job = submit(client, "after garbage")
    one = worker()
    assert until(client, job, DONE).attempts == 1
    assert one.process.poll() is None
    assert good.llen(QUARANTINE) == 16


@pytest.mark.parametrize("whole", [True, False], ids=["worker and child", "child alone"])
def test_a_killed_worker_costs_an_attempt(client: Client, worker: Callable[..., Worker], whole: bool) -> None:
    job = submit(client, f"killed {whole}", seconds=4)
    one = worker()
    running = until(client, job, RUNNING)
    if whole:
        one.kill()
        worker()
    else:
        os.kill(int(running.worker.rpartition(":")[2]), signal.SIGKILL)
    done = until(client, job, DONE)
    assert done.attempts == 2
    assert done.result["fence"] == done.fence >= 2


def test_three_deaths_are_enough(client: Client) -> None:
    job = submit(client, "dies", seconds=60)
    for attempt in range(1, 4):
        claim = client.claim(job.id, "somewhere:1")
        assert claim is not None and claim.job.attempts == attempt
        client.ledger.redis.delete(f"surco:lease:{job.id}")
        assert reconcile(client, grace=0)["expired"] == 1
    dead = until(client, job, DEAD)
    assert dead.attempts == 3 and "died or lost its lease" in dead.reason
    assert client.retry(dead)
    assert until(client, job, QUEUED).attempts == 0


def test_a_lost_message_is_sent_again(client: Client, worker: Callable[..., Worker]) -> None:
    job = submit(client, "lost message")
    client.ledger.redis.delete("cpu")
    worker()
    assert until(client, job, DONE).attempts == 1


def test_what_needs_a_dead_job_is_skipped_and_comes_back_with_it(client: Client) -> None:
    need = submit(client, "need")
    child = submit(client, "child", after=[need.id])
    claim = client.claim(need.id, "here:1")
    assert claim is not None and claim.job.id == need.id
    client.mark_failed(claim.job, "bad input", fatal=True)
    skipped = until(client, child, SKIPPED)
    assert need.id[:12] in skipped.reason
    client.retry(until(client, need, DEAD))
    assert until(client, child, WAITING)
    assert until(client, need, QUEUED)


def test_cancelling_stops_a_running_job(client: Client, worker: Callable[..., Worker]) -> None:
    job = submit(client, "to cancel", seconds=120)
    worker()
    until(client, job, RUNNING)
    assert client.cancel(job)
    until(client, job, CANCELLED)
    after = submit(client, "free again")
    until(client, after, DONE)
    assert client.store.get_bytes(f"jobs/{job.id}/DONE.json") is None


def test_a_wiped_redis_is_rebuilt_from_s3(client: Client, worker: Callable[..., Worker]) -> None:
    first = submit(client, "kept")
    second = submit(client, "kept too", after=[first.id])
    third = submit(client, "cancelled before")
    client.cancel(third)
    one = worker()
    until(client, second, DONE)
    one.kill()
    fourth = submit(client, "not run yet", after=[second.id])
    client.ledger.redis.flushdb()
    assert client.ledger.get(first.id) is None
    assert client.rebuild()["jobs"] >= 4
    states = [client.ledger.get(j.id).state for j in (first, second, third, fourth)]  # type: ignore[union-attr]
    assert states == [DONE, DONE, CANCELLED, QUEUED]


def test_the_broker_may_die_in_mid_job(client: Client, worker: Callable[..., Worker], stack: Stack) -> None:
    job = submit(client, "broker dies", seconds=4)
    worker()
    until(client, job, RUNNING)
    time.sleep(1.2)  # the append-only file is synced every second
    stack.kill_server("redis")
    stack.wait(["redis"], timeout=60)
    assert until(client, job, DONE).result["label"] == "broker dies"
    after = submit(client, "after the broker")
    until(client, after, DONE)


def test_s3_may_be_away_for_a_while(client: Client, worker: Callable[..., Worker], stack: Stack) -> None:
    job = submit(client, "s3 away", seconds=3)
    worker()
    until(client, job, RUNNING)
    stack.stop_server("s3")
    with pytest.raises(ServerDown, match="S3 at"):
        submit(client, "while s3 is away")
    time.sleep(3)
    running = client.ledger.get(job.id)
    assert running is not None and running.state == RUNNING
    stack.start_server("s3")
    assert until(client, job, DONE).attempts == 1
