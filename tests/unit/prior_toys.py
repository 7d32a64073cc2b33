"""Vectors with planted structure for the tests of the prior."""

import numpy as np

from surco.latents.vectors import VectorSet

GENRES = ("folk", "jazz")


def two_modes(n: int, *, size: int = 4, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Vectors (n, size): the first number near -30 or 30, the second near 0 (folk) or 20 (jazz)."""
    rng = np.random.default_rng(seed)
    genre = rng.integers(0, 2, n)
    x = rng.normal(size=(n, size))
    x[:, 0] = 30 * (2 * rng.integers(0, 2, n) - 1) + 3 * x[:, 0]
    x[:, 1] = 20 * genre + x[:, 1]
    return x.astype(np.float32), [GENRES[g] for g in genre]


def toy_set(n: int = 480, *, size: int = 4, per_track: int = 2, seed: int = 0) -> VectorSet:
    """Two thirds train, a sixth valid, a sixth test; tracks apart."""
    x, genres = two_modes(n, size=size, seed=seed)
    splits = ["train"] * (2 * n // 3) + ["valid"] * (n // 6)
    splits += ["test"] * (n - len(splits))
    return VectorSet(
        vectors=x,
        clips=[f"clip.{i:05d}" for i in range(n)],
        tracks=[f"track {i // per_track}" for i in range(n)],
        genres=genres,
        splits=splits,
        codec="c0dec",
        dataset="da7a",
    )
