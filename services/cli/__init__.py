"""`surco`: the command line. Every command is short; what it does stands in the module it calls."""

import sys

import redis
import typer

from services.cli import jobs, results, servers, submit
from services.cli.common import console_error
from services.errors import ServerDown
from surco.edits.command import edit
from surco.errors import InputError

app = typer.Typer(
    help="Surco: the smallest vector that still holds a song.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(submit.app, name="submit", help="Hand in a job or a sweep.")
app.add_typer(servers.stack, name="stack", help="The embedded servers: up, down, status, logs.")
app.add_typer(jobs.dead, name="dead", help="The dead list: list, replay, drop.")
for command in (*jobs.COMMANDS, *servers.COMMANDS, *results.COMMANDS, edit):
    app.command()(command)


def main() -> None:
    """Run the command line: bad input and dead servers are one sentence and exit code 2."""
    try:
        app()
    except (InputError, ServerDown) as error:
        console_error(str(error))
        sys.exit(2)
    except redis.ConnectionError as error:
        console_error(f"Redis went away ({error}); see `surco doctor`.")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
