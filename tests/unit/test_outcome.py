"""What is dead is said wherever a sweep's end is told."""

import io

import pytest
from rich.console import Console

from services.cli.job_table import minutes
from services.cli.watch import TimeLeft, _line
from services.queue.ledger import DEAD, DONE, RUNNING, SKIPPED, Job
from services.results.outcome import outcome


def job(kind: str, label: str, state: str, reason: str = "") -> Job:
    return Job(f"{kind}{label}", kind, "cpu", state, {}, label=label, reason=reason)


def test_a_sweep_that_is_done_has_nothing_to_tell() -> None:
    assert outcome([job("train", "64", DONE), job("train", "128", RUNNING)]) == []


def test_what_is_not_there_is_counted_and_explained() -> None:
    jobs = [
        job("evaluate", "64", DEAD, "its process died of SIGSEGV\nand more"),
        job("evaluate", "128", DEAD, "its process died of SIGSEGV"),
        job("evaluate", "256", DONE),
        job("report", "report", SKIPPED, "needs 1234, which is dead"),
    ]
    first, second = outcome(jobs)
    assert first == "2 of 3 evaluate jobs (64, 128) are dead: its process died of SIGSEGV."
    assert second == "The report job is skipped: needs 1234, which is dead."


def test_brackets_in_a_reason_are_text_and_not_markup() -> None:
    out = io.StringIO()
    Console(file=out, width=120).print(_line(job("train", "[/red]", DEAD, "no [/bold] of [blue]")))
    assert "no [/bold] of [blue]" in out.getvalue() and "[/red]" in out.getvalue()


def test_times_read_as_clocks() -> None:
    assert [minutes(s) for s in (7, 750, 3900)] == ["0:07", "12:30", "1:05:00"]


def test_time_left_is_told_from_what_was_done_while_looking() -> None:
    left = TimeLeft()
    found = [job("train", str(i), DONE) for i in range(5)]
    todo = [job("train", str(i), RUNNING) for i in range(5, 10)]
    assert left([*found, *todo], 100.0) is None, "what was found done took no time"
    todo[0] = job("train", "5", DONE)
    assert left([*found, *todo], 110.0) == pytest.approx(40.0)
