"""Commands that are imported when they are called, so that `surco --help` answers at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
import typer.core
import typer.main


@dataclass(frozen=True)
class Verb:
    """A command, or a group of them: what `--help` says of it, and where it stands.

    `home` is `module:attribute`, a function or a `typer.Typer`; `help` the first line of its docstring.
    A verb is shown where the packages it `needs` are installed.
    """

    name: str
    home: str
    help: str
    panel: str = "Codec"
    needs: tuple[str, ...] = ()

    @property
    def available(self) -> bool:
        """Whether all that it needs is installed; nothing is imported to tell."""
        return all(find_spec(package) is not None for package in self.needs)

    def target(self) -> Any:
        """The function or `typer.Typer` itself, imported now."""
        module, _, attribute = self.home.partition(":")
        return getattr(import_module(module), attribute)

    def command(self) -> Any:
        """The command, ready to parse its arguments."""
        target = self.target()
        if isinstance(target, typer.Typer):
            made: Any = typer.main.get_group(target)
            made.help = self.help
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(self.name)(target)
            made = typer.main.get_command(alone)
        made.name = self.name
        return made


def build(verbs: Iterable[Verb], help: str) -> typer.Typer:
    """The application of the verbs that are available."""
    table = {verb.name: verb for verb in verbs if verb.available}

    class Verbs(typer.core.TyperGroup):
        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, listed, rest = super().resolve_command(ctx, args)
            return name, table[name].command() if name in table else listed, rest

    app = typer.Typer(cls=Verbs, help=help, no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(lambda: None)
    for verb in table.values():
        app.command(verb.name, help=verb.help, rich_help_panel=verb.panel)(lambda: None)
    return app
