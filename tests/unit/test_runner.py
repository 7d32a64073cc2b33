"""The runner: whatever happens to an attempt, the ledger hears it; "done" means that DONE.json is there."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from jobs.context import Context
from jobs.kinds import parse_spec
from services.errors import ServerDown
from services.queue.client import Client
from services.queue.ledger import DEAD, DONE, QUEUED, RUNNING, Job
from services.worker import parting, runner
from services.worker.runner import run_job
from surco.files import is_disk_full, write_bytes


def submit(queue: Client, label: str = "x") -> Job:
    return queue.submit("noop", parse_spec("noop", {"label": label}))


def row(queue: Client, job: Job) -> Job:
    found = queue.ledger.get(job.id)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    aside: list[str] = []
    for module in (parting, runner):
        monkeypatch.setattr(module, "step_aside", lambda *_: aside.append("aside"))
    return aside


def job_that(monkeypatch: pytest.MonkeyPatch, run: Callable[[Any, Context], dict[str, Any]]) -> None:
    """Let every job run this instead."""
    monkeypatch.setattr(runner, "find_kind", lambda kind: SimpleNamespace(tracked=False, run=run))


def fill_disk(spec: Any, context: Context) -> dict[str, Any]:
    Path("/dev/full").write_bytes(b"x" * 100_000)
    return {}


def test_a_job_is_done_when_it_is_published(queue: Client) -> None:
    job = submit(queue)
    assert run_job(queue, job.id) == "done"
    assert row(queue, job).state == DONE
    done = json.loads(queue.store.get_bytes(f"jobs/{job.id}/DONE.json") or b"")
    assert done["result"]["label"] == "x"


def test_nothing_is_done_without_its_marker(queue: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that says "taken" and has nothing: a 409 taken for an answer."""
    put = queue.store.put_bytes

    def taken(key: str, data: bytes, *, if_absent: bool = False) -> bool:
        return False if key.endswith("DONE.json") else put(key, data, if_absent=if_absent)

    monkeypatch.setattr(queue.store, "put_bytes", taken)
    job = submit(queue)
    assert run_job(queue, job.id) == QUEUED
    found = row(queue, job)
    assert found.attempts == 1 and "does not have it" in found.reason


def test_a_full_disk_costs_no_attempt_and_the_next_worker_goes_on(
    queue: Client, monkeypatch: pytest.MonkeyPatch, _no_pause: list[str]
) -> None:
    job = submit(queue)
    with monkeypatch.context() as full:
        job_that(full, fill_disk)
        assert run_job(queue, job.id) == QUEUED
    found = row(queue, job)
    assert (found.state, found.attempts) == (QUEUED, 0) and "No space left" in found.reason
    assert _no_pause == ["aside"]
    assert not queue.ledger.redis.exists(f"surco:lease:{job.id}")
    assert queue.ledger.redis.llen("cpu") == 2  # the first message, and one more
    assert run_job(queue, job.id) == "done"


def test_a_disk_that_stays_full_is_a_reason_in_the_end(
    queue: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(queue)
    job_that(monkeypatch, fill_disk)
    states = [run_job(queue, job.id) for _ in range(parting.FULL_TRIES + 3)]
    assert states == [QUEUED] * (parting.FULL_TRIES + 2) + [DEAD]
    assert "No space left" in row(queue, job).reason


def test_a_disk_without_room_takes_no_job(queue: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(queue)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1 << 20))
    assert run_job(queue, job.id) == ""
    found = row(queue, job)
    assert (found.state, found.attempts) == (QUEUED, 0) and "1 MiB free" in found.reason


def test_a_full_disk_is_known_behind_other_errors(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        Path("/dev/full").write_bytes(b"x" * 100_000)
    try:
        raise RuntimeError("could not save") from caught.value
    except RuntimeError as error:
        assert is_disk_full(error)
    assert is_disk_full(ValueError("Error: No space left on device (os error 28)"))
    assert not is_disk_full(PermissionError(13, "no"))
    with pytest.raises(Exception) as folder:
        write_bytes(tmp_path, b"x")  # a folder is there
    assert not is_disk_full(folder.value)


def test_redis_away_at_the_end_of_a_job_is_waited_for(queue: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    job = submit(queue)
    finish, calls = queue.ledger.finish, []

    def away_twice(*args: Any, **options: Any) -> bool:
        calls.append(1)
        if len(calls) < 3:
            raise redis.ConnectionError("restarting")
        return finish(*args, **options)

    monkeypatch.setattr(queue.ledger, "finish", away_twice)
    monkeypatch.setattr(parting.time, "sleep", lambda seconds: None)
    assert run_job(queue, job.id) == "done"
    assert row(queue, job).state == DONE and len(calls) == 3


def test_a_message_that_cannot_be_sent_is_left_to_the_reconciler(
    queue: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit(queue)

    def no_message(*_: Any) -> None:
        raise ServerDown("Redis", "somewhere", "takes no message")

    child = queue.submit("noop", parse_spec("noop", {"label": "child", "after": [job.id]}))
    monkeypatch.setattr(queue.ledger, "notify", no_message)
    assert run_job(queue, job.id) == "done"
    assert row(queue, job).state == DONE
    assert row(queue, child).state == QUEUED


@pytest.mark.parametrize("number", runner.PARTING)
def test_either_signal_parks_the_job(
    queue: Client, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def told_to_go(spec: Any, context: Context) -> dict[str, Any]:
        signal.raise_signal(number)
        context.beat()
        raise AssertionError("it went on")

    job = submit(queue)
    before = signal.getsignal(number)
    job_that(monkeypatch, told_to_go)
    assert run_job(queue, job.id) == "stopped"
    found = row(queue, job)
    assert (found.state, found.attempts) == (QUEUED, 0)
    assert signal.getsignal(number) is before


def test_what_fails_before_the_job_begins_is_told_as_it_is(
    queue: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ImportError("half an installation")

    job = submit(queue)
    monkeypatch.setattr(runner, "find_kind", broken)
    assert run_job(queue, job.id) == QUEUED
    found = row(queue, job)
    assert found.attempts == 1 and found.reason == "ImportError: half an installation"
    assert found.state != RUNNING


def test_a_kind_that_this_worker_does_not_know_stays_queued_for_another(queue: Client) -> None:
    job = "a" * 64
    queue.ledger.add(job, kind="telepathy", queue="cpu", spec={}, required=[], optional=[], code="newer")
    assert run_job(queue, job) == "refused"
    found = queue.ledger.get(job)
    assert found is not None and (found.state, found.attempts) == (QUEUED, 0)
    assert found.reason and len(found.reason) < 300
