"""A prior over vectors of eight beats: a mixture of local Gaussians, each about one place of the music.

A network that learns the density of a few hundred numbers from some thousands of clips ends near a
Gaussian, whose draws are textures. With vectors that all begin on a beat at one tempo the density can be
kept local: every component is fitted to one training vector and its nearest neighbours of the genre from
other tracks, and what it adds to their mean are combinations of how they differ, which have a beat
and chords of their own. A draw is

    centre + z @ axes,    z standard normal (R,),

a mixture of probabilistic principal component analysers without their noise (Tipping and Bishop, 1999), or a
kernel density whose kernel is the local covariance (Vincent and Bengio, "Manifold Parzen Windows",
2002). No training vector is held; how many draws pass for a copy of one is counted when it is fitted.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.beats import BEATS, CLIP, playing
from surco.prior.memorisation import distances, fit_copy_detector
from surco.tensors import all_tensors, broken_file, header, open_tensors

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "prior.safetensors"
NEIGHBOURS = 48  # beside the vector itself: twice the axes, so that only what several have in common is kept
RANK = 24  # axes of a component
_KEY = "surco-bars"
_STEPS = 127  # of an 8-bit number, either side of nothing


@dataclass
class BarPrior:
    """Components (M), in the order of their tracks.

    Attributes
    ----------
    centres : (M, D) vectors of eight beats
    axes : (M, R, D) how draws differ from them, by one standard deviation each
    tempi : (M,) BPM of the music that each was fitted about
    genres, tracks : M names
    codec, dataset : fingerprints of what the vectors came from
    copied : share of draws that passed for a copy of a training vector when it was fitted; NaN if not tried
    """

    centres: Array
    axes: Array
    tempi: Array
    genres: list[str]
    tracks: list[str]
    codec: str
    dataset: str
    copied: float = float("nan")

    @property
    def size(self) -> int:
        return int(self.centres.shape[1])

    @property
    def known(self) -> list[str]:
        """The genres there are."""
        return sorted(set(self.genres))

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all that draws depend on."""
        digest = hashlib.sha256(json.dumps([self.genres, self.tracks, self.codec]).encode())
        for name, value in sorted(self._tensors().items()):
            digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()[:16]

    def require(self, *, codec: str) -> "BarPrior":
        """Itself, or an InputError if it was fitted to vectors of another codec."""
        if codec != self.codec:
            raise InputError(
                f"This prior was fitted to vectors of codec {self.codec}, not of {codec}; fit one for it."
            )
        return self

    def rows(self, genre: str) -> Array:
        """The components (n,) of a genre; an InputError names the genres there are."""
        found = np.flatnonzero(np.array(self.genres) == genre)
        if not len(found):
            raise InputError(f"Unknown genre '{genre}'; this prior knows {', '.join(self.known)}.")
        return found

    def first(self, rng: np.random.Generator, genre: str) -> int:
        """A component of a genre, each track as likely as any other."""
        rows = self.rows(genre)
        tracks = np.array(self.tracks)[rows]
        return int(rng.choice(rows[tracks == rng.choice(np.unique(tracks))]))

    def after(self, row: int) -> int:
        """The component that follows in the same track, round and round; else the nearest of the genre."""
        own = np.flatnonzero(np.array(self.tracks) == self.tracks[row])
        if len(own) > 1:
            return int(own[(np.searchsorted(own, row) + 1) % len(own)])
        rows = self.rows(self.genres[row])
        apart = distances(self.centres[row][None], self.centres[rows])[0]
        return int(rows[np.argsort(apart, kind="stable")[min(1, len(rows) - 1)]])

    def at(self, row: int, z: Array) -> Array:
        """The vector (D,) that z (R,) gives at a component."""
        result: Array = (self.centres[row] + z @ self.axes[row]).astype(np.float32)
        return result

    def carried(self, row: int, z: Array, to: int) -> Array:
        """The z (R,) at another component that differs from its centre as z at `row` did from its own."""
        moved = z @ self.axes[row]  # (D,)
        found: Array = np.linalg.lstsq(self.axes[to].T.astype(np.float64), moved, rcond=1e-3)[0]
        size = np.linalg.norm(found)
        return found * min(1.0, np.sqrt(len(z)) / max(float(size), 1e-9))

    def draw(self, rng: np.random.Generator, genre: str) -> tuple[Array, float]:
        """A vector (D,) of a genre and its tempo."""
        row = self.first(rng, genre)
        return self.at(row, rng.standard_normal((self.axes.shape[1],))), float(self.tempi[row])

    @classmethod
    def fit(
        cls,
        memory: VectorSet,
        tempi: Array,
        *,
        more: Array | None = None,
        most: int = 320,
        tried: int = 200,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> "BarPrior":
        """Fit to training vectors of eight beats, in the order of their tracks, and their tempi (N,).

        At most so many components are made, spread over genres and tracks; `tried` draws are tested for
        copies. `more` (m, D) are vectors of eight beats of no genre, which fill up the neighbours of a vector
        whose genre has too few of other tracks (`surco.prior.borrowed`).

        Raises InputError for fewer than three tracks.
        """
        genres, tracks = np.array(memory.genres), np.array(memory.tracks)
        chosen = spread(memory.genres, memory.tracks, most)
        centres, axes = [], []
        for done, row in enumerate(chosen):
            others = np.flatnonzero((genres == genres[row]) & (tracks != tracks[row]))
            apart = distances(memory.vectors[row][None], memory.vectors[others])[0]
            near = others[np.argsort(apart, kind="stable")[:NEIGHBOURS]]
            x = memory.vectors[[row, *near]].astype(np.float64)  # (k, D)
            if more is not None and len(near) < NEIGHBOURS:
                apart = distances(memory.vectors[row][None], more)[0]
                nearest = np.argsort(apart, kind="stable")[: NEIGHBOURS - len(near)]
                x = np.concatenate([x, more[nearest].astype(np.float64)])
            centre = x.mean(0)
            _, spread_out, directions = np.linalg.svd(x - centre, full_matrices=False)
            kept = min(RANK, len(x) - 1, memory.size)
            part = np.zeros((RANK, memory.size))
            part[:kept] = spread_out[:kept, None] * directions[:kept] / np.sqrt(max(len(x) - 1, 1))
            centres.append(centre)
            axes.append(part)
            progress(done + 1, len(chosen))
        made = cls(
            np.array(centres, np.float32),
            np.array(axes, np.float32),
            np.asarray(tempi, np.float32)[chosen],
            [memory.genres[i] for i in chosen],
            [memory.tracks[i] for i in chosen],
            memory.codec,
            memory.dataset,
        )
        detector = fit_copy_detector(memory)
        rng = np.random.default_rng(0)
        drawn = [made.draw(rng, str(g))[0] for g in rng.choice(made.known, tried)]
        made.copied = float(np.mean([m.copy for m in detector.check(np.stack(drawn))]))
        return made

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write one safetensors file, centres in half precision and axes in 8 bits a number."""
        about = {k: getattr(self, k) for k in ("genres", "tracks", "codec", "dataset", "copied")}
        if np.isnan(self.copied):
            about["copied"] = None
        part = path.with_name(path.name + ".part")
        save_file(self._tensors(), part, metadata={_KEY: json.dumps(about)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path | None = None) -> "BarPrior":
        """Read what `save` wrote; the shipped prior without a path."""
        path = path or SHIPPED
        with broken_file(path, "a prior of bars", "fit it again"):
            with open_tensors(path, "np") as file:
                about = header(file, _KEY)
                held = all_tensors(file)
            axes = held["axes"].astype(np.float32) * held["scale"][:, :, None]
            copied = float("nan") if about["copied"] is None else about["copied"]
            return cls(held["centres"].astype(np.float32), axes, held["tempi"], **about | {"copied": copied})

    def _tensors(self) -> dict[str, Array]:
        scale = np.maximum(np.abs(self.axes).max(2), 1e-6).astype(np.float32) / _STEPS  # (M, R)
        axes = np.round(self.axes / scale[:, :, None]).astype(np.int8)
        centres = self.centres.astype(np.float16)
        return {"centres": centres, "axes": axes, "scale": scale, "tempi": self.tempi.astype(np.float32)}


def spread(genres: Sequence[str], tracks: Sequence[str], most: int) -> Array:
    """Rows, in their order, of at most `most` vectors: genres in turn, and in each its tracks in turn.

    A track's vectors are taken from its beginning on, so that those taken follow one another.
    """
    rank: dict[str, int] = {}
    place = []
    for track in tracks:
        place.append(rank.get(track, 0))
        rank[track] = place[-1] + 1
    waiting = {
        g: sorted((i for i in range(len(genres)) if genres[i] == g), key=lambda i: (place[i], i))
        for g in sorted(set(genres))
    }
    chosen: list[int] = []
    while len(chosen) < most and any(waiting.values()):
        for rows in waiting.values():
            if rows and len(chosen) < most:
                chosen.append(rows.pop(0))
    return np.array(sorted(chosen), dtype=int)


@dataclass
class Played:
    """A `BarPrior` as a sampler of plain clips: what it draws, played at its tempo from some beat on."""

    prior: BarPrior
    codec: "Codec"

    def sample(self, genres: Sequence[str], *, seed: int = 0) -> Array:
        """One vector for each genre named, (N, D), of 5 s of a loop of eight beats."""
        from surco.codec import recode

        drawn = [self.prior.draw(np.random.default_rng((seed, i)), g) for i, g in enumerate(genres)]
        rng = np.random.default_rng(seed)
        beat = CLIP / BEATS  # s, of a vector as it is held
        out = []
        for i in range(0, len(drawn), 16):
            some = drawn[i : i + 16]
            starts = beat * rng.uniform(0, BEATS, len(some))
            poses = [playing(tempo) for _, tempo in some]
            vectors = np.stack([v for v, _ in some])
            out.append(recode.read_each(self.codec, vectors, starts, poses, np.full(len(some), beat)))
        return np.concatenate(out)
