"""A folder's manifest.csv: which of its files are clips of what style, split and track."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from surco.datasets.manifest import Split
from surco.errors import InputError, middle_out, quoted
from surco.files import regular_file, safe_name

LISTING = "manifest.csv"
MOST_BYTES = 256 << 20
_COLUMNS = ("clip", "style", "split", "track")


@dataclass(frozen=True)
class ListedFile:
    """One row."""

    path: Path
    clip: str  # relative to the folder, with slashes
    track: str
    style: str
    split: str


def read_listing(root: Path) -> list[ListedFile]:
    """The rows of a folder's manifest.csv.

    Raises InputError if it is no such table, or names a file outside the folder, a style or track that can be
    no part of a file name, another split, or one track in two splits.
    """
    listing = regular_file(root / LISTING)
    if listing.stat().st_size > MOST_BYTES:
        raise InputError(f"{listing} has over {MOST_BYTES >> 20} MB; no listing of music is as long.")
    try:
        with listing.open(newline="", encoding="utf-8") as file:
            rows = [
                {key: value for key, value in row.items() if isinstance(key, str) and isinstance(value, str)}
                for row in csv.DictReader(file)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{listing} is no CSV text in UTF-8; correct or remove it.") from error
    except OSError as error:
        raise InputError(f"{listing} cannot be read ({error.strerror}); correct or remove it.") from error
    missing = [c for c in _COLUMNS if not rows or not rows[0].get(c)]
    if missing:
        raise InputError(f"{listing} has no rows with {', '.join(missing)}; correct or remove it.")
    found, seen = [], dict[str, str]()
    for number, row in enumerate(rows, 2):
        absent = [c for c in _COLUMNS if not row.get(c)]
        if absent:
            raise InputError(f"{listing} has no {', '.join(absent)} in line {number}; correct it.")
        path = _inside(root, row["clip"], listing)
        safe_name(row["style"], f"style in {listing}")
        if row["split"] not in get_args(Split):
            raise InputError(f"{listing} has the split {quoted(row['split'])}; use train, valid or test.")
        if seen.setdefault(row["track"], row["split"]) != row["split"]:
            raise InputError(
                f"{listing} has the track {middle_out(row['track'], 60)} in two splits; give it one."
            )
        found.append(ListedFile(path, row["clip"], row["track"], row["style"], row["split"]))
    return found


def _inside(root: Path, clip: str, listing: Path) -> Path:
    try:
        path = (root / clip).resolve()
        inside = path.is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside:
        raise InputError(f"{listing} names {quoted(clip)}, which is outside the folder; correct it.")
    return path
