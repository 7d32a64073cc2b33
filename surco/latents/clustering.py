"""Do the vectors fall into groups, how many, and are they the genres?

Five algorithms of scikit-learn behind one function, their scores with and without labels, and three
checks on a clustering that looks good: is it stable, does it beat shuffled labels, does it beat the
same vectors with the relations of their dimensions destroyed.

Sources: Rousseeuw 1987 (silhouette); Caliński & Harabasz 1974; Davies & Bouldin 1979; Satopää et al.
2011 (the elbow, as `kneed` finds it); Rosenberg & Hirschberg 2007 (V-measure); Vinh et al. 2010
(adjusted mutual information); Hubert & Arabie 1985 (adjusted Rand); Hennig 2007 (bootstrap
stability).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.latents.resample import clips_by_track

Array = NDArray[Any]
METHODS = ("k-means", "gaussian mixture", "ward", "spectral", "hdbscan")
NOISE = -1  # HDBSCAN's label of clips that belong to no cluster


@dataclass(frozen=True)
class Clustering:
    """Labels (N,) of the clips it was fitted on, and what it takes to label others."""

    method: str
    labels: NDArray[np.int64]
    points: Array  # (N, D) what it was fitted on
    model: Any = None  # a scikit-learn estimator with `predict`, where the method has one
    inertia: float = float("nan")  # sum of squared distances to the cluster means

    @property
    def k(self) -> int:
        """Number of clusters, noise not counted."""
        return len(set(self.labels[self.labels != NOISE].tolist()))

    def assign(self, points: Array) -> NDArray[np.int64]:
        """Labels (M,) of other clips (M, D): by the model, else by a vote of the 5 nearest fitted clips."""
        points = np.ascontiguousarray(points, dtype=np.float64)
        if self.model is not None:
            return np.asarray(self.model.predict(points), dtype=np.int64)
        from sklearn.neighbors import KNeighborsClassifier

        voters = KNeighborsClassifier(min(5, len(self.points))).fit(self.points, self.labels)
        return np.asarray(voters.predict(points), dtype=np.int64)


def cluster(points: Array, method: str, k: int, *, seed: int = 0) -> Clustering:
    """Cluster `points` (N, D) into `k` groups by one of `METHODS`.

    HDBSCAN finds the number of clusters itself: for it, `k` only bounds the smallest cluster allowed,
    to N / (4 k) clips. Mixtures have diagonal covariances, since clips are fewer than dimensions.

    Raises
    ------
    InputError
        For fewer clips than clusters, fewer than two clusters, or an unknown method.
    """
    from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans, SpectralClustering
    from sklearn.metrics import euclidean_distances
    from sklearn.mixture import GaussianMixture

    n = len(points)
    if k < 2:
        raise InputError(f"Clustering needs at least 2 clusters, not {k}.")
    if n < k:
        raise InputError(
            f"There are only {n} clips for {k} clusters; give more clips or ask for fewer clusters."
        )
    x = np.ascontiguousarray(points, dtype=np.float64)
    model: Any = None
    if method == "k-means":
        model = KMeans(k, n_init=3, random_state=seed).fit(x)
        labels = model.labels_
    elif method == "gaussian mixture":
        spread = float(x.var(0).mean()) or 1.0
        model = GaussianMixture(k, covariance_type="diag", reg_covar=1e-3 * spread, random_state=seed).fit(x)
        labels = model.predict(x)
    elif method == "ward":
        labels = AgglomerativeClustering(k, linkage="ward").fit(x).labels_
    elif method == "spectral":
        near = max(2, min(10, n - 1))
        affinity = _neighbour_graph(x, near)
        spectral = SpectralClustering(
            k, affinity="precomputed", assign_labels="cluster_qr", random_state=seed
        )
        labels = spectral.fit(affinity).labels_
    elif method == "hdbscan":
        # distances at once, as one matrix product: trees are no help in hundreds of dimensions
        finder = HDBSCAN(
            min_cluster_size=max(3, n // (4 * k)), min_samples=3, metric="precomputed", copy=False
        )
        labels = finder.fit(euclidean_distances(x)).labels_
    else:
        raise InputError(f"There is no clustering method {method!r}; use one of {', '.join(METHODS)}.")
    labels = _by_size(np.asarray(labels, dtype=np.int64), model)
    return Clustering(method, labels, x, model, _inertia(x, labels))


def _neighbour_graph(x: Array, near: int) -> Array:
    """Symmetric neighbour graph (N, N) with a weak link everywhere, so that it hangs together."""
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(x, near).toarray()
    return np.maximum((graph + graph.T) / 2, 1e-4)


def _by_size(labels: NDArray[np.int64], model: Any) -> NDArray[np.int64]:
    """Labels renumbered by falling cluster size, where no model fixes them: independent of the solver."""
    if model is not None:
        return labels
    names, counts = np.unique(labels[labels != NOISE], return_counts=True)
    rank = {int(name): i for i, name in enumerate(names[np.argsort(-counts, kind="stable")])}
    return np.array([rank.get(int(label), NOISE) for label in labels], dtype=np.int64)


def _inertia(x: Array, labels: NDArray[np.int64]) -> float:
    total = 0.0
    for label in set(labels.tolist()) - {NOISE}:
        members = x[labels == label]
        total += float(((members - members.mean(0)) ** 2).sum())
    return total


def internal_scores(points: Array, labels: NDArray[np.int64]) -> dict[str, float]:
    """Silhouette (up is better), Caliński-Harabasz (up), Davies-Bouldin (down); NaN where undefined.

    Clips that HDBSCAN calls noise are left out; `noise` is their share.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    kept = labels != NOISE
    x, y = points[kept], labels[kept]
    scores = {"silhouette": np.nan, "calinski_harabasz": np.nan, "davies_bouldin": np.nan}
    if 2 <= len(set(y.tolist())) < len(y):
        scores = {
            "silhouette": float(silhouette_score(x, y)),
            "calinski_harabasz": float(calinski_harabasz_score(x, y)),
            "davies_bouldin": float(davies_bouldin_score(x, y)),
        }
    return {**scores, "noise": float(1 - kept.mean())}


def external_scores(labels: NDArray[np.int64], genres: Sequence[str] | Array) -> dict[str, float]:
    """Homogeneity, completeness, V-measure, adjusted mutual information and adjusted Rand against genres."""
    from sklearn.metrics import (
        adjusted_mutual_info_score,
        adjusted_rand_score,
        homogeneity_completeness_v_measure,
    )

    _, truth = np.unique(np.asarray(genres), return_inverse=True)
    homogeneity, completeness, v = homogeneity_completeness_v_measure(truth, labels)
    return {
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v),
        "ami": float(adjusted_mutual_info_score(truth, labels)),
        "ari": float(adjusted_rand_score(truth, labels)),
    }


@dataclass(frozen=True)
class Choice:
    """A number of clusters and the sentence that says why."""

    k: int
    elbow: int | None
    reason: str


def choose_k(ks: Sequence[int], inertias: Sequence[float], silhouettes: Sequence[float]) -> Choice:
    """The k of the largest held-out silhouette; the elbow of the fitted inertia stands beside it.

    `inertias` are of the training clips and `silhouettes` of the validation clips, both per k.
    """
    from kneed import KneeLocator

    scores = np.where(np.isfinite(silhouettes), silhouettes, -np.inf)
    if not len(ks) or not np.isfinite(scores).any():
        raise InputError("No number of clusters can be scored on the validation clips; give more of them.")
    elbow = None
    if len(ks) > 2:
        elbow = KneeLocator(list(ks), list(inertias), curve="convex", direction="decreasing").elbow
    best = int(np.argmax(scores))
    reason = f"k = {ks[best]} has the largest silhouette on the validation clips ({scores[best]:.3f})"
    reason += f"; the elbow of the inertia is at {int(elbow)}" if elbow else "; the inertia has no elbow"
    return Choice(int(ks[best]), int(elbow) if elbow else None, reason + ".")


def stability(
    points: Array, tracks: Sequence[str], method: str, k: int, *, seed: int = 0, repeats: int = 10
) -> NDArray[np.float64]:
    """Adjusted Rand (repeats,) between the clustering of all clips and those of bootstrap draws of tracks.

    1: the same groups whichever tracks happen to be there; 0: no more alike than chance.
    """
    from sklearn.metrics import adjusted_rand_score

    reference = cluster(points, method, k, seed=seed).labels
    groups = clips_by_track(tracks)
    rng = np.random.default_rng(seed)
    scores = []
    for _ in range(repeats):
        drawn = np.unique(rng.integers(len(groups), size=len(groups)))  # a track drawn twice counts once
        index = np.concatenate([groups[i] for i in drawn])
        if len(index) < k:
            continue
        scores.append(
            adjusted_rand_score(reference, cluster(points[index], method, k, seed=seed).assign(points))
        )
    return np.array(scores)


def without_relations(points: Array, *, seed: int) -> Array:
    """`points` (N, D) with each dimension shuffled over the clips by itself: same spreads, no structure."""
    return np.random.default_rng(seed).permuted(points, axis=0)


def medoids(points: Array, labels: NDArray[np.int64]) -> dict[int, int]:
    """For each cluster, the index of the clip whose summed distance to the cluster's other clips is least."""
    from scipy.spatial.distance import cdist

    found = {}
    for label in sorted(set(labels.tolist()) - {NOISE}):
        members = np.flatnonzero(labels == label)
        found[label] = int(members[cdist(points[members], points[members]).sum(1).argmin()])
    return found


def switchers(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Indices of clips that are in another cluster in `b` than in `a`, clusters matched to differ least.

    The matching is the assignment of clusters to clusters with the most clips in common (Kuhn 1955);
    a cluster of `b` without a partner counts as another one.
    """
    from scipy.optimize import linear_sum_assignment

    names_a, ia = np.unique(a, return_inverse=True)
    names_b, ib = np.unique(b, return_inverse=True)
    common = np.zeros((len(names_a), len(names_b)))
    np.add.at(common, (ia, ib), 1)
    rows, columns = linear_sum_assignment(-common)
    partner = np.full(len(names_b), -1)
    partner[columns] = rows
    return np.flatnonzero(partner[ib] != ia)
