"""Whitening of clip vectors within their genre: the space in which the prior works.

A few hundred training clips hold far fewer facts than a vector has dimensions. What they do settle, the
mean of each genre and the covariance within genres, is taken out here in closed form, so that the
network need only learn what a Gaussian misses.

Covariance: Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance matrices"
(2004), on the correlation matrix, since the dimensions of a vector differ in size by orders. Of all
whitenings the one whose coordinates stay closest to the vector's own, ZCA-cor (Kessy, Lewin & Strimmer,
"Optimal whitening and decorrelation", 2018): the first coordinates remain those most heard.
Genre means: shrunk per coordinate by James & Stein's rule, counting tracks rather than clips.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.covariance import ledoit_wolf

from surco.errors import InputError

MIN_VECTORS = 16  # below this neither a spread nor a nearest neighbour means anything
Array = np.ndarray


def check_vectors(vectors: Array, genres: list[str]) -> None:
    """Refuse what no prior can be fitted to, each in one sentence."""
    if len(vectors) < MIN_VECTORS:
        raise InputError(
            f"A prior needs at least {MIN_VECTORS} training vectors and got {len(vectors)}; embed more clips."
        )
    if not np.isfinite(vectors).all():
        rows = int((~np.isfinite(vectors).all(1)).sum())
        raise InputError(f"{rows} of {len(vectors)} vectors hold NaN or infinity; embed these clips again.")
    if len(set(genres)) < 2:
        raise InputError(
            f"The training vectors hold one genre only ({genres[0]}); a conditional prior needs at least two."
        )


@dataclass
class Whitener:
    """Affine map between vectors x (N, D) and whitened coordinates z (N, D), in the order of the vector.

    z = ((x - mean) / std) @ axes / spread @ axes.T, where axes and spread**2 are the eigenvectors and
    eigenvalues of the correlation within genres; there z has about zero correlation and unit variance.
    """

    mean: Array  # (D,)
    std: Array  # (D,)
    axes: Array  # (D, D) orthonormal columns
    spread: Array  # (D,)
    centres: Array  # (G, D) shrunk genre means, in z
    genres: list[str]

    @property
    def weight(self) -> Array:
        """How far one unit of each coordinate of z moves the vector x (D,), mean 1."""
        root = (self.axes * self.spread) @ self.axes.T  # (D, D)
        moved = np.linalg.norm(self.std[:, None] * root, axis=0)  # (D,)
        return moved / moved.mean()

    def forward(self, x: Array) -> Array:
        return (((x - self.mean) / self.std) @ self.axes / self.spread @ self.axes.T).astype(np.float32)

    def inverse(self, z: Array) -> Array:
        return ((z @ self.axes * self.spread @ self.axes.T) * self.std + self.mean).astype(np.float32)

    def label(self, genre: str) -> int:
        """Index of a genre, or a sentence that names those there are."""
        if genre not in self.genres:
            raise InputError(f"Unknown genre '{genre}'; this prior knows {', '.join(self.genres)}.")
        return self.genres.index(genre)


def fit_whitener(vectors: Array, genres: list[str], tracks: list[str]) -> Whitener:
    """Fit on training vectors (N, D) with the genre and track of each.

    Raises:
        InputError: fewer than 16 vectors, NaN among them, or one genre only.
    """
    check_vectors(vectors, genres)
    x = vectors.astype(np.float64)  # (N, D)
    names = sorted(set(genres))
    labels = np.array([names.index(g) for g in genres])  # (N,)
    mean = x.mean(0)  # (D,)
    means = np.stack([x[labels == g].mean(0) for g in range(len(names))])  # (G, D)
    within = x - means[labels]  # (N, D)
    std = np.maximum(within.std(0), 1e-6 * max(float(x.std()), 1e-6))  # (D,) a constant one stays constant
    covariance, _ = ledoit_wolf(within / std, assume_centered=True)  # (D, D)
    values, axes = np.linalg.eigh(covariance)
    axes, spread = np.ascontiguousarray(axes), np.sqrt(np.maximum(values, 1e-8))
    centres = ((means - mean) / std) @ axes / spread @ axes.T  # (G, D)
    counts = [len({t for t, g in zip(tracks, labels, strict=True) if g == k}) for k in range(len(names))]
    noise = 1 / np.array(counts)[:, None]  # (G, 1) variance of a mean over that many tracks
    signal = np.maximum((centres**2 - noise).mean(0), 0)  # (D,) variance between genres beyond it
    centres = centres * (signal / (signal + noise))
    f32 = np.float32
    return Whitener(
        mean.astype(f32), std.astype(f32), axes.astype(f32), spread.astype(f32), centres.astype(f32), names
    )
