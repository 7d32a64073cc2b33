"""Guidance, steps and temperature: chosen on the valid split, with the curve that led to the choice.

Steps: as few as end within 2 % of where many would. Guidance and temperature: the pair whose songs, genre
by genre, lie nearest to the valid clips by the kernel distance of `surco.metrics.realism`, between
vectors, where it costs no decoding. Genre by genre, since over all genres at once a prior that
ignores the genre would do as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from surco.judgement import judgement
from surco.latents.vectors import VectorSet
from surco.metrics.aggregate import by_track
from surco.prior.memorisation import distances
from surco.prior.prior import Prior
from surco.prior.prior_report import SettingsTried, StepsTried, Tuning
from surco.prior.sample_quality import kernel_gamma
from surco.prior.settings import Settings

GUIDANCE = (1.0, 1.5, 2.0, 3.0)
TEMPERATURE = (0.8, 0.9, 1.0, 1.1, 1.2)
STEPS = (2, 4, 8, 16, 32)


def tune(
    prior: Prior,
    valid: VectorSet,
    *,
    guidance: Sequence[float] = GUIDANCE,
    temperature: Sequence[float] = TEMPERATURE,
    per_genre: int = 48,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Tuning:
    """Try all settings on the valid vectors; the same noise serves each of them."""
    total = len(guidance) * len(temperature) + 1
    chosen, curve = choose_steps(prior, seed=seed)
    progress(1, total)
    genres = [g for g in prior.genres if g in valid.genres]
    wanted = [g for g in genres for _ in range(per_genre)]
    gamma = kernel_gamma(valid.vectors)
    values: dict[Settings, np.ndarray] = {}
    for g in guidance:
        for t in temperature:
            settings = replace(prior.settings, steps=chosen, guidance=g, temperature=t)
            fake = prior.sample(wanted, seed=seed, settings=settings)  # (N, D)
            values[settings] = genre_distance(valid, fake, wanted, gamma)  # (V,)
            progress(1 + len(values), total)
    best = min(values, key=lambda s: by_track(values[s], valid.tracks, seed=seed).mean)
    grid = []
    for settings, each in values.items():
        tracks = valid.tracks
        estimate = by_track(each, tracks, seed=seed)
        against = by_track(each - values[best], tracks, seed=seed)
        grid.append(
            SettingsTried(
                guidance=settings.guidance,
                temperature=settings.temperature,
                chosen=settings == best,
                distance=estimate,
                above_chosen=against,
            )
        )
    return Tuning(settings=best, steps=curve, grid=grid)


def choose_steps(prior: Prior, *, seed: int = 0, clips: int = 64) -> tuple[int, list[StepsTried]]:
    """The fewest steps of `STEPS` that end within 2 % of twice the most, and the error of each."""
    genres = [prior.genres[i % len(prior.genres)] for i in range(clips)]

    def ends(steps: int) -> np.ndarray:
        sampled = prior.sample(genres, seed=seed, settings=replace(prior.settings, steps=steps))
        return prior.whitener.forward(sampled) * prior.whitener.weight  # (N, D)

    true = ends(2 * max(STEPS))
    size = float(np.linalg.norm(true - true.mean(0), axis=1).mean())
    errors = {n: float(np.linalg.norm(ends(n) - true, axis=1).mean()) / size for n in STEPS}
    good = [n for n, e in errors.items() if e <= judgement().prior.tolerance]
    return (min(good) if good else max(STEPS)), [StepsTried(steps=n, error=e) for n, e in errors.items()]


def genre_distance(valid: VectorSet, fake: np.ndarray, genres: Sequence[str], gamma: float) -> np.ndarray:
    """Per valid clip (V,): how the new clips of its genre (N, D) lie about it, times 100.

    The mean over the clips of a genre is its MMD^2 less the likeness of the valid clips to each other,
    which no setting changes: near 0 or below is good, and only differences mean something.
    """
    names = np.array(genres)
    out = np.zeros(len(valid))
    for genre in sorted(set(genres)):
        own = fake[names == genre]  # (n, D)
        rows = np.flatnonzero(np.array(valid.genres) == genre)
        within = np.exp(-gamma * distances(own, own) ** 2)  # (n, n)
        n = len(own)
        alike = (within.sum() - n) / (n * (n - 1))
        across = np.exp(-gamma * distances(valid.vectors[rows], own) ** 2).mean(1)  # (V_g,)
        out[rows] = 100 * (alike - 2 * across)
    return out
