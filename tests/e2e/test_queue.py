"""The queue on real servers: doorbells, leases, fences, and everything that may die."""

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from jobs.registry import parse_spec
from services.desk import Desk
from services.errors import ServerDown
from services.lease import Lease
from services.ledger import CANCELLED, DEAD, DONE, QUEUED, RUNNING, SKIPPED, WAITING, Job
from services.queue import TASK, celery_app
from services.reconciler import reconcile
from services.stack import Stack
from tests.e2e.worker_process import Worker, until


def submit(desk: Desk, label: str, **fields: object) -> Job:
    return desk.submit("noop", parse_spec("noop", {"label": label, **fields}))


def test_jobs_run_in_order_of_their_needs(desk: Desk, worker: Callable[..., Worker]) -> None:
    first = submit(desk, "first")
    second = submit(desk, "second", after=[first.id])
    assert second.state == WAITING
    worker()
    done = until(desk, second, DONE)
    assert done.result["label"] == "second"
    assert until(desk, first, DONE).ended <= done.started
    assert json.loads(desk.store.get_bytes(f"jobs/{first.id}/DONE.json") or b"")["fence"] == 1


def test_the_same_spec_is_the_same_job(desk: Desk, worker: Callable[..., Worker]) -> None:
    first = submit(desk, "once")
    worker()
    until(desk, first, DONE)
    again = submit(desk, "once")
    assert (again.id, again.state, again.attempts) == (first.id, DONE, 1)


def test_twenty_messages_run_a_job_once(desk: Desk, worker: Callable[..., Worker]) -> None:
    job = submit(desk, "rung often", seconds=0.5)
    for _ in range(20):
        desk.doorbell("cpu", job.id)
    worker()
    until(desk, job, DONE)
    after = submit(desk, "behind them")
    until(desk, after, DONE)
    found = desk.ledger.get(job.id)
    assert found is not None and found.attempts == 1 and found.fence == 1


def test_garbage_in_the_queue_stops_nothing(desk: Desk, worker: Callable[..., Worker]) -> None:
    app = celery_app(desk.settings)
    app.send_task("surco.unknown", args=["?"], queue="cpu")
    app.send_task(TASK, args=["no such job"], queue="cpu")
    app.send_task(TASK, args=[], queue="cpu")
    desk.ledger.redis.lpush(
        "cpu", "this is no message", "[]", "{}", '{"properties": {"delivery_info": 1}}', "\x00"
    )
    job = submit(desk, "after garbage")
    one = worker()
    assert until(desk, job, DONE).attempts == 1
    assert one.process.poll() is None


@pytest.mark.parametrize("whole", [True, False], ids=["worker and child", "child alone"])
def test_a_killed_worker_costs_an_attempt(desk: Desk, worker: Callable[..., Worker], whole: bool) -> None:
    job = submit(desk, f"killed {whole}", seconds=4)
    one = worker()
    running = until(desk, job, RUNNING)
    if whole:
        one.kill()
        worker()
    else:
        os.kill(int(running.worker.rpartition(":")[2]), signal.SIGKILL)
    done = until(desk, job, DONE)
    assert done.attempts == 2
    assert done.result["fence"] == done.fence >= 2


def test_three_deaths_are_enough(desk: Desk) -> None:
    job = submit(desk, "dies", seconds=60)
    for attempt in range(1, 4):
        assert desk.ledger.start(job.id, "somewhere:1") == attempt
        assert reconcile(desk, grace=0)["expired"] == 1
    dead = until(desk, job, DEAD)
    assert dead.attempts == 3 and "died or lost its lease" in dead.reason
    assert desk.retry(dead)
    assert until(desk, job, QUEUED).attempts == 0


def test_a_lost_doorbell_is_rung_again(desk: Desk, worker: Callable[..., Worker]) -> None:
    job = submit(desk, "lost message")
    desk.ledger.redis.delete("cpu")
    worker()
    assert until(desk, job, DONE).attempts == 1


def test_what_needs_a_dead_job_is_skipped_and_comes_back_with_it(desk: Desk) -> None:
    need = submit(desk, "need")
    child = submit(desk, "child", after=[need.id])
    assert desk.ledger.start(need.id, "here:1") == 1
    desk.bury(desk.ledger.get(need.id), "bad input", fence=1, fatal=True)  # type: ignore[arg-type]
    skipped = until(desk, child, SKIPPED)
    assert need.id[:12] in skipped.reason
    desk.retry(until(desk, need, DEAD))
    assert until(desk, child, WAITING)
    assert until(desk, need, QUEUED)


def test_cancelling_stops_a_running_job(desk: Desk, worker: Callable[..., Worker]) -> None:
    job = submit(desk, "to cancel", seconds=120)
    worker()
    until(desk, job, RUNNING)
    assert desk.cancel(job)
    until(desk, job, CANCELLED)
    after = submit(desk, "free again")
    until(desk, after, DONE)
    assert desk.store.get_bytes(f"jobs/{job.id}/DONE.json") is None


def test_a_stale_fence_cannot_finish(desk: Desk) -> None:
    job = submit(desk, "stale")
    assert desk.ledger.start(job.id, "a:1") == 1
    assert desk.ledger.start(job.id, "b:2") == 2
    assert not desk.ledger.finish(job.id, {}, fence=1)
    assert desk.ledger.finish(job.id, {}, fence=2)


def test_a_lease_is_exclusive_and_can_be_lost(desk: Desk) -> None:
    one, two = (Lease(desk.ledger.redis, "job", 3) for _ in range(2))
    assert one.acquire() and not two.acquire()
    desk.ledger.redis.delete("surco:lease:job")
    assert one.lost.wait(5)
    assert two.acquire()
    one.release()
    assert desk.ledger.redis.exists("surco:lease:job")
    two.release()
    assert not desk.ledger.redis.exists("surco:lease:job")


def test_a_wiped_redis_is_rebuilt_from_s3(desk: Desk, worker: Callable[..., Worker]) -> None:
    first = submit(desk, "kept")
    second = submit(desk, "kept too", after=[first.id])
    third = submit(desk, "cancelled before")
    desk.cancel(third)
    one = worker()
    until(desk, second, DONE)
    one.kill()
    fourth = submit(desk, "not run yet", after=[second.id])
    desk.ledger.redis.flushdb()
    assert desk.ledger.get(first.id) is None
    assert desk.rebuild()["jobs"] >= 4
    states = [desk.ledger.get(j.id).state for j in (first, second, third, fourth)]  # type: ignore[union-attr]
    assert states == [DONE, DONE, CANCELLED, QUEUED]


def test_the_broker_may_die_in_mid_job(desk: Desk, worker: Callable[..., Worker], stack: Stack) -> None:
    job = submit(desk, "broker dies", seconds=4)
    worker()
    until(desk, job, RUNNING)
    time.sleep(1.2)  # the append-only file is synced every second
    stack.kill_server("redis")
    stack.wait(["redis"], timeout=60)
    assert until(desk, job, DONE).result["label"] == "broker dies"
    after = submit(desk, "after the broker")
    until(desk, after, DONE)


def test_s3_may_be_away_for_a_while(desk: Desk, worker: Callable[..., Worker], stack: Stack) -> None:
    job = submit(desk, "s3 away", seconds=3)
    worker()
    until(desk, job, RUNNING)
    stack.stop_server("s3")
    with pytest.raises(ServerDown, match="S3 at"):
        submit(desk, "while s3 is away")
    time.sleep(3)
    running = desk.ledger.get(job.id)
    assert running is not None and running.state == RUNNING
    stack.start_server("s3")
    assert until(desk, job, DONE).attempts == 1
