"""Commands about what a sweep yields: songs, the listening page, the hand-in, the demo."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.common import AsJson, console, print_json
from services.queue.client import Client
from services.results.outcome import UNFINISHED
from services.settings import load_settings

SweepArg = Annotated[str, typer.Argument(help="Sweep id or name; the newest if not given.")]


def songs(
    which: Annotated[
        str, typer.Argument(metavar="[JOB|SWEEP]", help="Job or sweep; the newest sweep if not given.")
    ] = "",
    out: Annotated[Path, typer.Option(help="Folder to pull them into.")] = Path("songs"),
    as_json: AsJson = False,
) -> None:
    """List and pull the songs of a job or sweep."""
    from services.results.songs import pull_songs

    found = pull_songs(Client.open(load_settings()), which, out)
    if as_json:
        print_json([one.to_json() for one in found])
        return
    table = Table("song", "how", "s", "file", box=None, pad_edge=False)
    for one in found:
        how = one.song.recipe if one.song.drawn else f"{one.song.recipe} of {', '.join(one.song.sources)}"
        table.add_row(*map(escape, (one.song.title, how, f"{one.song.seconds:.0f}", one.files[0].name)))
    console.print(table)
    console.print(f"{len(found)} songs in {found[0].files[0].parent}", markup=False, soft_wrap=True)


def listen(
    sweep: SweepArg = "",
    score: Annotated[
        list[Path] | None, typer.Option(help="Results of blind tests to turn into means.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to put the page.")] = Path("listen.html"),
) -> None:
    """Open a sweep's listening page, or score blind tests made on it."""
    if score:
        from surco.page.listening_test import print_scores

        print_scores(score)
        return
    from services.results.fetch import pull_page

    client = Client.open(load_settings())
    path = pull_page(client, client.sweep(sweep), out)
    console.print(f"{path}", markup=False)
    webbrowser.open(path.absolute().as_uri())


def deliver(
    group: Annotated[str, typer.Option(help="Number of the group, such as 01.")],
    authors: Annotated[str, typer.Option(help="Who hands it in, for the report's front page.")] = "",
    course: Annotated[str, typer.Option(help="Of which course, for the front page.")] = "",
    date: Annotated[str, typer.Option(help="When, for the front page.")] = "",
    lang: Annotated[str, typer.Option(help="en or es.")] = "en",
    sweep: SweepArg = "",
    out: Annotated[Path, typer.Option(help="Folder to put it into.")] = Path("."),
) -> None:
    """Make the folder and zip to hand in."""
    from services.cli.watch import watch_jobs
    from services.results.fetch import report_spec
    from services.results.hand_in import deliver as make

    client = Client.open(load_settings())
    found = client.sweep(sweep)
    told = {"authors": authors, "course": course, "date": date}
    report = None
    if any(told.values()):
        spec = report_spec(client, found, lang=lang, scores=[], front={**told, "group": group})
        report = client.submit("report", spec, sweep=found["id"], label=lang)
        if not watch_jobs(client, "report", [report.id]):
            raise typer.Exit(UNFINISHED)
        report = client.job(report.id)
    made = make(client, found, group=group, lang=lang, out=out, report=report, progress=True)
    console.print(f"{made}", markup=False)


def cut(
    source: Annotated[Path, typer.Argument(help="Folder of long songs.")],
    out: Annotated[Path, typer.Argument(help="Folder for the pieces.")],
    seconds: Annotated[float, typer.Option(help="Length of a piece, s.")] = 5.0,
) -> None:
    """Cut a folder of long songs to pieces of N seconds."""
    from surco.datasets.cutting import cut_folder

    console.print(f"{len(cut_folder(source, out, seconds))} pieces in {out}", markup=False)


def demo() -> None:
    """Start the servers, run the demo sweep, show what came out."""
    from services.cli.demo import run_demo

    if not run_demo(load_settings(servers=False), console):
        raise typer.Exit(UNFINISHED)
