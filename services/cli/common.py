"""What the commands share: options, tables and JSON."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.queue.ledger import Job

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Priority = Annotated[
    int, typer.Option(min=0, max=9, help="0 to 9: the highest goes first; ten minutes of waiting weigh one.")
]

console = Console()

STYLES = {
    "done": "green", "running": "cyan", "queued": "yellow", "waiting": "dim", "dead": "red",
    "cancelled": "magenta", "skipped": "magenta",
}  # fmt: skip


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def job_row(job: Job) -> dict[str, Any]:
    """A job as listings show it."""
    return {k: v for k, v in asdict(job).items() if k != "spec"} | {"seconds": round(job.seconds, 1)}


def print_jobs(jobs: Sequence[Job], *, console: Console = console) -> None:
    """A table of jobs; where they are more than 500 plain lines, which take a tenth of the time."""
    if len(jobs) <= 500:
        console.print(job_table(jobs))
        return
    for job in jobs:
        console.file.write(
            f"{job.id[:12]}  {job.kind:13}  {job.label[:20]:20}  {job.state:9}  {job.attempts or '':>2}  "
            f"{f'{job.seconds:.1f}' if job.seconds else '':>8}  {_note(job)}\n"
        )


def _note(job: Job) -> str:
    note = job.reason or (job.progress.get("note", "") if job.state == "running" else "")
    return note.splitlines()[0][:90] if note else ""


def job_table(jobs: Iterable[Job]) -> Table:
    table = Table("job", "kind", "label", "state", "attempts", "seconds", "note", box=None, pad_edge=False)
    for job in jobs:
        table.add_row(
            job.id[:12], job.kind, escape(job.label), f"[{STYLES[job.state]}]{job.state}[/]",
            str(job.attempts or ""), f"{job.seconds:.1f}" if job.seconds else "",
            escape(_note(job)),
        )  # fmt: skip
    return table
