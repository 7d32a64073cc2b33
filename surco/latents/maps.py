"""Maps of the vectors on paper: PCA, t-SNE and UMAP side by side.

Sources: Pearson 1901; van der Maaten & Hinton 2008; McInnes, Healy & Melville 2018. How far a map
may be believed is measured by `surco.latents.geometry.trustworthiness`.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Array = NDArray[Any]
MAPS = ("PCA", "t-SNE", "UMAP")
START = 50  # principal components that maps start from, as van der Maaten & Hinton do


def principal(x: Array, dimensions: int) -> Array:
    """The first principal components (N, <= dimensions), signs such that the largest entry is positive."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    scores = u[:, :dimensions] * s[:dimensions]  # (N, dimensions)
    sign = np.sign(scores[np.abs(scores).argmax(0), np.arange(scores.shape[1])])
    return scores * np.where(sign == 0, 1, sign)


def draw_map(
    x: Array, kind: str, *, seed: int = 0, neighbours: int = 15, components: Array | None = None
) -> Array:
    """Coordinates (N, 2) of vectors (N, D) on one of `MAPS`; t-SNE and UMAP start from PCA and are seeded.

    `components` are the first `START` principal components, where they are known already.
    """
    n = len(x)
    if n < 10:
        raise InputError(f"A map needs at least 10 clips, not {n}; give more clips.")
    reduced = principal(x, START) if components is None else components  # (N, <= 50)
    if kind == "PCA":
        return reduced[:, :2]
    if kind == "t-SNE":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (n - 1) / 3)
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(reduced)
    if kind == "UMAP":
        from umap import UMAP

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a seed means one thread, which is meant
            model = UMAP(n_neighbors=min(neighbours, n - 1), init="pca", random_state=seed, n_jobs=1)
            return np.asarray(model.fit_transform(reduced), dtype=np.float64)
    raise InputError(f"There is no map {kind!r}; use one of {', '.join(MAPS)}.")
