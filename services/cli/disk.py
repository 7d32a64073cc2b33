"""Commands about disk: who uses it, and taking away what nobody needs."""

import re
from collections import defaultdict
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.common import AsJson, console, print_json
from services.queue.client import Client
from services.settings import load_settings
from surco.errors import InputError

_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def usage(as_json: AsJson = False) -> None:
    """Disk by sweep: on S3, in this machine's caches, in MLflow's artifacts."""
    from services.results.usage import usage as measure

    found = measure(Client.open(load_settings()))
    if as_json:
        print_json(found)
        return
    table = Table("sweep", "name", "jobs", "S3", "its own", "cache", "MLflow", box=None, pad_edge=False)
    for row in found["sweeps"]:
        sizes = (megabytes(row[key]) for key in ("s3", "own", "cache", "mlflow"))
        table.add_row(row["sweep"][:12], escape(row["name"]), str(row["jobs"] or ""), *sizes)
    total = found["total"]
    table.add_row(
        "", "all", "", megabytes(total["s3"]), "", megabytes(total["cache"]), megabytes(total["mlflow"])
    )
    console.print(table)
    console.print("MB; what sweeps share counts for each, `its own` would go with `surco gc --sweep`")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    older_than: Annotated[
        str, typer.Option(help="Spare what is younger: a number with m, h, d or w, such as 12h.")
    ] = "1d",
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Also a whole sweep (id or name), but for what others need. Repeatable."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Take away what killed attempts left, old logs and checkpoints of done jobs, and whole sweeps."""
    from services.results.gc import carry_out, plan

    seconds = duration(older_than)
    client = Client.open(load_settings())
    found = plan(client, sweeps=[client.sweep(one)["id"] for one in sweep or ()], older_than=seconds)
    gone = found if dry_run else carry_out(client, found)
    if as_json:
        print_json([{k: v for k, v in asdict(waste).items() if k != "keys"} for waste in gone])
        return
    sums: dict[tuple[str, str], list[int]] = defaultdict(list)
    for waste in gone:
        sums[waste.what, waste.why].append(waste.size)
    table = Table("what", "how many", "MB", "why", box=None, pad_edge=False)
    for (what, why), sizes in sums.items():
        table.add_row(what, str(len(sizes)), megabytes(sum(sizes)), why)
    console.print(table if gone else "nothing to take away")
    if gone:
        verb = "would go; nothing was changed" if dry_run else "gone"
        console.print(f"{megabytes(sum(waste.size for waste in gone))} MB {verb}")


def duration(text: str) -> float:
    """Seconds of a text such as 90m, 12h, 30d or 2w."""
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip())
    if not match:
        raise InputError(
            f"--older-than {text[:40]!r} is no duration; write a number with m, h, d or w, such as 12h."
        )
    return int(match[1]) * _UNITS[match[2]]


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}" if size else ""
