"""The reading part of a study: neighbours and probes, for vectors and baselines alike."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.latents import neighbours, probes
from surco.latents.geometry import gaussian_like
from surco.latents.probes import Splits
from surco.latents.resample import bootstrap, p_value, permute_over_tracks
from surco.latents.study import (
    AttributeReading,
    Carrier,
    GenreReading,
    HubnessRow,
    Neighbourhood,
    Prefix,
    Reader,
)
from surco.metrics.aggregate import Estimate, by_track

Array = NDArray[Any]
REPEATS = 100
READERS: tuple[Reader, ...] = ("logistic", "k-nn")
PREFIXES = (8, 16, 32, 64, 128, 256, 512, 1024)


def neighbour_study(
    descriptions: dict[str, Array],
    genres: Sequence[str],
    tracks: Sequence[str],
    splits: Splits,
    clips: Sequence[str],
    *,
    seed: int = 0,
) -> list[Neighbourhood]:
    """One row a description: retrieval of genre and of track for the test clips, and hubness.

    The gallery is all clips. For genre, clips of the query's own track are left out, since finding
    those needs no notion of genre.
    """
    queries = splits.test
    query_tracks = [tracks[i] for i in queries]
    rng = np.random.default_rng(seed)
    dealt = [permute_over_tracks(genres, tracks, rng) for _ in range(REPEATS)]
    rows = []
    for name, x in descriptions.items():
        d = neighbours.distances(x, x)  # (N, N)
        order = neighbours.genre_order(d, tracks, queries)  # (Q, N)
        genre = neighbours.genre_retrieval(d, genres, tracks, queries, order=order)
        same = neighbours.track_retrieval(d, tracks, queries)
        null = [
            _mean(neighbours.genre_retrieval(d, g, tracks, queries, order=order).average_precision)
            for g in dealt[:20]
        ]
        k = min(10, len(x) - 1)
        hub = neighbours.hubness(d, k=k)
        twin = gaussian_like(x, seed=seed)

        def told(values: Array) -> Estimate:
            return by_track(values, query_tracks, seed=seed)

        rows.append(
            Neighbourhood(
                description=name,
                dimensions=x.shape[1],
                genre_precision={k: told(v) for k, v in genre.precision.items()},
                genre_map=told(genre.average_precision),
                genre_chance=_mean(genre.chance),
                genre_map_shuffled=float(np.mean(null)),
                genre_map_p=p_value(_mean(genre.average_precision), null),
                track_precision={k: told(v) for k, v in same.precision.items()},
                track_map=told(same.average_precision),
                track_chance=_mean(same.chance),
                hubness=HubnessRow(
                    skewness=hub.skewness,
                    skewness_gaussian=neighbours.hubness(neighbours.distances(twin, twin), k=k).skewness,
                    orphans=hub.orphans,
                    largest=hub.largest,
                    hub=clips[hub.hub],
                ),
            )
        )
    return rows


def _mean(values: Array) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def genre_probe_study(
    descriptions: dict[str, Array],
    genres: Sequence[str],
    tracks: Sequence[str],
    splits: Splits,
    *,
    seed: int = 0,
    progress: Callable[[str], None] = lambda note: None,
) -> list[GenreReading]:
    """One row a description and reader: accuracy on test, the majority's, and that with shuffled genres."""
    rows = []
    test_tracks = [tracks[i] for i in splits.test]
    shuffled = permute_over_tracks(genres, tracks, np.random.default_rng(seed)).tolist()
    for name, x in descriptions.items():
        for kind in READERS:
            probe = probes.genre_probe(x, genres, splits, kind=kind, seed=seed)
            control = probes.genre_probe(x, shuffled, splits, kind=kind, seed=seed)
            rows.append(
                GenreReading(
                    description=name,
                    reader=kind,
                    setting=probe.setting,
                    valid_accuracy=probe.valid_accuracy,
                    accuracy=by_track(probe.correct, test_tracks, seed=seed),
                    majority=by_track(probe.majority, test_tracks, seed=seed),
                    shuffled=by_track(control.correct, test_tracks, seed=seed),
                    by_genre=_recalls(probe.predicted, [genres[i] for i in splits.test]),
                )
            )
            progress(f"{kind} probe on {name}")
    return rows


def _recalls(predicted: Array, truth: Sequence[str]) -> dict[str, float]:
    t = np.asarray(truth)
    return {g: float((predicted[t == g] == g).mean()) for g in sorted(set(truth))}


def attribute_probe_study(
    descriptions: dict[str, Array],
    attributes: dict[str, Array],
    tracks: Sequence[str],
    splits: Splits,
    *,
    seed: int = 0,
) -> list[AttributeReading]:
    """One row a description and attribute: R² on test, that of shuffled attributes, and the carriers."""
    rng = np.random.default_rng(seed)
    rows = []
    shuffle = rng.permutation(len(tracks))
    for name, x in descriptions.items():
        found = probes.attribute_probes(x, attributes, splits, seed=seed)
        control = probes.attribute_probes(
            x, {a: v[shuffle] for a, v in attributes.items()}, splits, seed=seed
        )
        for attribute, probe in found.items():
            order = np.argsort(-probe.importance, kind="stable")
            rows.append(
                AttributeReading(
                    description=name,
                    attribute=attribute,
                    penalty=probe.penalty,
                    valid_r2=probe.valid_r2,
                    r2=_r2(probe, attributes[attribute], tracks, splits, seed),
                    shuffled_r2=control[attribute].r2(),
                    carriers=[
                        Carrier(
                            dimension=int(j),
                            loss_of_r2=float(probe.importance[j]),
                            weight=float(probe.weights[j]),
                        )
                        for j in order[:5]
                    ],
                )
            )
    return rows


def _r2(
    probe: probes.AttributeProbe, values: Array, tracks: Sequence[str], splits: Splits, seed: int
) -> Estimate:
    kept = [tracks[i] for i in splits.test if np.isfinite(values[i])]
    return bootstrap(probe.r2, kept, seed=seed, repeats=REPEATS)


def prefix_study(
    vectors: Array,
    attributes: dict[str, Array],
    genres: Sequence[str],
    tracks: Sequence[str],
    splits: Splits,
    *,
    seed: int = 0,
) -> list[Prefix]:
    """What the first dimensions alone know: genre accuracy and R² on test, for prefixes of vectors (N, D)."""
    rows = []
    size = vectors.shape[1]
    for prefix in [*[p for p in PREFIXES if p < size], size]:
        x = vectors[:, :prefix]
        probe = probes.genre_probe(x, genres, splits, kind="logistic", seed=seed)
        found = probes.attribute_probes(x, attributes, splits, seed=seed)
        rows.append(
            Prefix(
                dimensions=prefix,
                accuracy=by_track(probe.correct, [tracks[i] for i in splits.test], seed=seed),
                r2={name: _r2(p, attributes[name], tracks, splits, seed) for name, p in found.items()},
            )
        )
    return rows
