"""Two sweeps side by side: what their evaluations measured, and a page with the same clips of both."""

import tempfile
from pathlib import Path
from typing import Any

from jobs.done import parse_done
from services.queue.client import Client
from services.queue.ledger import DONE
from services.results.fetch import artifact, jobs_of
from surco.errors import InputError
from surco.files import disk_errors, safe_join
from surco.metrics.comparison import Comparison, compare
from surco.metrics.scores import Scores
from surco.page.page import Page, Row, build_page

Sweep = dict[str, Any]
SHARED = ("original", "ceiling")  # columns that stand once where both sweeps have the same sound


class Side:
    """One of the two sweeps: its name here, and by size its evaluate job and what it measured."""

    def __init__(self, client: Client, sweep: Sweep, name: str, folder: Path):
        self.client, self.name, self.folder = client, name, folder
        self.scores: dict[int, Scores] = {}
        self.jobs: dict[int, str] = {}
        for job in jobs_of(client, sweep, "evaluate"):
            if job.state == DONE:
                found = Scores.load(artifact(client, job, "scores.json", folder / job.id / "scores.json"))
                self.scores[found.size], self.jobs[found.size] = found, job.id
        if not self.scores:
            raise InputError(
                f"Sweep {name} has measured no size; `surco watch {sweep['id'][:12]}` shows why."
            )

    def sounds(self, size: int) -> dict[str, dict[str, Path]]:
        """By clip kept to be heard at this size, its sounds: "original", "ceiling" and "decoded"."""
        data = self.client.store.get_bytes(f"jobs/{self.jobs[size]}/DONE.json")
        done = parse_done(self.jobs[size], data or b"")
        found: dict[str, dict[str, Path]] = {}
        for name in done["artifacts"]:
            *middle, last = name.split("/")
            if middle[:1] != ["listening"] or not last.endswith(".wav") or last.startswith("textured-"):
                continue
            path = safe_join(self.folder / self.jobs[size], name, "sound")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.client.store.get(f"{done['prefix']}/{name}", path)
            found.setdefault("/".join(middle[1:]), {})[last.removesuffix(".wav").partition("-")[0]] = path
        return found


def compare_sweeps(
    client: Client, first: Sweep, second: Sweep, names: tuple[str, str], *, out: Path | None = None
) -> Comparison:
    """Compare what two sweeps measured; with `out` also write the page of the clips that both kept.

    Raises
    ------
    InputError : one sweep twice, a sweep that measured nothing, no size in common, or with `out` no clip
    """
    if first["id"] == second["id"]:
        raise InputError(f"Both are sweep {first['id'][:12]}; name two sweeps (`surco sweeps` lists them).")
    with tempfile.TemporaryDirectory(prefix="surco-") as scratch:
        sides = [
            Side(client, sweep, name, Path(scratch) / str(i))
            for i, (sweep, name) in enumerate(zip((first, second), names, strict=True))
        ]
        found = compare(sides[0].scores, sides[1].scores)
        if not found.sizes:
            has = "; ".join(f"{s.name}: {', '.join(map(str, sorted(s.scores)))}" for s in sides)
            raise InputError(f"The sweeps have no size in common ({has}); submit one at a size of the other.")
        if out is not None:
            with disk_errors(out):
                build_page(_page(sides, found.sizes, (first["id"], second["id"])), out)
    return found


def _page(sides: list[Side], sizes: list[int], ids: tuple[str, str]) -> Page:
    """A row a clip that both kept; a column a sweep at a size, those of one size beside each other."""
    rows: dict[str, Row] = {}
    order: list[str] = []  # of the columns
    for size in reversed(sizes):
        if len({side.scores[size].dataset for side in sides}) > 1:
            continue
        heard = [side.sounds(size) for side in sides]
        for clip in sorted(heard[0].keys() & heard[1].keys()):
            about = next((c for c in sides[0].scores[size].clips if c.id == clip), None)
            if about is None:
                continue
            row = rows.setdefault(clip, Row(clip, about.genre, about.track, {}, {}))
            for side, sounds in zip(sides, heard, strict=True):
                _add(row, order, side, size, sounds[clip])
    if not rows:
        raise InputError(
            "The sweeps kept no clip in common to be heard; compare sweeps of one data set and seed."
        )
    ranks = {kind: i for i, kind in enumerate(SHARED)}
    order.sort(key=lambda name: ranks.get(name.partition(" · ")[0], len(SHARED)))
    return Page(
        id=f"{ids[0][:8]}-{ids[1][:8]}",
        title=" | ".join(side.name for side in sides),
        rows=[rows[clip] for clip in sorted(rows)],
        columns=order,
        views=("listen", "blind"),
    )


def _add(row: Row, order: list[str], side: Side, size: int, sounds: dict[str, Path]) -> None:
    """Put a side's sounds of a clip into its row; those that both sides share stand there once."""
    found = side.scores[size]
    place = next(i for i, clip in enumerate(found.clips) if clip.id == row.id)
    assert isinstance(row.sounds, dict) and isinstance(row.scores, dict)
    for kind, path in sounds.items():
        name = kind if kind in SHARED else f"{size} · {side.name}"
        if kind in row.sounds and path.read_bytes() != Path(row.sounds[kind]).read_bytes():
            name = f"{kind} · {side.name}"  # such as the ceiling of another vocoder
        row.sounds.setdefault(name, path)
        if name not in order:
            order.append(name)
        value = None
        if kind != "original":
            value = found.value("decoded" if kind == "decoded" else "ceiling", "zimtohrli", place)
        if value is not None:
            row.scores.setdefault(name, value)
