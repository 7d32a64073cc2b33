"""`make demo`: servers, a sweep on the shipped music, and what came out of it."""

import os
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from jobs.graph import named, read_sweep
from services.cli.watch import watch_sweep
from services.queue.client import Client
from services.queue.ledger import DONE
from services.results.fetch import done_job, jobs_of, pull_page
from services.results.songs import pull_songs
from services.settings import Settings, load_settings
from services.stack import Stack
from services.stack.plan import SERVERS, WORKER
from services.tracking.addresses import runs_page
from surco.errors import InputError


def run_demo(settings: Settings, console: Console) -> bool:
    """Run (or find) the demo sweep; True if every job is done."""
    took: dict[str, float] = {"install": float(os.environ.get("DEMO_SETUP_SECONDS", "0"))}
    start = time.monotonic()
    with console.status("starting the servers"):
        Stack(settings.stack).up((*SERVERS, WORKER), exist_ok=True)
    took["servers"] = time.monotonic() - start

    start = time.monotonic()
    client = Client.open(load_settings())
    sweep = client.sweep(client.submit_sweep(read_sweep(named("demo"))))
    done = watch_sweep(client, sweep, console=console)
    sweep = client.sweep(sweep["id"])
    took["sweep"] = time.monotonic() - start

    start = time.monotonic()
    folder = Path("songs")
    songs = _try(lambda: pull_songs(client, sweep["id"], folder), console) or []
    page = _try(lambda: pull_page(client, sweep, folder / "listen.html"), console)
    report = _try(lambda: _pull_report(client, sweep, folder / "report.pdf"), console)
    took["fetching"] = time.monotonic() - start

    summary = jobs_of(client, sweep, "summary")[-1]
    if summary.state == DONE:
        console.print(size_table(summary.result))
    console.print("time: " + ", ".join(f"{name} {seconds:.0f} s" for name, seconds in took.items()))
    console.print(f"runs:   {runs_page(client.settings, sweep['id'])}", soft_wrap=True)
    console.print(f"songs:  {len(songs)} in {folder.absolute()}", soft_wrap=True, markup=False)
    for name, path in (("listen", page), ("report", report)):
        if path:
            console.print(f"{name}: {path.absolute()}", soft_wrap=True, markup=False)
    console.print("stop:   make stack-down")
    return done


def size_table(result: dict[str, Any]) -> Table:
    """The summary's rows: one a size."""
    columns: list[str] = result["columns"]
    table = Table(*columns, box=None, pad_edge=False)
    for row in result["rows"]:
        table.add_row(*(f"{row[c]:.3g}" if isinstance(row[c], float) else str(row[c]) for c in columns))
    return table


def _pull_report(client: Client, sweep: dict[str, Any], path: Path) -> Path:
    from services.results.fetch import artifact

    job = done_job(client, sweep, "report")
    return artifact(client, job, "report.pdf", path)


def _try(fetch: Any, console: Console) -> Any:
    """A part that is missing is said, and the others are fetched all the same."""
    try:
        return fetch()
    except InputError as error:
        console.print(str(error), style="yellow", soft_wrap=True, markup=False)
        return None
