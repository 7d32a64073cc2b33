"""`surco submit`: hand in one job, or a sweep of them."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from jobs.graph import SweepSpec, parse_sweep, read_sweep
from jobs.kinds import parse_spec
from jobs.spec import JobSpec
from services.cli.common import AsJson, console, job_row, job_table, print_json
from services.queue.client import Client
from services.results.outcome import UNFINISHED
from services.settings import load_settings
from surco.errors import InputError

app = typer.Typer(no_args_is_help=True)

Set = Annotated[
    list[str], typer.Option("--set", help="A field of the spec, as key=value (YAML). Repeatable.")
]
JobOption = Annotated[str, typer.Option(help="Job id, or how it starts.")]


def fields(pairs: list[str]) -> dict[str, Any]:
    """Fields from key=value pairs, the values read as YAML."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {pair!r} has no '='; write key=value.")
        found[key.strip()] = yaml.safe_load(value)
    return found


def hand_in(kind: str, data: dict[str, Any], as_json: bool, *, label: str = "") -> None:
    client = Client.open(load_settings())
    data = {k: v for k, v in data.items() if v is not None}
    for key in ("dataset", "codec", "vectors", "prior", "audio"):
        if isinstance(data.get(key), str) and data[key] != "shipped":
            data[key] = client.job(data[key]).id
    _report(client, kind, parse_spec(kind, data), as_json, label)


def _report(client: Client, kind: str, spec: JobSpec, as_json: bool, label: str) -> None:
    job = client.submit(kind, spec, label=label)
    print_json(job_row(job)) if as_json else console.print(job_table([job]))


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(help="demo, gtzan, or the path of a folder or archive.")] = "demo",
    path: Annotated[str | None, typer.Option(help="Where GTZAN lies; without it the hub is asked.")] = None,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Cut a source of music into clips."""
    from jobs.prepare import Spec

    _report(
        Client.open(load_settings()), "prepare", Spec.of(dataset, path, **fields(options)), as_json, "data"
    )


@app.command()
def train(
    dataset: JobOption,
    size: Annotated[int, typer.Option(help="Floats of the vector.")] = 256,
    start: Annotated[str | None, typer.Option("--from", help="shipped, scratch, or a train job.")] = None,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Train a codec of one size."""
    hand_in(
        "train",
        {"dataset": dataset, "size": size, "init": start, **fields(options)},
        as_json,
        label=str(size),
    )


@app.command()
def embed(
    dataset: JobOption,
    codec: JobOption,
    size: Annotated[int, typer.Option(help="Floats of the vector.")] = 256,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Encode a data set to vectors."""
    hand_in(
        "embed",
        {"dataset": dataset, "codec": codec, "size": size, **fields(options)},
        as_json,
        label=str(size),
    )


@app.command()
def evaluate(
    dataset: JobOption,
    codec: JobOption,
    size: Annotated[int, typer.Option(help="Floats of the vector.")] = 256,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Measure a codec on clips that it never saw."""
    hand_in(
        "evaluate",
        {"dataset": dataset, "codec": codec, "size": size, **fields(options)},
        as_json,
        label=str(size),
    )


@app.command()
def cluster(
    vectors: JobOption,
    dataset: JobOption,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Study the relations between vectors."""
    hand_in("cluster", {"vectors": vectors, "dataset": dataset, **fields(options)}, as_json)


@app.command()
def edits(
    vectors: JobOption,
    dataset: JobOption,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Study what edits of vectors do, beside mixing the songs."""
    hand_in("edits", {"vectors": vectors, "dataset": dataset, **fields(options)}, as_json)


@app.command()
def outside(
    vectors: JobOption,
    dataset: JobOption,
    codec: JobOption,
    audio: Annotated[
        str | None, typer.Option(help="Folder of music from outside the data set; else the stress set alone.")
    ] = None,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Encode music from outside and compare it with the data set's own test tracks."""
    from jobs.prepare import Spec

    data = {"vectors": vectors, "dataset": dataset, "codec": codec, "audio": None}
    if audio is not None:
        source = Spec.of("folder", audio)
        data["audio"] = Client.open(load_settings()).submit("prepare", source, label="outside").id
    hand_in("outside", {**data, **fields(options)}, as_json)


@app.command("train-prior")
def train_prior(
    vectors: JobOption,
    dataset: JobOption,
    codec: JobOption,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Train the network that generates vectors."""
    hand_in(
        "train_prior", {"vectors": vectors, "dataset": dataset, "codec": codec, **fields(options)}, as_json
    )


@app.command()
def generate(
    vectors: JobOption,
    dataset: JobOption,
    codec: JobOption,
    prior: Annotated[
        str | None, typer.Option(help="train-prior job; without it, edits of real vectors.")
    ] = None,
    edit: Annotated[
        list[str] | None,
        typer.Option(help="Kind of edit, or an amount by name, such as tempo=1.2. Amounts are repeatable."),
    ] = None,
    options: Set = [],  # noqa: B006
    as_json: AsJson = False,
) -> None:
    """Make songs: edited, or drawn from a prior."""
    data = {"vectors": vectors, "dataset": dataset, "codec": codec, "prior": prior, **edits_of(edit or [])}
    hand_in("generate", {**data, **fields(options)}, as_json)


def edits_of(asked: list[str]) -> dict[str, Any]:
    """The fields of a generate job for what `--edit` says: one kind, or amounts by name."""
    from surco.edits.amounts import Amounts

    kinds, amounts = [e for e in asked if "=" not in e], [e for e in asked if "=" in e]
    if len(kinds) > 1 or (kinds and amounts):
        raise InputError("--edit takes one kind of edit, or amounts such as tempo=1.2; not both.")
    if amounts:
        named = {k.replace("-", "_"): v for k, v in fields(amounts).items()}
        return {"edit": "amounts", "amounts": Amounts.of(named).asked}
    return {"edit": kinds[0] if kinds else None}


@app.command()
def sweep(
    file: Annotated[Path | None, typer.Argument(help="A sweep's YAML file.")] = None,
    sizes: Annotated[str | None, typer.Option(help="Vector sizes, such as 128,256,512.")] = None,
    dataset: Annotated[str | None, typer.Option(help="demo, gtzan, or the path of a folder.")] = None,
    path: Annotated[str | None, typer.Option(help="Where the source lies.")] = None,
    outside: Annotated[str | None, typer.Option(help="Folder of music from outside the data set.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the sweep.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything.")] = None,
    watch: Annotated[bool, typer.Option(help="Stay and show its progress.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hand in a sweep over vector sizes."""
    from services.cli.watch import watch_sweep

    client = Client.open(load_settings())
    found = client.sweep(client.submit_sweep(sweep_of(file, sizes, dataset, path, outside, name, seed)))
    if as_json:
        print_json(found)
    else:
        console.print(
            f"sweep {found['name']} {found['id']}: {len(found['jobs'])} jobs; `surco watch` follows it"
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
    out: Annotated[Path | None, typer.Option(help="Wait for it, and fetch the PDF to this path.")] = None,
    as_json: AsJson = False,
) -> None:
    """Typeset a sweep's report."""
    from services.cli.watch import watch_jobs
    from services.results.fetch import artifact, report_spec

    client = Client.open(load_settings())
    found = client.sweep(sweep)
    spec = report_spec(client, found, lang=lang, scores=scores or [])
    job = client.submit("report", spec, sweep=found["id"], label=lang)
    if out is None:
        print_json(job_row(job)) if as_json else console.print(job_table([job]))
        return
    if not watch_jobs(client, "report", [job.id]):
        raise typer.Exit(1)
    console.print(f"{artifact(client, client.job(job.id), 'report.pdf', out)}")
