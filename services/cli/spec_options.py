"""A command of `surco submit` made of a kind's spec: one option a field."""

import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape
from rich.table import Table

from jobs.graph import unknown_genre
from jobs.kinds import JobKind, find_kind, parse_spec
from jobs.spec import JobId
from jobs.yaml_text import parse_yaml
from services.cli.common import AsJson, Priority, console, job_row, print_json
from services.cli.job_table import job_table
from services.queue.client import Client
from services.settings import load_settings
from surco.errors import InputError, quoted

Set = Annotated[
    list[str], typer.Option("--set", help="A field of the spec, as key=value (YAML). Repeatable.")
]


def fields(pairs: list[str]) -> dict[str, Any]:
    """Fields from key=value pairs, the values read as YAML."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set {quoted(pair)} has no '='; write key=value.")
        found[key.strip()] = parse_yaml(value, f"--set {quoted(key.strip())}")
    return found


def command_of(kind: JobKind[Any]) -> Callable[..., None]:
    """A function for typer: an option for every field that holds one value, and `--set` for the rest."""
    parameters = []
    for name, info in kind.spec.model_fields.items():
        if (plain := plain_type(info.annotation)) is not None:
            names = [f"--{name.replace('_', '-')}", *([kind.flags[name]] if name in kind.flags else [])]
            option = typer.Option(*names, help=help_of(info), show_default=False)
            one = list[str] if name in kind.several else plain
            wanted = one if info.is_required() else one | None
            parameters.append(
                _parameter(name, Annotated[wanted, option], ... if info.is_required() else None)
            )
    parameters += [
        _parameter("listed", _listed(kind), False),
        _parameter("priority", Priority, 0), _parameter("options", Set, []),
        _parameter("as_json", AsJson, False),
    ]  # fmt: skip

    def command(**given: Any) -> None:
        given.pop("listed")
        hand_in(kind, given.pop("options"), given.pop("as_json"), given, priority=given.pop("priority"))

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _listed(kind: JobKind[Any]) -> Any:
    """An option that lists the fields of the kind's spec, and ends there."""

    def show(asked: bool) -> None:
        if asked:
            console.print(field_table(kind))
            raise typer.Exit

    return Annotated[
        bool,
        typer.Option("--fields", help="List the fields with their defaults.", is_eager=True, callback=show),
    ]


def field_table(kind: JobKind[Any]) -> Table:
    """The fields of a kind's spec: name, default and what it is."""
    table = Table("field", "default", "", box=None, pad_edge=False)
    for name, info in kind.spec.model_fields.items():
        default = "needed" if info.is_required() else str(info.get_default(call_default_factory=True))
        table.add_row(name, escape(default), escape(info.description or ""))
    return table


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty if default is ... else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=empty, annotation=annotation)


def hand_in(
    kind: JobKind[Any], options: list[str], as_json: bool, given: dict[str, Any], *, priority: int = 0
) -> None:
    """Submit a job of these fields; inputs may be the beginnings of ids, or paths of music to prepare."""
    for name, read in kind.several.items():
        given |= read(given.pop(name) or [])
    client = Client.open(load_settings())
    data = {k: v for k, v in {**given, **fields(options)}.items() if v is not None}
    for name, info in kind.spec.model_fields.items():
        if name in data and JobId in _members(info.annotation):
            data[name] = resolve(client, kind, name, info, data[name])
    check_genres_of(client, data)
    label = str(data.get("size", ""))
    job = client.submit(kind.name, parse_spec(kind.name, data), label=label, priority=priority)
    print_json(job_row(job)) if as_json else console.print(job_table([job]))


def check_genres_of(client: Client, data: dict[str, Any]) -> None:
    """Refuse styles that the data set has not, where it is prepared already."""
    asked, dataset = data.get("genres"), data.get("dataset")
    if not isinstance(asked, list) or not isinstance(dataset, str):
        return
    found = client.published(dataset) or {}
    has = found.get("genres")
    if has and (missing := [g for g in asked if g not in has]):
        raise InputError(unknown_genre(missing[0], has))


def resolve(client: Client, kind: JobKind[Any], name: str, info: FieldInfo, value: Any) -> Any:
    """The id of the job that a person means by `value` in a field; a path is handed in to be prepared."""
    words = {w for m in _members(info.annotation) if get_origin(m) is Literal for w in get_args(m)}
    if not isinstance(value, str) or value in words:
        return value
    prepare = find_kind("prepare")
    sources = {part for part, _ in prepare.parts()}
    takes_music = any(name in p.inputs and p.inputs[name].part in sources for p in kind.sweep)
    if takes_music and ("/" in value or Path(value).exists()):
        assert prepare.ask is not None
        return client.submit("prepare", prepare.ask("folder", value), label=name).id
    return client.job(value).id


def plain_type(annotation: Any) -> type | None:
    """The type of an option for a field; None for lists and mappings."""
    found = {str if m is JobId or get_origin(m) is Literal else m for m in _members(annotation)}
    for kind in (str, float, int, bool):
        if found == {kind}:
            return kind
    return None


def _members(annotation: Any) -> list[Any]:
    """The types of a union other than None, or the type itself."""
    if get_origin(annotation) in (Union, types.UnionType):
        return [m for m in get_args(annotation) if m is not types.NoneType]
    return [annotation]


def help_of(info: FieldInfo) -> str:
    """Description and default of a field, and the words it takes."""
    words = [str(w) for m in _members(info.annotation) if get_origin(m) is Literal for w in get_args(m)]
    choice = f"; {', '.join(words)}" if words else ""
    default = "" if info.is_required() or info.default is None else f" (default {info.default})"
    return f"{info.description or ''}{choice}{default}".removeprefix("; ").strip()
