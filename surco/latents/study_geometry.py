"""The geometric part of a study: variance, dimension, maps, which dimensions matter, and other sizes."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.latents import clustering, geometry, maps
from surco.latents.neighbours import distances, neighbour_overlap
from surco.latents.resample import half_samples
from surco.latents.study import Ablated, Likeness, Map, Shape, Switched
from surco.metrics.aggregate import by_track

Array = NDArray[Any]


def geometry_study(descriptions: dict[str, Array], tracks: Sequence[str], *, seed: int = 0) -> list[Shape]:
    """One row a description: axes for shares of variance, intrinsic dimension beside a Gaussian's."""
    rows = []
    for name, x in descriptions.items():
        variance = geometry.explained_variance(x)
        d = distances(x, x)
        twin = distances(*(geometry.gaussian_like(x, seed=seed),) * 2)
        k = min(10, len(x) // 4)

        def two_nn(index: NDArray[np.int64], d: Array = d) -> float:
            return geometry.two_nn(d[np.ix_(index, index)])

        def mle(index: NDArray[np.int64], d: Array = d, k: int = k) -> float:
            return geometry.mle_dimension(d[np.ix_(index, index)], k=k)

        rows.append(
            Shape(
                description=name,
                dimensions=x.shape[1],
                axes_for={share: variance.needed(share) for share in (0.5, 0.9, 0.95, 0.99)},
                participation=variance.participation,
                axes=variance.axes[:64].tolist(),
                variance=variance.dimensions[:64].tolist(),
                two_nn=half_samples(two_nn, tracks, seed=seed, repeats=10),
                two_nn_gaussian=geometry.two_nn(twin),
                mle=half_samples(mle, tracks, seed=seed, repeats=10),
                mle_gaussian=geometry.mle_dimension(twin, k=k),
            )
        )
    return rows


def map_study(
    x: Array, tracks: Sequence[str], *, seed: int = 0, progress: Callable[[str], None] = lambda note: None
) -> dict[str, Map]:
    """Maps of vectors (N, D) by name, with points and trustworthiness; "random" is the baseline."""
    k = min(10, (len(x) - 2) // 2 - 1)
    layouts = {}
    components = maps.principal(x, maps.START)  # (N, <= 50)
    for kind in maps.MAPS:
        layouts[kind] = maps.draw_map(x, kind, seed=seed, components=components)
        progress(f"{kind} map")
    layouts["random"] = np.random.default_rng(seed).standard_normal((len(x), 2))
    return {
        kind: Map(
            points=np.round(points, 4).tolist(),
            trustworthiness=by_track(geometry.trustworthiness(x, points, k=k), tracks, seed=seed),
        )
        for kind, points in layouts.items()
    }


def ablation(
    decode_mel: Callable[[Array], Array],
    vectors: Array,
    mean: Array,
    tracks: Sequence[str],
    *,
    most: int = 40,
    batch_size: int = 64,
) -> list[Ablated]:
    """What the decoded mel loses when a dimension is set to its training mean, for up to `most` dimensions.

    decode_mel : vectors (B, D) to log-mels (B, M, F) in dB
    vectors : (n, D) a few clips
    mean : (D,) training means

    One row a dimension: its index and the mean absolute change in dB, with its interval over tracks. The
    gain, dimension 0, does not touch the mel and is left out. Beyond `most`, dimensions are taken evenly
    over log index: the first ones all, the last ones rarely.
    """
    size = vectors.shape[1]
    if size < 2:
        return []
    chosen = np.arange(1, size)
    if len(chosen) > most:
        chosen = np.unique(np.round(np.geomspace(1, size - 1, most)).astype(int))
    whole = decode_mel(vectors)  # (n, M, F)
    per_call = max(1, batch_size // len(vectors))
    rows: list[Ablated] = []
    for start in range(0, len(chosen), per_call):
        some = chosen[start : start + per_call]
        changed = np.repeat(vectors[None], len(some), 0)  # (b, n, D)
        for i, j in enumerate(some):
            changed[i, :, j] = mean[j]
        mels = decode_mel(changed.reshape(-1, size)).reshape(len(some), *whole.shape)  # (b, n, M, F)
        loss = np.abs(mels - whole).mean((2, 3))  # (b, n)
        rows += [
            Ablated(dimension=int(j), change=by_track(v, tracks)) for j, v in zip(some, loss, strict=True)
        ]
    return rows


def compare_sizes(a: Array, b: Array, tracks: Sequence[str], *, seed: int = 0, k: int = 10) -> Likeness:
    """How alike two sets of vectors of the same clips are, (N, D) and (N, E), each with what chance gives."""
    n = len(a)
    k = min(k, n - 2)
    da, db = distances(a, a), distances(b, b)
    correlation, p = geometry.mantel(da, db, seed=seed, repeats=49)
    order = np.random.default_rng(seed).permutation(n)

    def alike(index: NDArray[np.int64]) -> float:
        return geometry.cka(a[index], b[index])

    return Likeness(
        cka=half_samples(alike, tracks, seed=seed, repeats=10),
        cka_shuffled=geometry.cka(a, b[order]),
        mantel=correlation,
        mantel_p=p,
        neighbour_overlap=by_track(neighbour_overlap(da, db, k=k), tracks, seed=seed),
        neighbour_overlap_chance=k / (n - 1),
    )


def switching_clips(
    a: Array, b: Array, train: NDArray[np.int64], clips: Sequence[str], *, k: int, seed: int = 0
) -> Switched:
    """Clips that change cluster between two sizes, at one k, beside those that change with the seed alone."""
    labels = [clustering.cluster(x[train], "k-means", k, seed=seed).assign(x) for x in (a, b)]
    again = clustering.cluster(a[train], "k-means", k, seed=seed + 1).assign(a)
    moved = clustering.switchers(labels[0], labels[1])
    return Switched(
        k=k,
        share=len(moved) / len(clips),
        share_other_seed=len(clustering.switchers(labels[0], again)) / len(clips),
        clips=[clips[i] for i in moved],
    )
