"""Jobs as a table that fits 80 columns: which, of which sweep, how it stands, how long it took, and when."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.queue.ledger import DONE, ENDED, RUNNING, Job

STYLES = {
    "done": "green", "running": "cyan", "queued": "yellow", "waiting": "dim", "dead": "red",
    "cancelled": "magenta", "skipped": "magenta",
}  # fmt: skip
SHORT = 8  # digits of an id in a table
COLUMNS = {"job": SHORT, "sweep": 14, "what": 18, "state": 9, "took": 7, "at": 6}  # and their most letters


def told_apart(sweeps: Sequence[tuple[str, str]]) -> dict[str, str]:
    """By sweep's id its name, with the beginning of its id where another sweep has that name too."""
    names = [name for _, name in sweeps]
    return {i: f"{name} {i[:4]}" if names.count(name) > 1 else name for i, name in sweeps}


def minutes(seconds: float) -> str:
    """0:07, 12:30 or 1:05:00."""
    whole = max(0, round(seconds))
    head = f"{whole // 3600}:{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return f"{head}:{whole % 60:02d}"


def clock(then: float, now: float) -> str:
    """When it was, on the clock of whoever looks: the time of the last day, else the date."""
    if not then:
        return ""
    return time.strftime("%H:%M" if now - then < 86_400 else "%d %b", time.localtime(then))


def took(job: Job, now: float) -> str:
    """How long the last attempt ran, or runs by now."""
    if job.state == RUNNING and job.started:
        return minutes(now - job.started)
    return minutes(job.seconds) if job.seconds else ""


def note_of(job: Job) -> str:
    """Why it is not done, or what it does now, in one line."""
    note = job.reason or (job.progress.get("note", "") if job.state == RUNNING else "")
    return note.splitlines()[0][:200] if note else ""


def print_jobs(
    jobs: Sequence[Job], *, names: Mapping[str, str] | None = None, now: float = 0.0, console: Console
) -> None:
    """A table; where they are more than 500 plain lines, which take a tenth of the time.

    `names` are those of the sweeps, by id; `now` is the server's clock.
    """
    names = names or {}
    if len(jobs) <= 500:
        console.print(job_table(jobs, names=names, now=now))
        return
    for job in jobs:
        console.file.write(
            f"{job.id[:SHORT]}  {names.get(job.sweep, ''):14.14}  {_what(job):18.18}  {job.state:9}  "
            f"{took(job, now):>7}  {clock(job.ended or job.started or job.created, now):>6}  {note_of(job)}\n"
        )


def job_table(jobs: Sequence[Job], *, names: Mapping[str, str] | None = None, now: float = 0.0) -> Table:
    """One row a job; the note takes what room is left, and `surco show` has the whole of it."""
    rows = [
        (
            job.id[:SHORT], (names or {}).get(job.sweep, job.sweep[:SHORT]), _what(job), job.state,
            took(job, now), clock(job.ended or job.started or job.created, now),
        )
        for job in jobs
    ]  # fmt: skip
    # the note alone gives way where the line is short: rich would shrink every column for a long one
    table = Table(box=None, pad_edge=False, expand=True)
    for i, (head, most) in enumerate(COLUMNS.items()):
        width = min(most, max([len(head), *(len(row[i]) for row in rows)]))
        justify: Literal["left", "right"] = "right" if head in ("took", "at") else "left"
        table.add_column(head, width=width, justify=justify, no_wrap=True, overflow="ellipsis")
    table.add_column("note", ratio=1, no_wrap=True, overflow="ellipsis")
    for job, row in zip(jobs, rows, strict=True):
        cells = [f"[{STYLES[job.state]}]{cell}[/]" if cell == job.state else escape(cell) for cell in row]
        table.add_row(*cells, escape(note_of(job)))
    return table


def _what(job: Job) -> str:
    return f"{job.kind} {job.label}" if job.label and job.label != job.kind else job.kind


def cost_table(jobs: Sequence[Job]) -> Table:
    """What each job cost, dearest first, and all of them together."""
    table = Table("what", box=None, pad_edge=False)
    for head in ("took", "processor", "memory"):
        table.add_column(head, justify="right", no_wrap=True)
    ended = [j for j in jobs if j.state in ENDED and j.attempts]
    for job in sorted(ended, key=lambda j: -j.seconds):
        state = "" if job.state == DONE else f" ({job.state})"
        cost = cost_of(job)
        table.add_row(
            escape(_what(job)) + state, minutes(job.seconds), minutes(cost["cpu"]), _bytes(cost["memory"])
        )
    costs = [cost_of(j) for j in ended]
    table.add_section()
    table.add_row(
        f"all {len(ended)}; memory: the most", minutes(sum(j.seconds for j in ended)),
        minutes(sum(c["cpu"] for c in costs)), _bytes(max((c["memory"] for c in costs), default=0)),
    )  # fmt: skip
    return table


def cost_of(job: Job) -> dict[str, Any]:
    """`cpu` in seconds and `memory` in bytes of the last attempt; 0 where it was not measured."""
    return {"cpu": float(job.cost.get("cpu", 0)), "memory": int(job.cost.get("memory", 0))}


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count else "–"
