"""The ledger's transitions on a real Valkey, each with the interleaving that once broke it."""

import threading
from collections.abc import Callable

import pytest

from services.queue.client import Client
from services.queue.lease import Lease, holder_is_dead, new_token
from services.queue.ledger import DEAD, QUEUED, SKIPPED, WAITING, Job, Ledger
from tests.ledger_steps import claim, expire, snapshot, state, submit

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
