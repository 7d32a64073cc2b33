"""`surco compare`: two sweeps in one table, and on one page."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.common import AsJson, console, print_json
from services.cli.job_table import told_apart
from services.queue.client import Client
from services.settings import load_settings

if TYPE_CHECKING:
    from surco.metrics.aggregate import Estimate
    from surco.metrics.comparison import Compared, Comparison


def _client() -> Client:
    return Client.open(load_settings())


def compare(
    first: Annotated[str, typer.Argument(help="Sweep id or name.")],
    second: Annotated[str, typer.Argument(help="The sweep to compare it with, by id or name.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Page to write: the same clips of both, with players.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two sweeps, measure by measure, and hear the same clips of both.

    A row is a measure at a size that both have: its mean over the tracks of each, with the 95 % interval,
    their difference where both measured the same clips, and whether they are apart.
    """
    from services.results.compare import compare_sweeps

    client = _client()
    one, other = client.sweep(first), client.sweep(second)
    apart = told_apart(client.ledger.sweep_names())
    names = (apart[one["id"]], apart[other["id"]])
    found = compare_sweeps(client, one, other, names, out=out)
    if as_json:
        told = {"first": one["id"], "second": other["id"], "page": str(out) if out else None}
        print_json({**told, **found.to_json()})
        return
    console.print(comparison_table(found, names))
    for line in notes(found, names):
        console.print(line, markup=False, highlight=False)
    if out:
        console.print(f"page: {out.absolute()}", markup=False, highlight=False, soft_wrap=True)


def comparison_table(found: "Comparison", names: tuple[str, str]) -> Table:
    """One row a size and measure; an arrow says which way is better."""
    table = Table("size", "measure", box=None, pad_edge=False)
    for head in (*names, "n", "difference", "apart"):
        table.add_column(escape(head), justify="right")
    size = None
    for row in found.rows:
        verdict = {None: "–", True: "[bold]yes[/]", False: "no"}[row.apart]
        table.add_row(
            "" if row.size == size else str(row.size),
            f"{row.measure} {'↑' if row.higher_is_better else '↓'}",
            _told(row.first), _told(row.second), _tracks(row), _told(row.difference, sign="+"), verdict,
        )  # fmt: skip
        size = row.size
    return table


def _told(estimate: "Estimate | None", sign: str = "") -> str:
    """A mean, and its interval where the tracks are enough for one."""
    from surco.metrics.comparison import FEWEST

    if estimate is None:
        return "–"
    head = f"{estimate.mean:{sign}.3g}"
    if estimate.tracks < FEWEST:
        return head
    return f"{head} [{estimate.low:{sign}.3g}, {estimate.high:{sign}.3g}]"


def _tracks(row: "Compared") -> str:
    """How many tracks the means rest on: 16, or 16 and 20 where they differ."""
    a, b = row.first.tracks, row.second.tracks
    return str(a) if a == b else f"{a}, {b}"


def notes(found: "Comparison", names: tuple[str, str]) -> list[str]:
    """What a reader has to know of the table."""
    from surco.metrics.comparison import FEWEST

    lines = ["Means over n tracks with 95 % intervals; ↑ more is better, ↓ less is better."]
    if any(row.difference is not None for row in found.rows):
        lines.append(
            f"The difference, {names[1]} less {names[0]}, is taken on the {found.clips} clips that both "
            "measured; apart: its interval leaves out 0."
        )
    else:
        lines.append("They measured different clips; apart: the two intervals do not meet.")
    if any(row.apart is None for row in found.rows):
        lines.append(f"– under apart: fewer than {FEWEST} tracks, too few for an interval.")
    for name, sizes in zip(names, (found.only_first, found.only_second), strict=True):
        if sizes:
            lines.append(f"Only in {name}: {', '.join(map(str, sizes))}.")
    return lines
