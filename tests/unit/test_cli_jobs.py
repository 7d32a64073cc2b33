"""Listing and cancelling on the command line, on a real Valkey."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from jobs.kinds import parse_spec
from services.cli import VERBS
from services.cli import jobs as commands
from services.queue.client import Client
from services.queue.ledger import CANCELLED, DONE, QUEUED, Job
from surco.errors import InputError


@pytest.fixture
def surco(queue: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on the queue; returns what it prints, raises what it raises."""
    monkeypatch.setattr(commands, "_client", lambda: queue)

    def run(name: str, *words: str) -> str:
        verb = next(v for v in VERBS if v.name == name)
        result = CliRunner().invoke(verb.command(), words)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == 0, result.output
        return result.output

    return run


def submit(queue: Client, label: str, **fields: Any) -> Job:
    return queue.submit("noop", parse_spec("noop", {"label": label, **fields}), label=label)


def test_a_state_nobody_knows_is_refused_by_name(surco: Any) -> None:
    with pytest.raises(InputError, match="'asleep' is no state; choose one of waiting, queued"):
        surco("jobs", "--state", "asleep")


def test_the_limit_counts_the_jobs_of_the_state_asked_for(queue: Client, surco: Any) -> None:
    done = submit(queue, "old and done")
    queue.ledger.finish(done.id, {})
    for number in range(5):
        submit(queue, f"new {number}")
    found = json.loads(surco("jobs", "--state", "done", "--limit", "2", "--json"))
    assert [row["id"] for row in found] == [done.id]
    assert len(json.loads(surco("jobs", "--limit", "3", "--json"))) == 3


def test_square_brackets_are_text(queue: Client, surco: Any) -> None:
    submit(queue, "[/red] [bold]")
    assert "[/red] [bold]" in surco("jobs")


def test_a_sweep_is_cancelled_but_for_what_has_ended(queue: Client, surco: Any) -> None:
    done, one = submit(queue, "done"), submit(queue, "one")
    two = submit(queue, "two", after=[one.id])
    beside = submit(queue, "beside")
    queue.ledger.finish(done.id, {})
    ids = [done.id, one.id, two.id]
    queue.ledger.add_sweep("5eeb", "mine", {}, ids)
    queue.ledger.join("5eeb", ids)
    assert "cancelled 2 of 3 jobs of sweep 5eeb" in surco("cancel", "--sweep", "mine")
    assert queue.ledger.states([*ids, beside.id]) == {
        done.id: DONE, one.id: CANCELLED, two.id: CANCELLED, beside.id: QUEUED,
    }  # fmt: skip
    queue.ledger.redis.flushall()
    queue.rebuild()
    assert queue.ledger.states([one.id, two.id]) == {one.id: CANCELLED, two.id: CANCELLED}


def test_one_job_or_one_sweep_is_cancelled(queue: Client, surco: Any) -> None:
    job = submit(queue, "one")
    for words in (["cancel"], ["cancel", job.id, "--sweep", "mine"]):
        with pytest.raises(InputError, match="Give one job to cancel, or --sweep"):
            surco(*words)
    assert "cancelled" in surco("cancel", job.id[:10])
    with pytest.raises(InputError, match="is cancelled already"):
        surco("cancel", job.id)


def test_many_jobs_are_listed_in_plain_lines(queue: Client, surco: Any) -> None:
    from services.queue.client import Request

    queue.submit_many([
        Request("noop", parse_spec("noop", {"label": f"n {n}"}), label=f"[n] {n}") for n in range(501)
    ])  # fmt: skip
    lines = surco("jobs", "--limit", "1000").splitlines()
    assert len(lines) == 501 and all("queued" in line and "[n] " in line for line in lines)
