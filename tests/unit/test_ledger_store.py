"""The ledger beside S3 and beside ledgers that were lost: ends, fences, rows that cannot be read."""

import logging

import pytest

from services.queue.client import Client
from services.queue.ledger import CANCELLED, DEAD, DONE, QUEUED, RUNNING, WAITING
from tests.ledger_steps import claim, expire, publish, state, submit

# -- ends and the store -------------------------------------------------------------------------


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
