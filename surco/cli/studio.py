"""`surco studio`: the web page on the codec."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer


def studio(
    host: Annotated[
        str, typer.Option(help="Where it listens; beyond this machine its address holds a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes any that is free.")] = 8360,
    codec: Annotated[Path | None, typer.Option(help="A codec's file; the shipped one if not given.")] = None,
    vectors: Annotated[
        Path | None,
        typer.Option(help="A data set's vectors, of the same codec, for the map; else the shipped clips."),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            help="A sweep of the running stack, NAME or NAME:SIZE: its model, its clips on the map."
        ),
    ] = None,
    prior: Annotated[
        Path | None, typer.Option(help="A prior of bars that makes songs; the shipped one if not given.")
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0 is one a core.")] = 0,
    root_path: Annotated[str, typer.Option(help="The path under which a proxy shows it.")] = "",
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A name by which it may be asked, beside localhost. Repeatable.")
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Watch the jobs of a running stack without changing them.")
    ] = False,
    mlflow: Annotated[
        str, typer.Option(help="Where browsers reach MLflow, if not at the address that the jobs use.")
    ] = "",
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Open the studio: hear a song at every size and play with its vector, in the browser."""
    from surco import warm
    from surco.studio.serve import serve

    with redirect_stdout(sys.stderr):
        warm.main()  # once on a machine
    with ExitStack() as held:
        if sweep is not None:
            codec, vectors = _model(sweep, held.enter_context(model_folder()))
        serve(
            host=host, port=port, codec=codec, vectors=vectors, prior=prior, workers=workers,
            root_path=root_path, hosts=allow_host or (), extensions=list(_extensions(read_only, mlflow)),
            open_page=browser,
        )  # fmt: skip


@contextmanager
def model_folder() -> Iterator[Path]:
    """A temporary folder that goes with the server, also where SIGTERM ends it."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="surco-model-") as folder:
            yield Path(folder)
    finally:
        signal.signal(signal.SIGTERM, before)


def _model(sweep: str, folder: Path) -> tuple[Path, Path]:
    """Codec and vectors of a sweep, which the services of a checkout fetch; a module names it `MODEL`."""
    from surco.cli import extensions
    from surco.errors import InputError

    for module in extensions():
        home, _, name = getattr(module, "MODEL", "").partition(":")
        if home:
            found: tuple[Path, Path] = getattr(import_module(home), name)(sweep, folder)
            return found
    raise InputError("Sweeps are opened from a checkout with its services; give --codec a file instead.")


def _extensions(read_only: bool, mlflow: str) -> Iterator[Any]:
    """Views that the services of a checkout add: a module names its maker as `STUDIO`."""
    from surco.cli import extensions

    for module in extensions():
        home, _, name = getattr(module, "STUDIO", "").partition(":")
        made = getattr(import_module(home), name)(read_only=read_only, mlflow=mlflow) if home else None
        if made is not None:
            yield made
