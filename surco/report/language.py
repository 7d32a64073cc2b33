"""Language and numbers of the report in one language, and the limits that choose between sentences."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from surco.errors import InputError
from surco.judgement import Levels, judgement
from surco.metrics.aggregate import Estimate

HERE = Path(__file__).parent
LANGUAGES = ("en", "es")
DASH = "–"
FEWEST = judgement().edits.fewest  # tracks for an interval
_SPECIAL: Any = str.maketrans({c: f"\\{c}" for c in "\\#$*_`<>@[]~=/+-'\""})


@cache
def texts(language: str) -> dict[str, str]:
    """All texts of a language by dotted key."""
    if language not in LANGUAGES:
        raise InputError(f"There is no report in {language!r}; choose {' or '.join(LANGUAGES)}.")
    tree = tomllib.loads((HERE / "texts" / f"{language}.toml").read_text(encoding="utf-8"))
    found: dict[str, str] = {}

    def walk(node: dict[str, Any], above: str) -> None:
        for key, value in node.items():
            if isinstance(value, dict):
                walk(value, f"{above}{key}.")
            else:
                found[above + key] = " ".join(value.split()).replace("p = {", "p\u00a0=\u00a0{")

    walk(tree, "")
    return found


@cache
def _reasons() -> list[tuple[str, re.Pattern[str]]]:
    """The English sentences under `reason`, with what stands in their {places} in groups."""
    found = []
    for key, text in texts("en").items():
        if key.startswith("reason."):
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(text))
            found.append((key, re.compile(pattern, re.DOTALL)))
    return found


def escape(text: Any) -> str:
    """Plain text as Typst markup."""
    return str(text).translate(_SPECIAL)


class Language:
    """The report's voice: `say` for sentences, `number` and its kin for figures."""

    def __init__(self, language: str):
        self.language = language
        self._texts = texts(language)

    @property
    def decimal(self) -> str:
        """The decimal sign."""
        return "," if self.language == "es" else "."

    def has(self, key: str) -> bool:
        return key in self._texts

    def say(self, key: str, **values: Any) -> str:
        """The Typst markup of a text with its {places} filled; what fills them is taken as plain text."""
        return self._texts[key].format_map({name: escape(value) for name, value in values.items()})

    def plain(self, key: str) -> str:
        """A text without places as it stands, for figures and table cells."""
        return self._texts[key]

    def name(self, group: str, key: str) -> str:
        """What a measure, system, attribute, ... is called; the key itself where it has no name here."""
        return self._texts.get(f"{group}.{key}".replace(" ", "_"), key.replace("_", " "))

    def style(self, name: str) -> str:
        """A style of music; one that is not known here keeps its name."""
        return self._texts.get(f"style.{name}", name)

    def reason(self, text: str) -> str:
        """Why a file was left out, in this language; a sentence that is not known here stays as it is."""
        for key, pattern in _reasons():
            if found := pattern.fullmatch(text):
                return self._texts[key].format_map(found.groupdict())
        return text

    def number(self, value: float | None, digits: int = 2) -> str:
        """A number in the language's writing; a dash for what is missing."""
        if value is None or not np.isfinite(value):
            return DASH
        text = f"{float(value):,.{digits}f}"
        if float(text.replace(",", "")) == 0:
            text = text.lstrip("-")
        text = text.replace("-", "−")
        if self.decimal == ",":
            text = text.replace(",", "\u202f").replace(".", ",")
        return text

    def percent(self, share: float | None, digits: int = 0) -> str:
        """A share as per cent."""
        text = self.number(None if share is None else 100 * share, digits)
        return text if text == DASH else f"{text}\u00a0%"

    def interval(
        self,
        estimate: Estimate | Mapping[str, float | None] | None,
        digits: int = 2,
        *,
        percent: bool = False,
    ) -> str:
        """An estimate with its 95 % interval, which fewer than eight tracks do not give: 2.31 [2.1, 2.5]."""
        if estimate is None:
            return DASH
        known = estimate.to_json() if isinstance(estimate, Estimate) else estimate
        scale = 100 if percent else 1
        mean, low, high = (
            None if value is None else scale * value
            for value in (known.get(k) for k in ("mean", "low", "high"))
        )
        if mean is None:
            return DASH
        text = self.number(mean, digits)
        if low is not None and high is not None and (known.get("tracks") or FEWEST) >= FEWEST:
            comma = ";" if self.decimal == "," else ","
            text += f"\u00a0[{self.number(low, digits)}{comma}\u00a0{self.number(high, digits)}]"
        return text + ("\u00a0%" if percent else "")

    def listing(self, items: list[str]) -> str:
        """a, b and c."""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self._texts['word.and']} {items[-1]}"


def level(value: float, limits: Levels) -> str:
    """The name of the first [least, name] that `value` reaches; the last name serves for all below."""
    return next((name for least, name in limits if value >= least), limits[-1][1])
