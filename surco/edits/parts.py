"""Named parts of a vector: loudness, timbre, rhythm, harmony and detail, which add up to it.

Every part is an orthogonal projection of the dimensions, disjoint from the others:

- loudness: the gain.
- harmony: the dimensions of harmony, which pitch classes sound when.
- timbre: the coefficients that do not change over time (bin 0 of the cosine transform over the patches): the
  spectrum that stays.
- rhythm: what of the other coefficients moves a few broad bands up and down as a whole. Broad bands times
  time is a subspace of the patches; those directions among a bin's coefficients that lie in it by `INSIDE`
  of their energy or more are rhythm.
- detail: the rest, what moves against its neighbours inside a band: melody, texture.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.vector_layout import places
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
PARTS = ("loudness", "timbre", "rhythm", "harmony", "detail")
SMALLEST = {"loudness": 1, "timbre": 2, "rhythm": 32, "harmony": 16, "detail": 32}  # dimensions of a vector
BROAD = 4  # broad bands that rhythm moves in
INSIDE = 0.7  # share of a direction's energy that must lie in the broad bands to be rhythm


class Parts:
    """The parts of vectors of `size` dimensions of a codec, as projections of arrays (..., size)."""

    def __init__(self, codec: "Codec", size: int, *, broad: int = BROAD, inside: float = INSIDE):
        if not 1 <= size <= codec.size:
            raise InputError(f"Vectors of this codec have 1 to {codec.size} dimensions, not {size}.")
        self.size = size
        mel, harmony = (p.numpy() for p in places(size))
        bins = codec.linear.bins.cpu().numpy()[: len(mel) - 1]  # (k,)
        self._index: dict[str, Array] = {
            "loudness": mel[:1],
            "harmony": harmony,
            "timbre": mel[1:][bins == 0],
        }
        axes = codec.linear.axes.cpu().double().numpy()[: len(bins)]  # (k, R)
        inner = codec.linear.basis.cpu().double().numpy().T @ _broad(codec.mel.n_mels, broad)  # (R, b)
        q = np.linalg.qr(inner)[0]  # (R, b)
        # directions (k_j, r_j) of rhythm among the coefficients `mel[1:][bins == j]` of each bin j > 0
        self._rhythm: list[tuple[Array, Array]] = []
        for j in sorted(set(bins[bins > 0].tolist())):
            share, directions = np.linalg.eigh((axes[bins == j] @ q) @ (axes[bins == j] @ q).T)
            self._rhythm.append((mel[1:][bins == j], directions[:, share > inside]))

    def numbers(self) -> dict[str, int]:
        """How many dimensions each part has; they sum to the size."""
        found = {name: len(index) for name, index in self._index.items()}
        found["rhythm"] = sum(d.shape[1] for _, d in self._rhythm)
        found["detail"] = self.size - sum(found.values())
        return {name: found[name] for name in PARTS}

    def part(self, vectors: Array, name: str) -> Array:
        """A part of vectors (..., size), as vectors that are 0 elsewhere; float64."""
        x = np.asarray(vectors, np.float64)
        self._known(x, name)
        if name == "detail":
            return x - sum(self.part(x, other) for other in PARTS[:-1])
        out = np.zeros_like(x)
        if name == "rhythm":
            for index, directions in self._rhythm:
                out[..., index] = (x[..., index] @ directions) @ directions.T
        else:
            out[..., self._index[name]] = x[..., self._index[name]]
        return out

    def split(self, vectors: Array) -> dict[str, Array]:
        """All parts of vectors (..., size); they add up to them."""
        return {name: self.part(vectors, name) for name in PARTS}

    def give(self, a: Array, b: Array, weights: Mapping[str, float]) -> Array:
        """`a` (..., size) with parts of `b`: at weight 1 b's, at 0 a's, between them their line."""
        change = sum(w * self.part(np.asarray(b, np.float64) - a, name) for name, w in weights.items() if w)
        return (np.asarray(a, np.float64) + change).astype(np.float32)

    def _known(self, vectors: Array, name: str) -> None:
        if name not in PARTS:
            raise InputError(f"A vector has no part {name!r}; its parts are {', '.join(PARTS)}.")
        if vectors.shape[-1] != self.size:
            raise InputError(f"The parts are of vectors of {self.size} dimensions, not {vectors.shape[-1]}.")
        require(name, self.size)


def require(name: str, size: int) -> None:
    """InputError where vectors of `size` dimensions are too small to have a part."""
    if size < SMALLEST[name]:
        raise InputError(f"Vectors of {size} dimensions hold no {name}; use {SMALLEST[name]} or more.")


@lru_cache(maxsize=8)
def _broad(n_mels: int, bands: int, frames: int = 8) -> Array:
    """Patches (n_mels * frames, bands * frames) that move one broad band at one frame."""
    place = np.linspace(0, bands - 1, n_mels) if bands > 1 else np.zeros(n_mels)
    profile = np.maximum(1 - np.abs(place[:, None] - np.arange(bands)), 0)  # (n_mels, bands)
    patch = np.einsum("mb,fg->mfbg", profile, np.eye(frames))
    return patch.reshape(n_mels * frames, bands * frames) / math.sqrt(n_mels)
