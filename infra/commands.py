"""Write docs/commands.md from the command line itself: python -m infra.commands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.cli import VERBS
from surco.cli import VERBS as CODEC

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
HEAD = """# Commands

Every command and option, written by `python -m infra.commands` from the command line itself.
`encode`, `decode`, `info`, `version` and `make-song` come with `pip install surco`, `edit` with
`surco[study]`, `studio` with `surco[studio]`, the others with a checkout.
"""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [HEAD, *(line for verb in (*CODEC, *VERBS) for line in _section(verb.command(), verb.name))]
    )


def _section(command: Any, words: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join([words, *(_usage(p) for p in arguments)])
        yield f"### `surco {usage}`\n\n{' '.join(command.help.split())}\n"
        rows = [f"| {_name(p)} | {_told(p)} |" for p in command.params if p.name != "help"]
        if rows:
            yield "\n".join(["| | |", "|---|---|", *rows, ""])
        return
    yield f"## `surco {words}`\n\n{command.help}\n"
    for name, one in below.items():
        yield from _section(one, f"{words} {name}")


def _usage(param: Any) -> str:
    return param.name.upper() if param.required else f"[{param.name.upper()}]"


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`"
    return "`" + "`, `".join([*param.opts, *param.secondary_opts]) + "`"


def _told(param: Any) -> str:
    given = param.default
    plain = isinstance(given, str | int | float | Path) and not isinstance(given, bool) and given != ""
    needed = " Required." if param.required and param.param_type_name == "option" else ""
    return f"{' '.join(param.help.split())}{needed}{f' Default: {given}.' if plain else ''}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
