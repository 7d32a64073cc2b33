"""Places on the map: every size drawn so that points keep their neighbourhood when the size changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
MAX_CLIPS = 1500  # points that a page draws without stutter, and t-SNE without a long wait


@dataclass(frozen=True)
class SizeVectors:
    """What stands on the map at one size: vectors of clips (N, D), of songs (S, D) and of edit paths."""

    clips: Array
    songs: Array | None = None
    paths: Sequence[Array] = field(default_factory=tuple)  # each (steps, D)

    def stacked(self) -> Array:
        """All of them (N + S + steps of every path, D), clips first, standardised by the clips."""
        parts = [self.clips] + ([self.songs] if self.songs is not None and len(self.songs) else [])
        x = np.concatenate([*parts, *self.paths]).astype(np.float64)
        x[:, 0] -= self.clips[:, 0].mean()  # the gain in dB, which no one means by likeness
        x[:, 0] *= 0.1 * self.clips[:, 1:].std() / max(float(self.clips[:, 0].std()), 1e-9)
        return x


def layouts(sizes: Mapping[int, SizeVectors], *, seed: int = 0) -> dict[str, dict[str, dict[str, Any]]]:
    """Places in the unit square by layout ("tsne", "pca"), size and kind ("clips", "songs", "paths").

    The largest size is laid out first; each smaller one starts (t-SNE) or is turned (PCA) to agree with
    it, so that what moves on the page is what the size changed.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {"tsne": {}, "pca": {}}
    for name in found:
        before: Array | None = None
        for size in sorted(sizes, reverse=True):
            vectors = sizes[size]
            stacked = vectors.stacked()
            n = len(vectors.clips)
            places = _pca(stacked, n) if name == "pca" else _tsne(stacked, n, before, seed)
            places = places if before is None else _turned(places, before)
            before = places[:n]
            found[name][str(size)] = _split(_unit(places), vectors)
    return {name: places for name, places in found.items() if places}


def _pca(x: Array, clips: int) -> Array:
    """Places (M, 2) on the first two principal axes of the clips."""
    mean = x[:clips].mean(0)
    _, _, axes = np.linalg.svd(x[:clips] - mean, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2].sum(1, keepdims=True) + 1e-12)
    return (x - mean) @ axes.T


def _tsne(x: Array, clips: int, before: Array | None, seed: int) -> Array:
    """Places (M, 2) by t-SNE, started from those of the size before, else from PCA."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    reduced = PCA(min(50, *x.shape), random_state=seed).fit_transform(x)
    start = reduced[:, :2]
    if before is not None:  # what is no clip starts at the nearest clip
        nearest = np.argmin(((reduced[clips:, None] - reduced[None, :clips]) ** 2).sum(-1), axis=1)
        start = np.concatenate([before, before[nearest]])
    start = start / max(float(start[:, 0].std()), 1e-12) * 1e-2
    jitter = np.random.default_rng(seed).normal(0, 1e-4, start.shape)  # two points may not start as one
    perplexity = min(30.0, (len(x) - 1) / 3)
    model = TSNE(perplexity=perplexity, init=(start + jitter).astype(np.float32), random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(reduced), dtype=np.float64)


def _turned(places: Array, before: Array) -> Array:
    """Places rotated, mirrored and scaled so that the clips agree best with those before (Procrustes)."""
    n = len(before)
    a = places - places[:n].mean(0)
    b = before - before.mean(0)
    u, s, vt = np.linalg.svd(a[:n].T @ b)
    scale = s.sum() / max(float((a[:n] ** 2).sum()), 1e-12)
    return a @ (u @ vt) * scale + before.mean(0)


def _unit(places: Array) -> Array:
    low, high = places.min(0), places.max(0)
    return np.round((places - low) / np.maximum(high - low, 1e-12), 4)


def _split(places: Array, vectors: SizeVectors) -> dict[str, Any]:
    n = len(vectors.clips)
    songs = 0 if vectors.songs is None else len(vectors.songs)
    ends = n + songs + np.cumsum([len(p) for p in vectors.paths]).astype(int)
    starts = [n + songs, *ends[:-1]] if len(ends) else []
    return {
        "clips": places[:n].tolist(),
        "songs": places[n : n + songs].tolist(),
        "paths": [places[a:b].tolist() for a, b in zip(starts, ends, strict=True)],
    }
