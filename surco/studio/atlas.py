"""The map: the clips of a data set as points, and where a song stands among them. Runs in the workers.

Points lie by timbre and harmony, the parts that do not hang on where a clip begins or how fast it is played,
by t-SNE. A song is put between the points nearest to it. Every point is kept as a song of one clip that all
pages may ask for, so that it is heard, and gives its parts, like any other.
"""

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from surco.edits.parts import Parts
from surco.errors import InputError
from surco.studio import editing
from surco.studio.asks import Sound
from surco.studio.material import codec, prior
from surco.studio.reading import keep
from surco.studio.sessions import RATE, Song

Array = NDArray[Any]
DEMO = Path(__file__).parent.parent / "datasets" / "demo"
MOST = 1_000  # points that a page draws without stutter
SIZE = 512  # dimensions that points are laid out by
NEAR = 5  # points between which a song is put
HARMONY = 0.7  # weight of harmony against timbre


class Point(NamedTuple):
    """A clip on the map: whose it is, its genre, and its tempo where it is held as eight beats (else 0)."""

    id: str
    name: str
    genre: str
    tempo: float
    original: bool
    gains: list[float]
    place: tuple[float, float] = (0.0, 0.0)


def build(folder: Path, vectors: Path | None) -> dict[str, Any]:
    """Lay out the map and leave its songs in a folder; the answer holds `points` (Point) and `size`.

    vectors : a sweep's vectors of the codec's data set; without it the shipped clips are taken, and what the
        components of the shipped prior lie about
    """
    from surco.page.map_layout import SizeVectors, layouts

    folder.mkdir(mode=0o700, exist_ok=True)
    found = _shipped(folder) if vectors is None else _of_set(folder, vectors)
    if len(found) < 5:
        raise InputError("A map needs five clips at least; this data set has fewer.")
    vectors_of_all = np.stack([_padded(np.fromfile(folder / f"{p.id}.f32", "<f4")) for p in found])
    features = _features(vectors_of_all)
    scale = features[:, 1:].std(0).max()
    laid = layouts({SIZE: SizeVectors(features / max(float(scale), 1e-9))})["tsne"][str(SIZE)]["clips"]
    places = np.asarray(laid, np.float32)
    np.savez(folder / "atlas.npz", features=features, places=places)
    points = [p._replace(place=(float(x), float(y))) for p, (x, y) in zip(found, places, strict=True)]
    return {"points": points, "size": codec().size}


def place(song: Song, ask: Sound, others: dict[str, Song], folder: Path) -> dict[str, Any]:
    """Where a clip, as it is edited, stands on the map, and the indices of the points nearest to it."""
    made, _ = editing.edited_clip(song, ask, others)
    features, places = _laid(folder)
    apart = np.linalg.norm(features[:, 1:] - _features(_padded(made)[None])[:, 1:], axis=1)  # (N,)
    near = np.argsort(apart, kind="stable")[:NEAR]
    weight = 1 / np.maximum(apart[near], 1e-3) ** 2
    x, y = (weight[:, None] * places[near]).sum(0) / weight.sum()
    return {"place": [round(float(x), 4), round(float(y), 4)], "near": near.tolist()}


def _shipped(folder: Path) -> list[Point]:
    from surco.audio.io import read_audio, to_int16

    found = []
    with (DEMO / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        wave = read_audio(DEMO / row["clip"])
        (folder / f"map-{i}.pcm").write_bytes(to_int16(wave).astype("<i2").tobytes())
        name = f"{row['artist']}: {row['title']}"[:80]
        found.append(_kept(folder, i, codec().encode(wave[: 5 * RATE]), name, row["style"], original=True))
    try:
        known = prior()
    except InputError:  # of another codec
        return found
    for i, (centre, tempo) in enumerate(zip(known.centres, known.tempi, strict=True)):
        name = Path(known.tracks[i]).stem
        found.append(_kept(folder, len(rows) + i, centre, name, known.genres[i], tempo=float(tempo)))
    return found


def _of_set(folder: Path, path: Path) -> list[Point]:
    from surco.latents.vectors import VectorSet

    held = VectorSet.load(path)
    if held.codec != codec().fingerprint:
        raise InputError(f"The vectors for the map are of codec {held.codec}, not {codec().fingerprint}.")
    chosen = np.linspace(0, len(held.clips) - 1, min(MOST, len(held.clips))).astype(int)
    return [_kept(folder, int(i), held.vectors[i], Path(held.clips[i]).stem, held.genres[i]) for i in chosen]


def _kept(
    folder: Path,
    number: int,
    vector: Array,
    name: str,
    genre: str,
    *,
    tempo: float = 0.0,
    original: bool = False,
) -> Point:
    full = np.pad(np.asarray(vector, np.float32), (0, codec().size - len(vector)))
    kept = keep(full[None], folder / f"map-{number}")
    return Point(f"map-{number}", name, genre, round(tempo, 1), original, kept["gains"])


def _padded(vector: Array) -> Array:
    """The first `SIZE` dimensions (D,), what is not there being 0."""
    size = min(SIZE, codec().size)
    return np.pad(vector[:size], (0, max(0, size - len(vector)))).astype(np.float32)


def _features(vectors: Array) -> Array:
    """Gain, timbre and harmony (N, k) of vectors (N, D), each part in a unit of its own."""
    timbre, harmony, units = _kinds(vectors.shape[1])
    parts = [vectors[:, :1], vectors[:, timbre] / units[0], HARMONY * vectors[:, harmony] / units[1]]
    return np.concatenate(parts, 1).astype(np.float32)


@lru_cache(maxsize=2)
def _kinds(size: int) -> tuple[Array, Array, tuple[float, float]]:
    parts = Parts(codec(), size)
    ones = np.ones(size)
    rows = [np.flatnonzero(parts.part(ones, name)) for name in ("timbre", "harmony")]
    reach = (codec().high - codec().low).cpu().numpy()  # (D,) range of each dimension in training
    units = [float(np.linalg.norm(reach[r])) if len(r) else 1.0 for r in rows]
    return rows[0], rows[1], (units[0], units[1])


@lru_cache(maxsize=2)
def _laid(folder: Path) -> tuple[Array, Array]:
    with np.load(folder / "atlas.npz") as held:
        return held["features"], held["places"]
