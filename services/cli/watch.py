"""One live display for a whole sweep: what runs, what ended, what is waited for, and how long it may take."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import redis
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from services.cli.job_table import minutes, told_apart
from services.queue.client import Client
from services.queue.following import Following
from services.queue.ledger import DONE, ENDED, QUEUED, RUNNING, WAITING, Job
from services.results.outcome import outcome
from services.worker.health import any_worker

PAUSE = 0.25  # s between two looks
LOOK_ROUND = 5.0  # s between two looks at what other sweeps have under way


def watch_sweep(client: Client, sweep: dict[str, Any], *, console: Console | None = None) -> bool:
    """Show a sweep until every job has ended, those of its second round too; True if all are done."""

    def more() -> tuple[list[str], bool]:
        grows = client.ledger.grows(sweep["id"])  # asked first: what was added before that is then read
        return (client.ledger.sweep(sweep["id"]) or sweep)["jobs"], grows

    return watch_jobs(
        client,
        told_apart(client.ledger.sweep_names()).get(sweep["id"], sweep["name"]),
        sweep["jobs"],
        since=sweep["created"],
        more=more,
        console=console,
    )


def watch_jobs(
    client: Client, name: str, ids: list[str], *, since: float = 0.0,
    more: Callable[[], tuple[list[str], bool]] | None = None, console: Console | None = None,
) -> bool:  # fmt: skip
    """Show jobs until every one has ended, then say what is not there and why; True if all are done.

    `since` is when they were handed in, in seconds on the server's clock; now, if not given. `more` says
    which jobs there are by now, and whether further ones are to come.
    """
    console = console or Console()
    bar = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(40),
        TextColumn("{task.completed:.0f}/{task.total:.0f} jobs"), TextColumn("{task.fields[clock]}"),
        console=console,
    )  # fmt: skip
    task = bar.add_task(escape(name), total=len(ids), clock="")
    told: set[str] = set()
    ahead, looked, left = "", -LOOK_ROUND, TimeLeft()
    following, workers, grows = Following(client.ledger, ids), True, more is not None
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            try:
                if more and grows:
                    known, grows = more()
                    if len(known) > len(ids):
                        ids = known
                        following = Following(client.ledger, ids)
                jobs = following.look()
                now = client.ledger.now()
                if time.monotonic() - looked >= LOOK_ROUND:
                    ahead, looked = _ahead(client, set(ids), jobs), time.monotonic()
                    workers = any_worker(client.ledger.redis)
            except redis.RedisError:
                live.update(Group(bar, "Redis is away; waiting for it."))
                time.sleep(1)
                continue
            since = since or now
            ended = [j for j in jobs if j.state in ENDED]
            for job in ended:
                if job.id not in told:
                    told.add(job.id)
                    live.console.print(_line(job), highlight=False, soft_wrap=True)
            remaining = left(jobs, now)
            clock = minutes(now - since) + (f", about {minutes(remaining)} left" if remaining else "")
            bar.update(task, completed=len(ended), total=len(ids), clock=clock)
            idle = any(j.state == QUEUED for j in jobs) and not workers
            hint = "[yellow]no worker is up; start one with `surco worker`" if idle else ahead
            coming = "[dim]a second round follows, at the sizes that this one proposes" if grows else ""
            live.update(Group(bar, _running(jobs), hint or coming))
            if len(ended) == len(ids) and not grows:
                break
            time.sleep(PAUSE)
    for sentence in outcome(jobs):
        console.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
    return all(j.state == DONE for j in jobs)


class TimeLeft:
    """Guesses what is left from what was done since it began to look, not from what it found done."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None

    def __call__(self, jobs: Sequence[Job], now: float) -> float | None:
        """Seconds left, or None while too little was done to tell."""
        share = sum(_share(j) for j in jobs) / max(len(jobs), 1)
        if self._first is None:
            self._first = (now, share)
        since, before = self._first
        gained = share - before
        if share >= 1 or gained < 0.03 or now - since < 5:
            return None
        return (now - since) * (1 - share) / gained


def _share(job: Job) -> float:
    if job.state in ENDED:
        return 1.0
    total = job.progress.get("total", 0) or 1
    return min(1.0, job.progress.get("done", 0) / total) if job.state == RUNNING else 0.0


def _ahead(client: Client, ids: set[str], jobs: Sequence[Job]) -> str:
    """What other sweeps have under way while nothing of this one runs: "behind sweep demo, 3 jobs"."""
    if any(j.state == RUNNING for j in jobs) or not any(j.state in (QUEUED, WAITING) for j in jobs):
        return ""
    others = [j for j in client.ledger.in_state(RUNNING, QUEUED, limit=100) if j.id not in ids]
    if not others:
        return ""
    counts = client.ledger.counts()
    total = counts[RUNNING] + counts[QUEUED] - sum(j.state in (RUNNING, QUEUED) for j in jobs)
    apart = told_apart(client.ledger.sweep_names())
    names = sorted({apart.get(s) or s[:8] for s in {j.sweep for j in others} if s})
    what = f"sweep {', '.join(names)}" if names else "other jobs"
    return f"[dim]behind {escape(what)}, {total} job{'s' if total > 1 else ''}[/]"


def _line(job: Job) -> str:
    name = escape(f"{job.kind} {job.label}".strip())
    if job.state == DONE:
        took = f"{job.seconds:6.1f} s" if job.attempts else "   found"
        return f"[green]✓[/] {took}  {name}"
    return f"[red]✗[/] {job.state:>8}  {name}: {escape(job.reason.splitlines()[0] if job.reason else '')}"


def _running(jobs: list[Job]) -> Table:
    table = Table.grid(padding=(0, 2))
    for job in jobs:
        if job.state == RUNNING:
            done, total = job.progress.get("done", 0), job.progress.get("total", 0) or 1
            table.add_row(
                escape(f"{job.kind} {job.label}"),
                f"{100 * done / total:3.0f} %",
                escape(str(job.progress.get("note", ""))[:70]),
            )
    return table
