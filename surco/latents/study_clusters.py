"""The clustering part of a study: methods × numbers of clusters × descriptions, and what came of it."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.latents import clustering
from surco.latents.probes import Splits
from surco.latents.resample import bootstrap_many, p_value, permute_over_tracks
from surco.latents.study import Agreement, Chosen, Clustering, Nulls, Scanned, Stability

Array = NDArray[Any]
REPEATS = 60


def possible_ks(wanted: Sequence[int], clips: int) -> list[int]:
    """The numbers of clusters among `wanted` that leave three training clips a cluster.

    Raises InputError if none does.
    """
    ks = [k for k in wanted if 2 <= k <= clips // 3]
    if not ks:
        raise InputError(
            f"{clips} training clips are too few for {min(wanted)} clusters; give more clips or lower ks."
        )
    return ks


def check(genres: Sequence[str], splits: Splits, ks: Sequence[int]) -> list[int]:
    """The possible ones of `ks`; an InputError where the clips allow no study."""
    if len(set(genres)) < 2:
        raise InputError(
            f"All clips are of genre {genres[0]!r}; comparing clusters with genres needs two genres."
        )
    return possible_ks(ks, len(splits.train))


def cluster_study(
    descriptions: dict[str, Array],
    genres: Sequence[str],
    tracks: Sequence[str],
    splits: Splits,
    *,
    ks: Sequence[int],
    methods: Sequence[str] = clustering.METHODS,
    seed: int = 0,
    progress: Callable[[str], None] = lambda note: None,
) -> list[Clustering]:
    """One row a description and method: the scan over k, the chosen k, and its scores on test.

    All methods are tried on the first description, which is the vectors themselves; on the others the first.
    Everything is fitted on the training clips, k is chosen on the validation clips, and what is
    reported of genres is measured on the test clips, which are assigned to the clusters found without them.
    """
    ks = check(genres, splits, ks)
    rows = []
    for place, (name, x) in enumerate(descriptions.items()):
        for method in methods[: None if place == 0 else 1]:
            rows.append(_one(name, x, method, genres, tracks, splits, ks, seed))
            progress(f"{method} on {name}")
    return rows


def _one(
    description: str,
    x: Array,
    method: str,
    genres: Sequence[str],
    tracks: Sequence[str],
    splits: Splits,
    ks: Sequence[int],
    seed: int,
) -> Clustering:
    train, valid, test = x[splits.train], x[splits.valid], x[splits.test]
    fits = {k: clustering.cluster(train, method, k, seed=seed) for k in ks}
    truth = np.asarray(genres)[splits.test]
    scan = []
    for k, fit in fits.items():
        held_out = clustering.internal_scores(valid, fit.assign(valid))
        told = clustering.external_scores(fit.assign(test), truth)
        alike = {name: told[name] for name in ("homogeneity", "completeness", "v_measure")}
        scan.append(Scanned(k=k, found=fit.k, inertia=fit.inertia, **held_out, **alike))
    try:
        choice = clustering.choose_k(ks, [s.inertia for s in scan], [s.silhouette for s in scan])
    except InputError:
        reason = "No k gives two clusters on the validation clips."
        return Clustering(description=description, method=method, scan=scan, reason=reason, chosen=None)
    fit = fits[choice.k]
    labels = fit.assign(test)
    test_tracks = [tracks[i] for i in splits.test]
    external = bootstrap_many(
        lambda index: clustering.external_scores(labels[index], truth[index]),
        test_tracks,
        seed=seed,
        repeats=REPEATS,
    )
    chosen = Chosen(
        k=choice.k,
        elbow=choice.elbow,
        test=Agreement(**clustering.internal_scores(test, labels), **external),
        null=_nulls(x, labels, truth, test_tracks, method, choice.k, splits, seed),
        stability=_stability(train, [tracks[i] for i in splits.train], method, choice.k, seed),
        labels=[int(v) for v in fit.assign(x)],
    )
    return Clustering(description=description, method=method, scan=scan, reason=choice.reason, chosen=chosen)


def _nulls(
    x: Array,
    labels: NDArray[np.int64],
    truth: Array,
    tracks: Sequence[str],
    method: str,
    k: int,
    splits: Splits,
    seed: int,
) -> Nulls:
    """AMI with genres dealt to other tracks, and the silhouette of the same vectors without relations."""
    rng = np.random.default_rng(seed)
    from sklearn.metrics import adjusted_mutual_info_score

    observed = adjusted_mutual_info_score(truth, labels)
    shuffled = [
        adjusted_mutual_info_score(permute_over_tracks(truth, tracks, rng), labels) for _ in range(REPEATS)
    ]
    silhouettes = []
    for repeat in range(2):
        y = clustering.without_relations(x, seed=seed + repeat)
        valid = y[splits.valid]
        fit = clustering.cluster(y[splits.train], method, k, seed=seed)
        silhouettes.append(clustering.internal_scores(valid, fit.assign(valid))["silhouette"])
    return Nulls(
        ami_shuffled_genres=float(np.mean(shuffled)),
        ami_shuffled_genres_high=float(np.percentile(shuffled, 97.5)),
        ami_p=p_value(observed, shuffled),
        silhouette_without_relations=mean_defined(silhouettes),
    )


def mean_defined(values: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN if there is none."""
    kept = [v for v in values if np.isfinite(v)]
    return float(np.mean(kept)) if kept else float("nan")


def _stability(x: Array, tracks: Sequence[str], method: str, k: int, seed: int) -> Stability:
    scores = clustering.stability(x, tracks, method, k, seed=seed, repeats=5)
    if not len(scores):
        return Stability(ari=np.nan, low=np.nan, high=np.nan)
    low, high = np.percentile(scores, [2.5, 97.5])
    return Stability(ari=float(scores.mean()), low=float(low), high=float(high))
