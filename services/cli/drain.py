"""`surco drain`: a worker takes no new jobs and ends after those it has."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.common import AsJson, console, print_json
from services.queue.connection import connect, ping
from services.settings import load_settings
from services.worker.health import DRAIN, Vitals, workers
from surco.errors import InputError

_DAY = 86_400


def drain(
    worker: Annotated[
        str, typer.Argument(help="Worker as `--list` names it, or its start; all of this start drain.")
    ] = "",
    show: Annotated[bool, typer.Option("--list", help="List the workers instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let a worker end after its current jobs; it takes no new ones."""
    settings = load_settings()
    with connect(settings) as client:
        ping(client, settings)
        known = workers(client)
        if not show:
            for one in chosen(known, worker):
                client.set(f"{DRAIN}{one.name}", "1", ex=_DAY)
                console.print(f"{one.name} drains: it ends after {one.running} running jobs", markup=False)
            return
        draining = {one.name for one in known if one.draining or client.exists(f"{DRAIN}{one.name}")}
    if as_json:
        print_json([asdict(one) | {"draining": one.name in draining} for one in known])
        return
    table = Table("worker", "queues", "running", "of", "state", box=None, pad_edge=False)
    for one in known:
        state = "draining" if one.name in draining else one.trouble or "works"
        table.add_row(escape(one.name), " ".join(one.queues), str(one.running), str(one.processes), state)
    console.print(table if known else "no worker has signed in; `surco worker` starts one")


def chosen(known: list[Vitals], start: str) -> list[Vitals]:
    """The workers whose names start so; without a start the only one there is."""
    found = [one for one in known if one.name.startswith(start)]
    if not found:
        what = f"No worker's name starts with {start!r}" if start else "No worker has signed in"
        raise InputError(f"{what}; `surco drain --list` names them.")
    if not start and len(found) > 1:
        raise InputError(f"{len(found)} workers are there; name one of `surco drain --list`.")
    return found
