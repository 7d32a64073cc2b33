"""What the commands share: options, tables and JSON."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console

from services.queue.ledger import Job

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Priority = Annotated[
    int, typer.Option(min=0, max=9, help="0 to 9: the highest goes first; ten minutes of waiting weigh one.")
]

console = Console()


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def job_row(job: Job) -> dict[str, Any]:
    """A job as listings show it."""
    return {k: v for k, v in asdict(job).items() if k != "spec"} | {"seconds": round(job.seconds, 1)}
