"""The ledger's transitions on a real Valkey, each with the interleaving that once broke it."""

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.lease import Lease, holder_is_dead, new_token
from services.queue.ledger import CANCELLED, DEAD, DONE, QUEUED, RUNNING, SKIPPED, WAITING, Job, Ledger


def submit(queue: Client, label: str, **fields: Any) -> Job:
    priority = fields.pop("priority", 0)
    return queue.submit("noop", parse_spec("noop", {"label": label, **fields}), priority=priority)


def state(queue: Client, job: Job) -> str:
    found = queue.ledger.get(job.id)
    return found.state if found else "gone"


def claim(queue: Client, job: Job, worker: str = "here:1") -> Job:
    found = queue.claim(job.id, worker)
    assert found is not None
    return found.job


def expire(queue: Client, job: Job) -> None:
    queue.ledger.redis.delete(f"surco:lease:{job.id}")


def snapshot(queue: Client) -> dict[str, str]:
    """Type of every key of the ledger."""
    connection = queue.ledger.redis
    return {key: connection.type(key) for key in sorted(connection.keys("surco:*"))}


# -- claims -------------------------------------------------------------------------------------


def test_a_fourth_attempt_never_begins(queue: Client) -> None:
    """Whoever claims reads the limit in the same step, even before a reconciler saw the last death."""
    job = submit(queue, "dies")
    for attempt in (1, 2, 3):
        assert claim(queue, job).attempts == attempt
        expire(queue, job)
    assert queue.claim(job.id, "here:4") is None
    dead = queue.ledger.get(job.id)
    assert dead is not None and (dead.state, dead.attempts, dead.fence) == (DEAD, 3, 3)
    assert "here:1" in dead.reason


def test_of_many_claims_at_once_one_begins(queue: Client) -> None:
    job = submit(queue, "wanted")
    start, won = threading.Barrier(8), []

    def take(number: int) -> None:
        start.wait()
        if queue.claim(job.id, f"w:{number}"):
            won.append(number)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    found = queue.ledger.get(job.id)
    assert found is not None and (found.attempts, found.fence, found.worker) == (1, 1, f"w:{won[0]}")


def test_a_claim_of_a_dropped_job_makes_no_ghost(queue: Client) -> None:
    job = submit(queue, "dropped")
    queue.drop(job)
    assert queue.claim(job.id, "here:1") is None
    assert queue.ledger.get(job.id) is None
    assert not [key for key in snapshot(queue) if job.id in key]


@pytest.mark.parametrize(
    "late",
    [
        lambda ledger, job: ledger.progress(job.id, 1, 2, "half"),
        lambda ledger, job: ledger.log(job.id, "a line"),
        lambda ledger, job: ledger.finish(job.id, {}, attempt=job.attempt_id),
        lambda ledger, job: ledger.fail(job.id, "why", attempt=job.attempt_id, fatal=True, final=True),
        lambda ledger, job: ledger.requeue(job.id, attempt=job.attempt_id),
        lambda ledger, job: ledger.cancel([job.id]),
        lambda ledger, job: ledger.retry(job.id),
        lambda ledger, job: ledger.release([job.id]),
        lambda ledger, job: ledger.join("sweep", [job.id]),
    ],
    ids=["progress", "log", "finish", "fail", "requeue", "cancel", "retry", "release", "join"],
)
def test_nothing_that_comes_late_makes_a_dropped_job_a_ghost(
    queue: Client, late: Callable[[Ledger, Job], object]
) -> None:
    submit(queue, "dropped while it ran")
    job = claim(queue, submit(queue, "dropped while it ran"))
    queue.drop(job)
    late(queue.ledger, job)
    assert not [key for key in snapshot(queue) if job.id in key]
    assert job.id not in queue.ledger.redis.smembers("surco:open:sweep")


def test_dropping_leaves_nothing_of_a_job(queue: Client) -> None:
    before = set(snapshot(queue))
    need = submit(queue, "need")
    child = submit(queue, "child", after=[need.id])
    queue.ledger.add_sweep("s", "s", {}, [need.id, child.id])
    queue.ledger.join("s", [need.id, child.id])
    claim(queue, need)
    queue.ledger.log(need.id, "line")
    queue.drop(child)
    queue.drop(need)
    assert set(snapshot(queue)) - before <= {"surco:sweep:s", "surco:sweeps", "surco:events"}


# -- ends and the store -------------------------------------------------------------------------


def publish(queue: Client, job: Job, result: dict[str, Any]) -> None:
    done = json.dumps({"result": result, "artifacts": [], "prefix": ""}).encode()
    assert queue.store.put_bytes(f"jobs/{job.id}/DONE.json", done, if_absent=True)


def test_a_third_attempt_that_published_and_died_is_done(queue: Client) -> None:
    job, child = submit(queue, "published"), None
    child = submit(queue, "child", after=[job.id])
    for _ in range(3):
        claim(queue, job)
        expire(queue, job)
    publish(queue, job, {"x": 1})
    assert queue.mark_failed(queue.ledger.get(job.id), "its worker died") == DONE  # type: ignore[arg-type]
    found = queue.ledger.get(job.id)
    assert found is not None and (found.state, found.result, found.reason) == (DONE, {"x": 1}, "")
    assert state(queue, child) == QUEUED
    assert queue.store.get_bytes(f"jobs/{job.id}/ENDED.json") is None


def test_an_end_waits_for_s3_and_keeps_its_reason(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    job = claim(queue, submit(queue, "bad input"))
    queue.store.away = True  # type: ignore[attr-defined]
    with pytest.raises(ConnectionError):
        queue.mark_failed(job, "the file is cut", fatal=True)
    assert state(queue, job) == RUNNING
    expire(queue, job)
    assert reconcile(queue, grace=0)["expired"] == 0  # still away: nothing is decided, nothing raised
    queue.store.away = False  # type: ignore[attr-defined]
    assert reconcile(queue, grace=0)["expired"] == 1
    found = queue.ledger.get(job.id)
    assert found is not None and (found.state, found.reason) == (DEAD, "the file is cut")


def test_cancelling_a_published_job_finds_it_done(queue: Client) -> None:
    job = claim(queue, submit(queue, "published"))
    publish(queue, job, {"x": 2})
    assert not queue.cancel(job)
    assert state(queue, job) == DONE


def test_a_job_that_publishes_while_it_is_cancelled_is_done(queue: Client) -> None:
    """DONE.json comes between the question whether it is there and the move to cancelled."""
    job = claim(queue, submit(queue, "published in between"))
    ask, asked = queue.store.get_bytes, []

    def publish_after_the_question(key: str) -> bytes | None:
        answer = ask(key)
        asked.append(key)
        if len(asked) == 1:
            publish(queue, job, {"x": 3})
        return answer

    queue.store.get_bytes = publish_after_the_question  # type: ignore[method-assign]
    assert not queue.cancel(job)
    assert state(queue, job) == DONE


def test_a_cancel_while_s3_is_away_survives_a_rebuild(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    job = submit(queue, "cancelled in the dark")
    queue.store.away = True  # type: ignore[attr-defined]
    assert queue.cancel(job)
    assert reconcile(queue, grace=0)["told"] == 0
    queue.store.away = False  # type: ignore[attr-defined]
    assert reconcile(queue, grace=0)["told"] == 1
    queue.ledger.redis.flushall()
    assert queue.rebuild()["jobs"] == 1
    assert state(queue, job) == CANCELLED


def test_a_retry_while_s3_is_away_survives_a_rebuild(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    job = submit(queue, "retried in the dark")
    queue.cancel(job)
    queue.store.away = True  # type: ignore[attr-defined]
    assert queue.retry(job)
    queue.store.away = False  # type: ignore[attr-defined]
    reconcile(queue, grace=0)
    queue.ledger.redis.flushall()
    queue.rebuild()
    assert state(queue, job) == QUEUED


def test_an_end_that_is_told_late_does_not_outlive_a_retry(queue: Client) -> None:
    """The retry comes after a reconciler read "cancelled" and before it wrote ENDED.json."""
    job = submit(queue, "told late")
    queue.ledger.cancel([job.id])
    write = queue.store.put_bytes

    def retried_first(key: str, data: bytes, **more: bool) -> bool:
        queue.store.put_bytes = write  # type: ignore[method-assign]
        assert queue.retry(job)
        return write(key, data, **more)

    queue.store.put_bytes = retried_first  # type: ignore[method-assign]
    queue.tell_store(job.id)
    assert queue.store.get_bytes(f"jobs/{job.id}/ENDED.json") is None
    assert queue.ledger.mirror_note(job.id) is None


# -- fences -------------------------------------------------------------------------------------


def test_an_attempt_of_a_lost_ledger_neither_finishes_nor_shares_a_prefix(queue: Client) -> None:
    old = claim(queue, submit(queue, "twice"))
    queue.ledger.redis.flushall()
    queue.rebuild()
    new = claim(queue, old)
    assert (old.fence, new.fence) == (1, 1) and old.attempt_id != new.attempt_id
    assert not queue.ledger.finish(old.id, {"by": "old"}, attempt=old.attempt_id)
    assert queue.ledger.fail(old.id, "old", attempt=old.attempt_id) == ""
    assert not queue.ledger.requeue(old.id, attempt=old.attempt_id)
    assert queue.ledger.holds(old.id, old.attempt_id) == "another attempt's"
    assert queue.ledger.finish(new.id, {"by": "new"}, attempt=new.attempt_id)


# -- needs --------------------------------------------------------------------------------------


def test_a_retry_between_a_release_and_its_move_skips_nobody(queue: Client) -> None:
    """The needs are read where the move is made, so a release after the retry sees the retried need."""
    need = submit(queue, "need")
    child = submit(queue, "child", after=[need.id])
    release = queue.ledger.release
    queue.ledger.release = lambda ids, need="": []  # type: ignore[method-assign]  # a worker dies here
    queue.mark_failed(claim(queue, need), "bad", fatal=True)
    queue.ledger.release = release  # type: ignore[method-assign]
    assert queue.retry(queue.ledger.get(need.id))  # type: ignore[arg-type]
    queue.ledger.release([child.id], need.id)
    assert state(queue, child) == WAITING
    job = claim(queue, need)
    assert queue.ledger.finish(need.id, {}, attempt=job.attempt_id)
    assert state(queue, child) == QUEUED


def test_children_follow_their_needs_down_and_up_again(queue: Client) -> None:
    need = submit(queue, "need")
    child = submit(queue, "child", after=[need.id])
    grandchild = submit(queue, "grandchild", after=[child.id])
    queue.mark_failed(claim(queue, need), "bad", fatal=True)
    assert [state(queue, j) for j in (need, child, grandchild)] == [DEAD, SKIPPED, SKIPPED]
    assert queue.retry(queue.ledger.get(need.id))  # type: ignore[arg-type]
    assert [state(queue, j) for j in (need, child, grandchild)] == [QUEUED, WAITING, WAITING]


def test_children_of_a_worker_that_died_at_its_end_are_released_by_the_reconciler(queue: Client) -> None:
    from services.worker.reconciler import reconcile

    need = submit(queue, "need")
    child = submit(queue, "child", after=[need.id])
    job = claim(queue, need)
    release = queue.ledger.release_children
    queue.ledger.release_children = lambda ids: 0  # type: ignore[method-assign]  # it dies here
    assert queue.ledger.finish(need.id, {}, attempt=job.attempt_id)
    queue.ledger.release_children = release  # type: ignore[method-assign]
    assert state(queue, child) == WAITING
    assert reconcile(queue, grace=0)["released"] == 1
    assert state(queue, child) == QUEUED


def test_a_job_of_many_needs_is_released_by_the_last(queue: Client) -> None:
    needs = [submit(queue, f"need {n}") for n in range(30)]
    child = submit(queue, "child", after=[n.id for n in needs])
    for number, need in enumerate(needs):
        assert state(queue, child) == WAITING
        queue.ledger.finish(need.id, {})
        assert queue.ledger.redis.scard(f"surco:needs:{child.id}") == len(needs) - number - 1
    assert state(queue, child) == QUEUED


# -- rows that cannot be read ---------------------------------------------------------------------


def test_a_ghost_is_named_once_and_stops_nobody(queue: Client, caplog: pytest.LogCaptureFixture) -> None:
    from services.worker.reconciler import reconcile

    ghost = "9" * 64
    job = submit(queue, "beside a ghost")
    queue.ledger.redis.hset(f"surco:job:{ghost}", mapping={"fence": 1, "state": RUNNING})
    for index in ("surco:in:running", "surco:in:waiting", "surco:ids", "surco:jobs"):
        queue.ledger.redis.zadd(index, {ghost: 0})
    with caplog.at_level(logging.WARNING, "surco.queue"):
        for _ in range(3):
            assert queue.ledger.get(ghost) is None
            assert [j.id for j in queue.ledger.recent()] == [job.id]
            reconcile(queue, grace=0)
    assert len([r for r in caplog.records if ghost[:12] in r.getMessage()]) == 1


@pytest.mark.parametrize("field", ["required", "spec", "created", "state"])
def test_a_poisoned_row_is_passed_over_and_written_anew_by_a_rebuild(queue: Client, field: str) -> None:
    from services.worker.reconciler import reconcile

    need = submit(queue, "need")
    job = submit(queue, "poisoned", after=[need.id])
    queue.ledger.redis.hset(f"surco:job:{job.id}", field, "{not json")
    queue.ledger.release([job.id])
    assert queue.ledger.get(job.id) is None
    for _ in range(2):
        reconcile(queue, grace=0)
    queue.rebuild()
    assert state(queue, job) == WAITING


# -- leases -------------------------------------------------------------------------------------


def test_a_lease_is_the_claims_own_and_can_be_lost(queue: Client) -> None:
    job = submit(queue, "leased")
    one = queue.claim(job.id, "a:1")
    assert one is not None and queue.claim(job.id, "b:2") is None
    with Lease(queue.ledger.redis, job.id, one.token, 1) as lease:
        queue.ledger.cancel([job.id])  # whatever takes a job away takes its lease
        assert lease.lost.wait(5)
    assert not queue.ledger.redis.exists(f"surco:lease:{job.id}")


def test_the_lease_of_a_dead_process_here_is_taken_at_once(queue: Client) -> None:
    import subprocess
    import sys

    code = "from services.queue.lease import new_token; print(new_token())"
    token = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert holder_is_dead(token) and not holder_is_dead(new_token())
    job = submit(queue, "its worker died")
    assert queue.ledger.claim(job.id, "dead:1", token, 60).status == "claimed"
    again = queue.claim(job.id, "here:2")
    assert again is not None and again.job.attempts == 2


def test_another_namespace_with_this_hosts_name_is_not_judged() -> None:
    place, pid, start, rest = new_token().split(":")
    assert not holder_is_dead(f"{place}0:999999999:{start}:{rest}")
    assert not holder_is_dead(f"{place}:no number:{start}:{rest}")
    assert holder_is_dead(f"{place}:{pid}:{int(start) + 1}:{rest}")  # the number was given to us since


def test_a_finished_job_has_no_lease_and_no_worker(queue: Client) -> None:
    job = claim(queue, submit(queue, "done"))
    assert queue.ledger.run_by("here:1") == job
    queue.ledger.finish(job.id, {}, attempt=job.attempt_id)
    assert queue.ledger.run_by("here:1") is None
    assert not queue.ledger.redis.exists(f"surco:lease:{job.id}")


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


# -- handing in and asking --------------------------------------------------------------------------


def test_many_jobs_take_few_round_trips(queue: Client) -> None:
    from services.queue.client import Request

    requests = [Request("noop", parse_spec("noop", {"label": f"n {n}"})) for n in range(600)]
    calls = queue.ledger.redis.info("stats")["total_reads_processed"]
    jobs = queue.submit_many([*requests, requests[0]])
    reads = queue.ledger.redis.info("stats")["total_reads_processed"] - calls
    assert len(jobs) == 601 and {j.state for j in jobs} == {QUEUED}
    assert reads < 120  # a pipeline of 500 is read in a few parts
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
