"""One live display for a whole sweep."""

import time
from typing import Any

import redis
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.queue.client import Client
from services.queue.ledger import DONE, ENDED, QUEUED, RUNNING, Job
from services.worker.reconciler import WORKERS


def watch_sweep(client: Client, sweep: dict[str, Any], *, console: Console | None = None) -> bool:
    """Show a sweep until every job has ended; True if all of them are done."""
    return watch_jobs(client, sweep["name"], sweep["jobs"], console=console)


def watch_jobs(client: Client, name: str, ids: list[str], *, console: Console | None = None) -> bool:
    """Show jobs until every one has ended; True if all of them are done."""
    console = console or Console()
    bar = Progress(
        TextColumn("[bold]{task.description}"), BarColumn(40),
        TextColumn("{task.completed:.0f}/{task.total:.0f} jobs"),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip
    task = bar.add_task(name, total=len(ids))
    told: set[str] = set()
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while True:
            try:
                jobs = client.ledger.many(ids)
                workers = next(client.ledger.redis.scan_iter(f"{WORKERS}*", count=1000), None)
            except redis.RedisError:
                live.update(Group(bar, "Redis is away; waiting for it."))
                time.sleep(1)
                continue
            ended = [j for j in jobs if j.state in ENDED]
            bar.update(task, completed=len(ended))
            for job in ended:
                if job.id not in told:
                    told.add(job.id)
                    live.console.print(_line(job), highlight=False, soft_wrap=True)
            idle = any(j.state == QUEUED for j in jobs) and workers is None
            live.update(
                Group(
                    bar,
                    _running(jobs),
                    "[yellow]no worker is up; start one with `surco worker`" if idle else "",
                )
            )
            if len(ended) == len(ids):
                return all(j.state == DONE for j in jobs)
            time.sleep(0.25)


def _line(job: Job) -> str:
    name = f"{job.kind} {job.label}".strip()
    if job.state == DONE:
        took = f"{job.seconds:6.1f} s" if job.attempts else "   found"
        return f"[green]✓[/] {took}  {name}"
    return f"[red]✗[/] {job.state:>8}  {name}: {job.reason.splitlines()[0] if job.reason else ''}"


def _running(jobs: list[Job]) -> Table:
    table = Table.grid(padding=(0, 2))
    for job in jobs:
        if job.state == RUNNING:
            done, total = job.progress.get("done", 0), job.progress.get("total", 0) or 1
            table.add_row(
                f"{job.kind} {job.label}",
                f"{100 * done / total:3.0f} %",
                str(job.progress.get("note", ""))[:70],
            )
    return table
