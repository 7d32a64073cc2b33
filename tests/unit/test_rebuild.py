"""A ledger written anew from a store in which anything may lie."""

import json

import pytest

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import QUEUED, WAITING, Job


def submit(queue: Client, label: str, **fields: object) -> Job:
    return queue.submit("noop", parse_spec("noop", {"label": label, **fields}))


BAD = {
    "cut": b'{"kind": "noop", "sp',
    "empty": b"",
    "unknown kind": json.dumps({"kind": "juggle", "spec": {}}).encode(),
    "older spec": json.dumps({"kind": "noop", "spec": {"colour": 1}}).encode(),
    "no record": b"[1, 2]",
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "odd types": json.dumps({"kind": "noop", "spec": {}, "sweep": {"a": 1}}).encode(),
}


@pytest.mark.parametrize("name", BAD)
def test_one_bad_record_is_named_and_the_others_come_back(queue: Client, name: str) -> None:
    jobs = [submit(queue, f"kept {n}") for n in range(4)]
    bad = "0" * 64  # the first in order
    queue.store.put_bytes(f"jobs/{bad}/spec.json", BAD[name])
    queue.store.put_bytes(f"sweeps/{'0' * 16}.json", BAD[name])
    queue.ledger.redis.flushall()
    found = queue.rebuild()
    assert found["jobs"] == 4 and found["sweeps"] == 0
    assert [bad in found["passed_over"][0], "sweeps/" in found["passed_over"][1]] == [True, True]
    assert [job.state for job in queue.ledger.many(j.id for j in jobs)] == [QUEUED] * 4


def test_a_bad_end_is_named_and_the_others_come_back(queue: Client) -> None:
    one, two = submit(queue, "one"), submit(queue, "two")
    queue.store.put_bytes(f"jobs/{one.id}/ENDED.json", b'{"state": "flying", "reason": ""}')
    queue.ledger.redis.flushall()
    found = queue.rebuild()
    assert found["jobs"] == 1 and one.id in found["passed_over"][0]
    assert queue.ledger.get(two.id) is not None


def test_needs_are_entered_before_those_that_need_them(queue: Client) -> None:
    """An optional need that came later in the order of ids was not waited for."""
    from jobs.spec import job_id

    first = submit(queue, "first")
    rows = [
        {"id": "1" * 64, "optional": ["2" * 64], "required": []},
        {"id": "2" * 64, "optional": [], "required": [first.id]},
    ]
    from services.queue.rebuild import _needs_first

    order = _needs_first({r["id"]: r for r in rows})
    assert order == ["2" * 64, "1" * 64]
    child = submit(queue, "child", after=[first.id])
    queue.ledger.redis.flushall()
    queue.rebuild()
    assert queue.ledger.states([first.id, child.id]) == {first.id: QUEUED, child.id: WAITING}
    assert first.id == job_id("noop", parse_spec("noop", {"label": "first"}))


def test_a_ledger_of_the_older_layout_is_taken_in(queue: Client) -> None:
    need, child = submit(queue, "need"), None
    child = submit(queue, "child", after=[need.id])
    rows = {job.id: queue.ledger.redis.hgetall(f"surco:job:{job.id}") for job in (need, child)}
    queue.ledger.redis.flushall()
    for identity, row in rows.items():
        queue.ledger.redis.hset(f"surco:job:{identity}", mapping=row)
        queue.ledger.redis.sadd(f"surco:state:{row['state']}", identity)
    queue.ledger.redis.sadd(f"surco:children:{need.id}", child.id)
    assert queue.rebuild()["jobs"] == 0
    assert queue.job(child.id[:9]).state == WAITING
    assert not queue.ledger.redis.keys("surco:state:*")
    claim = queue.claim(need.id, "w:1")
    assert claim is not None and not isinstance(claim, str)
    queue.ledger.finish(need.id, {}, attempt=claim.job.attempt_id)
    assert queue.job(child.id).state == QUEUED
