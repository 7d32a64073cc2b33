"""The listening page: what is heard and drawn in it, and the one file it is written to."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.files import write_bytes
from surco.page import sounds
from surco.page.bundle import inline
from surco.page.covers import cover
from surco.page.map_layout import SizeVectors, layouts
from surco.page.sounds import Sound

LIMIT = 14_800_000  # bytes of a page, under the 15 MB that still mail and open at once
PREVIEW_S, PREVIEW_KBPS = 3.0, 24  # of points outside the listening set
LANGUAGES = ("en", "es")
VIEWS = ("listen", "blind", "songs", "map")


@dataclass(frozen=True)
class Row:
    """A clip of the listening set: its versions by column, and one figure for each that has one."""

    id: str
    genre: str
    track: str
    sounds: Mapping[str, Sound]  # "original", "ceiling", a size, or a version that `Page.columns` names
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A clip on the map; `sound` is asked for only if there is room for it."""

    id: str
    genre: str
    track: str
    sound: Callable[[], Sound] | None = None


@dataclass(frozen=True)
class Song:
    """A generated song; `recipe` says how it was made, `sources` of which clips if of any.

    Its picture is a file; the page shows a small copy of it.
    """

    title: str
    genre: str
    sound: Sound
    recipe: str = ""
    picture: Path | None = None
    tempo: float | None = None  # BPM
    key: str | None = None
    sources: Sequence[str] = ()


@dataclass(frozen=True)
class EditPath:
    """An edit: its steps in the order in which they are played; `recipe` says which edit."""

    title: str
    sounds: Sequence[Sound]
    recipe: str = ""


@dataclass(frozen=True)
class Compared:
    """An edit of one song beside what it is held against, as a study judged it.

    `sounds` by version: "unedited", "edited" by `amount` of `unit`, and "baseline", made by `rival`.
    """

    edit: str
    amount: float
    unit: str
    answer: str
    rival: str
    sounds: Mapping[str, Sound]


@dataclass(frozen=True)
class Atlas:
    """The map: one list of clips for all sizes; vectors, clusters, songs and edits by size."""

    points: Sequence[Point] = ()
    vectors: Mapping[int, SizeVectors] = field(default_factory=dict)
    clusters: Mapping[int, Sequence[int]] = field(default_factory=dict)  # -1: in none
    songs: Mapping[int, Sequence[Song]] = field(default_factory=dict)
    paths: Mapping[int, Sequence[EditPath]] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Everything that the page shows. `id` names the sweep in saved tests.

    `columns` orders the versions of the rows; without it the original and the ceiling come first, then the
    sizes from the largest down.
    """

    id: str
    title: str
    rows: Sequence[Row] = ()
    atlas: Atlas = field(default_factory=Atlas)
    compared: Mapping[int, Sequence[Compared]] = field(default_factory=dict)  # by size
    columns: Sequence[str] = ()
    views: Sequence[str] = VIEWS
    measure: str = "Zimtohrli"  # what `Row.scores` holds
    digits: int = 2
    language: str = "en"
    sample_rate: int = 22_050
    seed: int = 0


class _Shelf:
    """Collects sounds under running numbers; the same file or array is stored once."""

    def __init__(self, sample_rate: int):
        self.sample_rate = sample_rate
        self.waves: list[NDArray[Any]] = []
        self._known: dict[Any, int] = {}

    def add(self, sound: Sound) -> int:
        key = str(sound) if isinstance(sound, Path) else id(sound)
        if key not in self._known:
            self._known[key] = len(self.waves)
            self.waves.append(sounds.read(sound, self.sample_rate))
        return self._known[key]

    def seconds(self) -> list[float]:
        return [len(w) / self.sample_rate for w in self.waves]


def build_page(page: Page, out: Path, *, limit: int = LIMIT) -> Path:
    """Write the page as one self-contained HTML file of at most `limit` bytes.

    Sounds are coded at the highest rate that fits. Points of the map outside the listening set get a
    three-second preview while there is room, spread over the map; the rest play their nearest
    neighbour and say so.

    Raises
    ------
    InputError : nothing to show, an unknown language, or a listening set too large for the limit
    """
    if page.language not in LANGUAGES:
        raise InputError(f"There is no page in {page.language!r}; choose {' or '.join(LANGUAGES)}.")
    if not page.rows and not page.atlas.vectors:
        raise InputError("This sweep has neither a listening set nor vectors; run evaluate or embed first.")
    shelf = _Shelf(page.sample_rate)
    columns = list(page.columns) or _columns(page.rows)
    rows = [_row(row, shelf) for row in page.rows]
    songs: dict[str, list[dict[str, Any]]] = {
        str(size): [
            {
                "title": s.title,
                "genre": s.genre,
                "recipe": s.recipe,
                "sound": shelf.add(s.sound),
                "picture": s.picture and cover(s.picture),
                "tempo": s.tempo and round(s.tempo),
                "key": s.key,
                "sources": list(s.sources),
            }
            for s in group
        ]
        for size, group in page.atlas.songs.items()
    }
    paths = {
        str(size): [
            {"title": p.title, "recipe": p.recipe, "sounds": [shelf.add(s) for s in p.sounds]} for p in group
        ]
        for size, group in page.atlas.paths.items()
    }
    compared = {
        str(size): [
            {
                **vars(c),
                "amount": round(c.amount, 3),
                "sounds": {k: shelf.add(s) for k, s in c.sounds.items()},
            }
            for c in group
        ]
        for size, group in page.compared.items()
    }
    seconds = shelf.seconds()
    covers = sum(len(s["picture"] or "") for group in songs.values() for s in group)
    for group in songs.values():
        for song in group:
            song["seconds"] = round(seconds[song["sound"]], 1)
    places = layouts(page.atlas.vectors, seed=page.seed)
    points = len(page.atlas.points)
    frame = 260_000 + covers + 90 * points * max(1, len(page.atlas.vectors))  # all that is not sound
    kbps = sounds.best_rate(shelf.seconds(), limit - frame)
    left = limit - frame - sum(sounds.weight(s, kbps) for s in shelf.seconds())
    full = len(shelf.waves)
    clips = _points(page, rows, shelf, places, int(left / sounds.weight(PREVIEW_S, PREVIEW_KBPS)))
    data = {
        "id": page.id,
        "title": page.title,
        "language": page.language,
        "columns": columns,
        "views": list(page.views),
        "measure": {"name": page.measure, "digits": page.digits},
        "clips": rows,
        "compared": compared,
        "map": {
            "sizes": sorted(page.atlas.vectors),
            "clips": clips,
            "layouts": places,
            "clusters": {str(s): [int(c) for c in labels] for s, labels in page.atlas.clusters.items()},
            "songs": songs,
            "paths": paths,
        },
    }
    elements = [
        sounds.element(i, wave, page.sample_rate, kbps if i < full else PREVIEW_KBPS)
        for i, wave in enumerate(shelf.waves)
    ]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_bytes(out, inline(text, "\n".join(elements)).encode())
    return out


def _columns(rows: Sequence[Row]) -> list[str]:
    """Original, ceiling, then the sizes from the largest down."""
    names = {name for row in rows for name in row.sounds}
    sizes = sorted((n for n in names if n.isdigit()), key=int, reverse=True)
    return [n for n in ("original", "ceiling") if n in names] + sizes


def _row(row: Row, shelf: _Shelf) -> dict[str, Any]:
    return {
        "id": row.id,
        "genre": row.genre,
        "track": row.track,
        "sounds": {name: shelf.add(sound) for name, sound in row.sounds.items()},
        "scores": {name: round(float(v), 4) for name, v in row.scores.items() if np.isfinite(v)},
    }


def _points(
    page: Page, rows: list[dict[str, Any]], shelf: _Shelf, places: Mapping[str, Any], room: int
) -> list[dict[str, Any]]:
    """The map's clips, as many with a sound as there is room for, spread over the map."""
    known = {row["id"]: row["sounds"].get("original") for row in rows}
    points = [
        {"id": p.id, "genre": p.genre, "track": p.track, "sound": known.get(p.id)} for p in page.atlas.points
    ]
    if not points or not places:
        return points
    layout = next(iter(places.values()))
    spots = np.array(layout[max(layout, key=int)]["clips"])  # (N, 2)
    mute = {i for i, p in enumerate(points) if p["sound"] is None and page.atlas.points[i].sound is not None}
    heard = [i for i, p in enumerate(points) if p["sound"] is not None] or [0]
    distance = np.min([((spots - spots[i]) ** 2).sum(1) for i in heard], axis=0)  # (N,)
    length = int(PREVIEW_S * page.sample_rate)
    while mute and room > 0:
        i = max(mute, key=lambda j: distance[j])  # the point farthest from any that sounds
        mute.discard(i)
        room -= 1
        source = page.atlas.points[i].sound
        assert source is not None
        wave = sounds.read(source(), page.sample_rate)[:length].copy()
        points[i]["sound"] = shelf.add(wave)
        distance = np.minimum(distance, ((spots - spots[i]) ** 2).sum(1))
    return points
