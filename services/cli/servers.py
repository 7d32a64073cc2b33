"""Commands about servers and workers."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from services.cli.common import AsJson, console, print_json
from services.queue.broker import QUEUES
from services.settings import load_settings
from services.stack import Stack
from services.stack.plan import SERVERS, WORKER
from surco.errors import InputError

stack = typer.Typer(no_args_is_help=True)


def _stack() -> Stack:
    return Stack(load_settings(servers=False).stack)


@stack.command()
def up(worker: Annotated[bool, typer.Option(help="Also run a worker.")] = True) -> None:
    """Start the embedded servers and wait until they answer."""
    with console.status("starting the servers"):
        _stack().up((*SERVERS, WORKER) if worker else SERVERS, exist_ok=True)
    status()


@stack.command()
def down() -> None:
    """Stop the embedded servers; nothing they hold is lost."""
    console.print("stopped" if _stack().down() else "no stack was up")


@stack.command()
def status(as_json: AsJson = False) -> None:
    """Each server's state and address."""
    found = _stack().status()
    if as_json:
        print_json(found)
        return
    table = Table("server", "state", "address", "pid", "restarts", "up, s", box=None, pad_edge=False)
    for name, server in found.items():
        row = (server["state"], server["address"], server["pid"], server["restarts"], server["uptime_s"])
        table.add_row(name, *("" if value is None else str(value) for value in row))
    for name, server in found.items():
        if server["error"] and server["state"] not in ("ready", "stopped"):
            table.caption = f"{table.caption or ''}{escape(name)}: {escape(server['error'])}\n"
    console.print(table if found else "no stack has been started here; `surco stack up` starts one")


@stack.command()
def repair() -> None:
    """Mend a Redis that does not start because its append-only file is damaged."""
    found = _stack().repair()
    if found.kept is None:
        console.print("nothing is damaged")
        return
    for name, (now, before) in found.cut.items():
        console.print(f"{name}: kept {now} of {before} bytes", highlight=False)
    console.print(
        f"the damaged files are kept in {found.kept}; `surco stack up`, then `surco rebuild`, brings back "
        "from S3 what was lost with them",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


@stack.command("logs")
def stack_logs(
    server: Annotated[str, typer.Argument(help="redis, s3, mlflow or worker.")],
    lines: Annotated[int, typer.Option("-n", help="How many lines from the end.")] = 100,
) -> None:
    """The end of a server's log."""
    path = _stack().log_path(server)
    if server not in (*SERVERS, WORKER) or not path.is_file():
        raise InputError(f"There is no log of {server!r}; choose one of {', '.join((*SERVERS, WORKER))}.")
    for line in path.read_text(errors="replace").splitlines()[-lines:]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def worker(
    queue: Annotated[
        list[str], typer.Option(help="Queue to serve: gpu or cpu. Repeatable; both if not given.")
    ] = list(QUEUES),  # noqa: B006
    concurrency: Annotated[int | None, typer.Option(help="Jobs at a time.")] = None,
) -> None:
    """Run jobs until told to stop."""
    for name in queue:
        if name not in QUEUES:
            raise InputError(f"There is no queue {name!r}; choose {' or '.join(QUEUES)}.")
    from services.worker.app import serve

    serve(tuple(queue), concurrency)


def doctor(as_json: AsJson = False) -> None:
    """Check servers, GPU, disk and versions, and say the remedy."""
    from services.cli.doctor import examine

    checks = examine(load_settings(servers=False))
    if as_json:
        print_json([c.__dict__ for c in checks])
    else:
        table = Table("", "check", "found", "remedy", box=None, pad_edge=False)
        for check in checks:
            table.add_row(
                "[green]✓" if check.ok else "[red]✗", check.name, *map(escape, (check.detail, check.remedy))
            )
        console.print(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)
