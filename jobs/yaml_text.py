"""YAML from people: plain values alone, of a bounded size, depth and length.

What a sweep or a spec needs is text, numbers, lists and mappings. Aliases (a few lines of them unfold to
gigabytes), tags, dates and keys that are no text are refused; every way to fail is one `InputError`.
"""

import math
import re
from pathlib import Path
from typing import Any

import yaml

from surco.errors import InputError, middle_out
from surco.files import regular_file

MAX_CHARACTERS = 100_000
MAX_DEPTH = 20
MAX_DIGITS = 18  # of a whole number: what JSON's readers keep apart


class _Plain(yaml.SafeLoader):
    """`yaml.SafeLoader` without dates, merged mappings and binary data: those stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as yaml declares it
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.rpartition(":")[2] in ("bool", "float", "int", "null")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_yaml(text: str, what: str) -> Any:
    """The value of a YAML text: None, bool, int, float, str, and lists and mappings (by text) of these.

    Args:
        text: the YAML.
        what: what people call it, such as "--set" or the path of a file.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{what} has over {MAX_CHARACTERS:,} characters; none that is read is as long.")
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Plain):
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise InputError(f"{what} uses aliases (& and *), which are not read; write values out.")
            if getattr(event, "tag", None):
                raise InputError(f"{what} uses tags (!), which are not read; write plain values.")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                raise InputError(f"{what} is nested over {MAX_DEPTH} levels deep; none that is read is.")
        # a SafeLoader with fewer types: it makes nothing but text, numbers, lists and mappings
        return _checked(yaml.load(text, Loader=_Plain), what)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, ArithmeticError, RecursionError, LookupError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{what} is no valid YAML ({middle_out(reason, 120)}); correct it.") from None


def read_yaml(path: Path) -> Any:
    """The value of a YAML file."""
    try:
        with regular_file(path).open("rb") as file:
            text = file.read(4 * MAX_CHARACTERS + 1).decode("utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8; save it as such.") from None
    return parse_yaml(text, str(path))


def _checked(value: Any, what: str) -> Any:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{what} has a key that is no text; put it in quotes.")
        return {_checked(key, what): _checked(inner, what) for key, inner in value.items()}
    if isinstance(value, list):
        return [_checked(inner, what) for inner in value]
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise InputError(f"{what} has a whole number of over {MAX_DIGITS} digits; no field takes one.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{what} has a number that is infinite or none; no field takes one.")
    if isinstance(value, str) and re.search("[\ud800-\udfff\0]", value):
        raise InputError(f"{what} has a character that no text can have; leave it out.")
    return value
