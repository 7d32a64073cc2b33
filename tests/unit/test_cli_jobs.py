"""Listing and cancelling on the command line, on a real Valkey."""

import json
from typing import Any

import pytest
import typer
from click.testing import CliRunner

from jobs.graph import parse_sweep
from jobs.kinds import parse_spec
from services.cli import jobs as commands
from services.queue.client import Client
from services.queue.ledger import CANCELLED, DONE, QUEUED, Job
from surco.errors import InputError
from tests.verbs import invoke


@pytest.fixture
def surco(queue: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command on the queue; returns what it prints, raises what it raises."""
    monkeypatch.setattr(commands, "_client", lambda: queue)
    return invoke


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


def test_a_listing_fits_eighty_columns_and_names_sweep_and_time(queue: Client, surco: Any) -> None:
    job = submit(queue, "a label that is much too long for one column of eighty")
    queue.ledger.add_sweep("aaaa1111", "a sweep of a long name", {}, [job.id])
    queue.ledger.add_sweep("bbbb2222", "twin", {}, [])
    queue.ledger.add_sweep("cccc3333", "twin", {}, [])
    one = queue.submit("noop", parse_spec("noop", {"label": "of twin"}), sweep="cccc3333", label="of twin")
    out = surco("jobs")
    assert all(len(line) <= 80 for line in out.splitlines())
    queue.ledger.cancel([job.id], "a reason that is much too long for what is left of eighty columns " * 3)
    out = surco("jobs")
    assert all(len(line) <= 80 for line in out.splitlines())
    assert any(line.startswith(job.id[:8]) and "cancelled" in line for line in out.splitlines())
    row = next(line for line in out.splitlines() if line.startswith(one.id[:8]))
    assert "twin cccc" in row and "queued" in row and ":" in row
    assert "twin" in surco("sweeps") and "cccc3333" in surco("sweeps")


def test_sweeps_of_one_name_are_not_cancelled_by_it(queue: Client, surco: Any) -> None:
    for identity in ("bbbb2222", "cccc3333"):
        queue.ledger.add_sweep(identity, "twin", {}, [])
    with pytest.raises(InputError, match="2 sweeps are called 'twin': .*cccc3333"):
        surco("cancel", "--sweep", "twin")
    assert "of sweep bbbb2222" in surco("cancel", "--sweep", "bbbb2222")


def test_a_job_is_shown_as_a_page_and_as_json_for_machines(queue: Client, surco: Any) -> None:
    need = submit(queue, "need")
    job = submit(queue, "shown", after=[need.id], seconds=3)
    queue.cancel(job)
    page = surco("show", job.id[:10])
    assert "noop shown  cancelled" in page and "cancelled by the user" in page
    assert need.id[:8] in page and "seconds" in page and f"surco retry {job.id[:8]}" in page
    assert "{" not in page
    assert json.loads(surco("show", job.id, "--json"))["spec"]["seconds"] == 3


def test_the_cost_of_jobs_is_told(queue: Client, surco: Any) -> None:
    job = submit(queue, "dear")
    queue.ledger.claim(job.id, "w", "token", 60)
    queue.ledger.finish(job.id, {})
    queue.ledger.cost(job.id, {"cpu": 75.0, "memory": 2_500_000_000})
    queue.ledger.add_sweep("5eeb", "mine", {}, [job.id])
    out = surco("jobs", "--cost")
    assert "noop dear" in out and "1:15" in out and "2,500 MB" in out
    assert json.loads(surco("jobs", "--cost", "--json"))[0]["cost"] == {"cpu": 75.0, "memory": 2_500_000_000}


def test_what_an_attempt_costs_is_measured_from_its_beginning() -> None:
    from services.worker.cost import Meter

    meter = Meter()
    held = bytearray(64 << 20)
    cost = meter.read()
    assert cost["memory"] > len(held) and cost["cpu"] >= 0


def test_the_fields_of_a_kind_are_listed_with_their_defaults() -> None:
    from services.cli.submit import app

    result = CliRunner().invoke(typer.main.get_command(app), ["train", "--fields"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    assert "look_every" in result.output and "120" in result.output and "needed" in result.output


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"trian": {}}, "did you mean 'train'?"),
        ({"train": {"stepz": 3}}, "did you mean 'steps'?"),
        ({"generate": {"genres": ["jaz"]}}, "no style 'jaz'; did you mean 'jazz'?"),
        ({"generate": {"genres": ["zydeco"]}}, "they have ambient, electronic"),
    ],
)
def test_what_was_probably_meant_is_said(queue: Client, data: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refused:
        queue.submit_sweep(parse_sweep(data))
    assert says in str(refused.value) and len(str(refused.value)) < 300
    assert not queue.ledger.recent(), "nothing was handed in"
