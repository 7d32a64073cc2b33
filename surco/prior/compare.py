"""The prior beside what it must beat: one table over systems, in vectors and, decoded, in sound."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from surco.bench import Bench
from surco.datasets.sampling import spread_rows
from surco.latents.vectors import VectorSet
from surco.metrics.aggregate import Estimate
from surco.metrics.judge import GenreJudge
from surco.prior.baselines import GaussianPrior, Resampled, fit_mixture
from surco.prior.memorisation import CopyDetector, distances, fit_copy_detector
from surco.prior.prior import Prior, Sampler
from surco.prior.prior_report import AgainstGaussian, Counts, Measure, System, Table
from surco.prior.sample_quality import Clips, K, evaluate, kernel_gamma

REAL: System = "unseen real clips"


def systems(prior: Prior, vectors: VectorSet, *, seed: int = 0) -> dict[System, Sampler]:
    """The prior as chosen, the prior untuned, and the three baselines, fitted to the training vectors."""
    train, valid = vectors.take(split="train"), vectors.take(split="valid")
    plain = replace(prior, settings=replace(prior.settings, guidance=1.0, temperature=1.0))
    found: dict[System, Sampler] = {"flow": prior}
    if prior.settings != plain.settings:
        found["flow, untuned"] = plain
    found["Gaussian"] = GaussianPrior(prior.whitener)
    found["mixture"] = fit_mixture(prior.whitener, train.vectors, train.genres, valid.vectors, seed=seed)
    found["training vectors"] = Resampled(train.vectors, np.array(train.genres))
    return found


def compare(
    samplers: Mapping[System, Sampler],
    vectors: VectorSet,
    *,
    per_genre: int,
    bench: Bench | None = None,
    seed: int = 0,
    progress: Callable[[str], None] = lambda name: None,
) -> Table:
    """Figures of each system against the test clips: by system, by measure, with 95 % intervals.

    With a `bench`, clips are decoded and judged as sound, the real ones decoded from their vectors too,
    so that what is judged is the prior and not the codec. Without, vectors stand for the sound.
    The row of unseen real clips (valid against test) is what a perfect prior would reach.
    """
    train, valid, test = (vectors.take(split=s) for s in ("train", "valid", "test"))
    detector = fit_copy_detector(train)
    if bench is None:
        judge = GenreJudge(train.vectors, train.genres, seed=seed)
        hear: Callable[[np.ndarray], np.ndarray] = _as_is
    else:
        assert bench.judge is not None, "this bench has no judge of style"
        judge, decode, embed = bench.judge, bench.decode, bench.embed

        def hear(x: np.ndarray) -> np.ndarray:
            return embed(decode(x))

    def clips(part: VectorSet) -> Clips:
        return Clips(part.vectors, hear(part.vectors), part.genres, part.tracks)

    progress(REAL)
    cap = 10**9 if bench is None else max(2 * per_genre, K + 1)
    real = clips(test.rows(spread_rows(test.genres, cap, seed=seed)))
    held = clips(valid.rows(spread_rows(valid.genres, cap, seed=seed)))
    genres = [g for g in sorted(set(train.genres)) if g in test.genres for _ in range(per_genre)]
    table: dict[System, dict[Measure, Estimate]] = {}
    fakes: dict[System, Clips] = {}
    for name, sampler in samplers.items():
        progress(name)
        new = sampler.sample(genres, seed=seed + 1)  # (N, D)
        fakes[name] = Clips(new, hear(new), genres, [str(i) for i in range(len(genres))])
        table[name] = evaluate(real, fakes[name], detector=detector, named=judge.named, seed=seed)
    table[REAL] = evaluate(real, held, detector=detector, named=judge.named, seed=seed)
    return Table(
        space="vectors" if bench is None else "sound",
        clips=Counts(new=len(genres), test=len(real.genres), valid=len(held.genres)),
        copy_threshold=detector.threshold,
        systems=table,
        copied=copied(fakes, detector),
        against_gaussian=_against(real, fakes, seed=seed),
    )


def copied(fakes: Mapping[System, Clips], detector: CopyDetector) -> dict[System, list[str]]:
    """The training clips that each system's new clips are flagged as copies of."""
    return {n: sorted({m.clip for m in detector.check(c.vectors) if m.copy}) for n, c in fakes.items()}


def _against(
    real: Clips, fakes: Mapping[System, Clips], *, seed: int, draws: int = 999
) -> AgainstGaussian | None:
    """Flow against Gaussian: difference of kernel audio distance, and its p in a permutation test.

    Under the null hypothesis that both are one distribution, which clips carry which name is chance.
    """
    if not {"flow", "Gaussian"} <= set(fakes):
        return None
    a, b = fakes["flow"].embeddings, fakes["Gaussian"].embeddings
    both, n = np.concatenate([a, b]), len(a)
    rng = np.random.default_rng(seed)
    gamma = kernel_gamma(real.embeddings)
    own = np.exp(-gamma * distances(both, both) ** 2)  # (2N, 2N)
    cross = np.exp(-gamma * distances(both, real.embeddings) ** 2).mean(1)  # (2N,)

    def half(rows: np.ndarray) -> float:
        within = own[np.ix_(rows, rows)]
        alike = (within.sum() - np.trace(within)) / (len(rows) * (len(rows) - 1))
        return float(100 * (alike - 2 * cross[rows].mean()))

    seen = half(np.arange(n)) - half(np.arange(n, 2 * n))
    null = []
    for _ in range(draws):
        order = rng.permutation(2 * n)
        null.append(half(order[:n]) - half(order[n:]))
    p = (1 + sum(abs(x) >= abs(seen) for x in null)) / (draws + 1)
    return AgainstGaussian(kad_difference=float(seen), p=float(p), permutations=draws)


def _as_is(x: np.ndarray) -> np.ndarray:
    return x
