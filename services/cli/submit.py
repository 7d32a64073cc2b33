"""`surco submit`: hand in one job, or a sweep of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.graph import SweepSpec, parse_sweep, read_sweep
from jobs.kinds import all_kinds, ask_spec
from services.cli.common import AsJson, Priority, console, job_row, print_json
from services.cli.job_table import job_table
from services.cli.spec_options import Set, command_of, fields
from services.queue.client import Client
from services.queue.ledger import Job
from services.results.outcome import UNFINISHED
from services.settings import load_settings
from surco.errors import InputError

app = typer.Typer(no_args_is_help=True)


def _show(job: Job, as_json: bool) -> None:
    print_json(job_row(job)) if as_json else console.print(job_table([job]))


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help="demo, gtzan, or the path of a folder or archive.")] = "demo",
    path: Annotated[str | None, typer.Option(help="Where GTZAN lies; without it the hub is asked.")] = None,
    priority: Priority = 0,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Cut a source of music into clips."""
    client = Client.open(load_settings())
    spec = ask_spec("prepare", {"dataset": dataset, "path": path, **fields(options)})
    _show(client.submit("prepare", spec, label="data", priority=priority), as_json)


@app.command()
def sweep(
    file: Annotated[
        Path | None, typer.Argument(help="A sweep's YAML file, or the name of one in sweeps/.")
    ] = None,
    sizes: Annotated[str | None, typer.Option(help="Vector sizes, such as 128,256,512.")] = None,
    dataset: Annotated[str | None, typer.Option(help="demo, gtzan, or the path of a folder.")] = None,
    path: Annotated[str | None, typer.Option(help="Where the source lies.")] = None,
    outside: Annotated[
        str | None, typer.Option(help="Folder of music from outside the data set, or demo-outside.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything.")] = None,
    priority: Priority = 0,
    watch: Annotated[bool, typer.Option(help="Stay and show its progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand in a sweep over vector sizes."""
    from services.cli.watch import watch_sweep

    client = Client.open(load_settings())
    asked = sweep_of(file, sizes, dataset, path, outside, name, seed)
    found = client.sweep(client.submit_sweep(asked, priority=priority))
    if as_json:
        print_json(found)
    else:
        console.print(
            f"sweep {found['name']} {found['id']}: {len(found['jobs'])} jobs"
            f"{', more in a second round' if client.ledger.grows(found['id']) else ''}; "
            "`surco watch` follows it"
        )
    if watch and not watch_sweep(client, found):
        raise typer.Exit(UNFINISHED)


def sweep_of(
    file: Path | None, sizes: str | None, dataset: str | None, path: str | None, outside: str | None,
    name: str | None, seed: int | None,
) -> SweepSpec:  # fmt: skip
    """The sweep of a file, with what the command line says on top."""
    base = read_sweep(file).model_dump(mode="json") if file else {}
    if dataset is not None and dataset not in ("demo", "gtzan", "folder"):
        dataset, path = "folder", dataset
    given: dict[str, Any] = {"dataset": dataset, "path": path, "outside": outside, "name": name, "seed": seed}
    if sizes is not None:
        try:
            given["sizes"] = [int(s) for s in sizes.split(",")]
        except ValueError:
            raise InputError(f"--sizes {sizes!r} is no list of whole numbers; write 128,256,512.") from None
    return parse_sweep({**base, **{k: v for k, v in given.items() if v is not None}})


@app.command()
def report(
    sweep: Annotated[str, typer.Argument(help="Sweep id or name; the newest if not given.")] = "",
    lang: Annotated[str, typer.Option(help="en or es.")] = "en",
    scores: Annotated[list[Path] | None, typer.Option(help="Results of blind tests to put in.")] = None,
    group: Annotated[str, typer.Option(help="Number of the group, for the front page.")] = "",
    authors: Annotated[str, typer.Option(help="Who hands it in, for the front page.")] = "",
    course: Annotated[str, typer.Option(help="Of which course, for the front page.")] = "",
    date: Annotated[str, typer.Option(help="When, for the front page.")] = "",
    out: Annotated[Path | None, typer.Option(help="Wait for it, and fetch the PDF to this path.")] = None,
    priority: Priority = 0,
    as_json: AsJson = False,
) -> None:
    """Typeset a sweep's report."""
    from services.cli.watch import watch_jobs
    from services.results.fetch import artifact, report_spec

    client = Client.open(load_settings())
    found = client.sweep(sweep)
    front = {"group": group, "authors": authors, "course": course, "date": date}
    spec = report_spec(client, found, lang=lang, scores=scores or [], front=front)
    job = client.submit("report", spec, sweep=found["id"], label=lang, priority=priority)
    if out is None:
        _show(job, as_json)
        return
    if not watch_jobs(client, "report", [job.id]):
        raise typer.Exit(1)
    console.print(f"{artifact(client, client.job(job.id), 'report.pdf', out)}", markup=False)


for _kind in all_kinds().values():
    if _kind.by_hand and _kind.name not in ("prepare", "report"):
        app.command(_kind.name.replace("_", "-"), help=_kind.about)(command_of(_kind))
