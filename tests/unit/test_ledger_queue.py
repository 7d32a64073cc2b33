"""The order of the queue, its messages, and what is asked of a long ledger."""

import json
from typing import Any

import pytest

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import DONE, QUEUED, RUNNING
from tests.ledger_steps import claim, state, submit

# -- the order of the queue -----------------------------------------------------------------------


def test_a_message_runs_the_foremost_job_of_its_queue(queue: Client) -> None:
    low, high = submit(queue, "low"), submit(queue, "high", priority=9)
    assert claim(queue, low, "a:1").id == high.id  # the message of one begins the other
    assert claim(queue, high, "b:1").id == low.id
    assert queue.claim(low.id, "c:1") is None  # a message too many


def test_age_raises_priority(queue: Client) -> None:
    old, new = submit(queue, "old"), submit(queue, "new", priority=1)
    rank = queue.ledger.redis.zscore("surco:rank:cpu", old.id)
    queue.ledger.redis.zadd("surco:rank:cpu", {old.id: rank - 601})  # ten minutes more in the queue
    assert claim(queue, new).id == old.id


def test_a_job_of_other_code_does_not_hold_up_the_queue(queue: Client) -> None:
    foreign, ours = submit(queue, "foreign", priority=9), submit(queue, "ours")
    queue.drop(foreign)
    row = {"kind": "noop", "queue": "cpu", "spec": {}, "required": [], "optional": [], "code": "f" * 64}
    queue.ledger.add(foreign.id, **row, priority=9)
    codes = {"noop": ours.code}
    found = queue.claim(foreign.id, "a:1", codes=codes)
    assert found is not None and found.job.id == ours.id  # type: ignore[union-attr]
    assert queue.claim(foreign.id, "b:1", codes=codes) == "refused"
    assert "ffffffff" in queue.job(foreign.id).reason
    assert claim(queue, foreign).id == foreign.id


def test_a_worker_that_shuts_down_gives_the_job_its_old_place(queue: Client) -> None:
    first, second = submit(queue, "first"), submit(queue, "second")
    job = claim(queue, first)
    assert queue.ledger.requeue(job.id, attempt=job.attempt_id)
    again = claim(queue, second)
    assert again.id == first.id and again.attempts == 1


def test_every_queued_job_has_a_message_and_lost_ones_are_sent_again(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    jobs = [submit(queue, f"job {n}") for n in range(5)]
    assert queue.ledger.redis.llen("cpu") == 5
    assert reconcile(queue, grace=0)["notified"] == 0
    queue.ledger.redis.lpop("cpu", 3)
    assert reconcile(queue, grace=0)["notified"] == 3
    assert reconcile(queue, grace=0)["notified"] == 0
    assert queue.ledger.redis.llen("cpu") == 5
    assert {claim(queue, jobs[0], f"w:{n}").id for n in range(5)} == {j.id for j in jobs}


def test_a_message_that_a_dead_worker_took_is_sent_again_after_a_lease(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    submit(queue, "taken, never begun")
    now = queue.ledger.now()
    message = queue.ledger.redis.rpop("cpu")
    queue.ledger.redis.hset("unacked", "tag", json.dumps([json.loads(message), "cpu", "cpu"]))
    queue.ledger.redis.zadd("unacked_index", {"tag": now})
    assert reconcile(queue, grace=0)["notified"] == 0  # it may be about to begin
    queue.ledger.redis.zadd("unacked_index", {"tag": now - 7})
    assert reconcile(queue, grace=0)["notified"] == 1


def test_a_message_of_a_worker_with_its_clock_ahead_is_not_waited_for(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    submit(queue, "taken by a worker whose clock is ten minutes ahead, which then dies")
    message = queue.ledger.redis.rpop("cpu")
    queue.ledger.redis.hset("unacked", "tag", json.dumps([json.loads(message), "cpu", "cpu"]))
    queue.ledger.redis.zadd("unacked_index", {"tag": queue.ledger.now() + 600})
    assert reconcile(queue, grace=0)["notified"] == 1
    assert reconcile(queue, grace=0)["notified"] == 0


def test_a_job_queued_before_the_servers_clock_was_set_back_is_not_waited_for(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    job = submit(queue, "queued at a time that has not come")
    queue.ledger.redis.zadd("surco:in:queued", {job.id: queue.ledger.now() + 600})
    queue.ledger.redis.delete("cpu")
    assert reconcile(queue, grace=5)["notified"] == 1


# -- handing in and asking --------------------------------------------------------------------------


def test_many_jobs_take_few_round_trips(queue: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from redis.connection import AbstractConnection

    from services.queue.client import Request

    sent: list[int] = []
    send = AbstractConnection.send_packed_command

    def counted(self: AbstractConnection, command: Any, *args: Any, **options: Any) -> None:
        sent.append(1)
        send(self, command, *args, **options)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)

    requests = [Request("noop", parse_spec("noop", {"label": f"n {n}"})) for n in range(600)]
    jobs = queue.submit_many([*requests, requests[0]])
    trips = len(sent)
    assert len(jobs) == 601 and {j.state for j in jobs} == {QUEUED}
    assert 0 < trips < 30  # 14 today: a pipeline for 500 jobs, and what goes with it
    assert queue.ledger.redis.llen("cpu") == 600


def test_ids_are_found_by_how_they_begin(queue: Client) -> None:
    jobs = [submit(queue, f"n {n}") for n in range(40)]
    one = jobs[7]
    assert queue.job(one.id[:20]).id == one.id
    assert len(queue.ledger.find("", limit=3)) == 3
    with pytest.raises(ValueError, match="Several jobs"):
        queue.job("")
    with pytest.raises(ValueError, match="No job"):
        queue.job("[xyz")


def test_the_end_of_a_sweep_is_noted_once(queue: Client) -> None:
    jobs = [submit(queue, f"n {n}") for n in range(3)]
    queue.ledger.finish(jobs[0].id, {})
    queue.ledger.add_sweep("s1", "mine", {}, [j.id for j in jobs])
    queue.ledger.join("s1", [j.id for j in jobs])
    assert queue.ledger.open_jobs("s1") == 2
    for job in jobs[1:]:
        assert not [e for e in queue.ledger.redis.zrange("surco:events", 0, -1) if e.startswith("sweep:")]
        queue.ledger.finish(job.id, {})
    assert queue.ledger.redis.zrange("surco:events", 0, -1) == ["sweep:s1:1"]
    queue.ledger.join("s1", [j.id for j in jobs])  # handed in again
    assert queue.ledger.redis.zrange("surco:events", 0, -1) == ["sweep:s1:1"]


def test_following_many_jobs_reads_what_changed(queue: Client) -> None:
    from services.queue.client import Request
    from services.queue.following import Following

    jobs = queue.submit_many([Request("noop", parse_spec("noop", {"label": f"n {n}"})) for n in range(1200)])
    following = Following(queue.ledger, [j.id for j in jobs])
    assert {j.state for j in following.look()} == {QUEUED}
    job = claim(queue, jobs[0])
    queue.ledger.finish(jobs[700].id, {})
    before = queue.ledger.redis.info("stats")["total_commands_processed"]
    seen = {j.id: j.state for j in following.look()}
    after = queue.ledger.redis.info("stats")["total_commands_processed"]
    assert (seen[job.id], seen[jobs[700].id], len(seen)) == (RUNNING, DONE, 1200)
    assert after - before < 20
    queue.ledger.progress(job.id, 1, 2, "half")
    assert next(j for j in following.look() if j.id == job.id).progress["note"] == "half"


def test_a_full_redis_ends_work_and_begins_none(queue: Client) -> None:
    """Without the scripts' first line a claim stopped in its middle: out of one list and in no other."""
    from services.errors import ServerDown

    running, waiting = claim(queue, submit(queue, "running")), submit(queue, "queued")
    child = submit(queue, "child", after=[running.id])
    before = queue.ledger.redis.zrange("surco:in:queued", 0, -1)
    queue.ledger.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(ServerDown, match="memory limit"):
            submit(queue, "one more")
        with pytest.raises(Exception, match="used memory"):
            queue.claim(waiting.id, "w:1")
        assert queue.ledger.redis.zrange("surco:in:queued", 0, -1) == before
        assert queue.ledger.finish(running.id, {}, attempt=running.attempt_id)
    finally:
        queue.ledger.redis.config_set("maxmemory", 0)
    assert [state(queue, j) for j in (running, waiting, child)] == [DONE, QUEUED, QUEUED]
    assert claim(queue, waiting).id == waiting.id
