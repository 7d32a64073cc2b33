"""The smallest vector that still stands for the music, by a rule, with its uncertainty.

Each kind of measure is put on one scale of *definition*: 0 is another track's clip (the floor), 1 the
vocoder on the true mel (the ceiling). A size is small enough to want and large enough to trust when,
for listening, structure and meaning alike,

- its loss against the ceiling stays under the kind's bound, and
- none of the next two larger sizes would give back more than `step`,

both at the unfavourable end of a 95 % bootstrap interval over tracks. The smallest such size wins.
The knee of the listening curve (Satopää et al., "Finding a 'Kneedle' in a Haystack", 2011) is told
beside it as a second opinion, and serves where no size passes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from surco.errors import InputError
from surco.judgement import judgement
from surco.metrics.aggregate import DRAWS, track_means
from surco.metrics.score import HIGHER_IS_BETTER

KINDS: dict[str, tuple[str, ...]] = {
    "listening": ("zimtohrli",),
    "structure": ("chroma", "onset", "self_similarity"),
    "meaning": ("style_kl",),
}
BOUNDS: dict[str, float] = judgement().smallest.bounds
STEP: float = judgement().smallest.step

UP = {name: 1 if better else -1 for name, better in HIGHER_IS_BETTER.items()}

Clips = Mapping[str, Sequence[float] | np.ndarray]


@dataclass(frozen=True)
class Loss:
    """Definition of one kind at one size, and what it loses; each with the ends of its 95 % interval."""

    definition: tuple[float, float, float]  # mean, low, high
    to_ceiling: tuple[float, float, float]
    to_next: tuple[float, float, float]  # against the better of the next two sizes; 0 at the largest
    holds: bool


@dataclass(frozen=True)
class Smallest:
    """The verdict on a sweep of sizes."""

    size: int
    passed: bool  # False: no size keeps every bound, and `size` is the knee (or the largest)
    knee: int | None
    study: tuple[int, ...]  # half, smallest and double
    reason: str
    losses: dict[int, dict[str, Loss]] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "losses": {str(k): v for k, v in asdict(self)["losses"].items()}}


def smallest_vector(
    sizes: Mapping[int, Clips],
    ceiling: Clips,
    floor: Clips,
    tracks: Sequence[str],
    *,
    bounds: Mapping[str, float] = BOUNDS,
    step: float = STEP,
    largest: int = 2048,
    stand_in: int | None = None,
    seed: int = 0,
) -> Smallest:
    """Find the smallest size that keeps every bound.

    Args:
        sizes: for each size, each measure's value (N,) per clip. A kind none of whose measures is
            there, or whose ceiling does not rise above its floor, is left out.
        ceiling: the same for the vocoder on the true mel.
        floor: the same for another track's clip.
        tracks: (N,) track of each clip; the same clips in every mapping.
        bounds: largest loss against the ceiling, by kind, as a share of the way up from the floor.
        step: largest definition either of the next two sizes may add.
        largest: the codec's largest size, which the proposed double never passes.
        stand_in: taken where no size keeps every bound; the knee, or else the largest, if not given.
        seed: of the bootstrap.
    """
    if not sizes:
        raise InputError("smallest_vector() needs the scores of at least one size.")
    order = sorted(sizes)
    index = None
    definitions: dict[str, np.ndarray] = {}
    for kind in bounds:
        systems = [sizes[s] for s in order] + [ceiling, floor]
        means = _track_table(systems, KINDS[kind], tracks)  # (sizes + 2, K)
        if means is None:
            continue
        # (1 + DRAWS, K): first the tracks themselves, then the bootstrap's draws of them
        index = np.random.default_rng(seed).integers(0, means.shape[1], (DRAWS, means.shape[1]))
        index = np.concatenate([np.arange(means.shape[1])[None], index])
        drawn = means[:, index].mean(-1)  # (sizes + 2, 1 + DRAWS)
        span = drawn[-2] - drawn[-1]  # (1 + DRAWS,)
        if span[0] > 1e-6:
            definitions[kind] = (drawn[:-2] - drawn[-1]) / np.maximum(span, 1e-6)  # (sizes, 1 + DRAWS)
    if not definitions:
        raise InputError(
            "No listening, structure or meaning measure separates the ceiling from the floor here."
        )
    losses = {
        size: {kind: _loss(q, i, bounds[kind], step) for kind, q in definitions.items()}
        for i, size in enumerate(order)
    }
    leading = "listening" if "listening" in definitions else next(iter(definitions))
    knee = find_knee(order, definitions[leading][:, 0])
    passing = [s for s in order if all(loss.holds for loss in losses[s].values())]
    size = passing[0] if passing else stand_in or knee or order[-1]
    study = tuple(sorted({max(1, size // 2), size, min(largest, size * 2)}))
    return Smallest(
        size, bool(passing), knee, study, _reason(size, losses, passing, knee, bounds, step), losses
    )


def find_knee(sizes: Sequence[int], definition: Sequence[float] | np.ndarray) -> int | None:
    """Where a rising curve over log2(size) bends most, or None where it does not bend (or has < 4 points)."""
    from kneed import KneeLocator

    if len(sizes) < 4:
        return None
    best = np.maximum.accumulate(definition)
    found = KneeLocator(np.log2(sizes), best, curve="concave", direction="increasing", online=False).knee
    return None if found is None else round(2 ** float(found))


def _track_table(
    systems: Sequence[Clips], measures: Sequence[str], tracks: Sequence[str]
) -> np.ndarray | None:
    """Means (systems, K) over tracks, on the clips where every system has the same measures defined."""
    named = [m for m in measures if all(m in s for s in systems)]
    if not named:
        return None
    values = np.array([[UP[m] * np.asarray(s[m], dtype=np.float64) for m in named] for s in systems])
    values = np.where(np.isfinite(values).all(0), values, np.nan)  # (systems, M, N)
    with np.errstate(invalid="ignore"):
        counted = np.isfinite(values)
        clips = np.where(counted, values, 0).sum(1) / np.where(counted.sum(1) == 0, np.nan, counted.sum(1))
    means = np.array([track_means(row, tracks)[1] for row in clips])  # (systems, K)
    return means if means.shape[1] else None


def _loss(q: np.ndarray, i: int, bound: float, step: float) -> Loss:
    """Losses of the `i`-th size of definitions (sizes, 1 + DRAWS)."""
    to_ceiling = 1 - q[i]
    later = q[i + 1 : i + 3]  # (≤ 2, 1 + DRAWS)
    to_next = later.max(0) - q[i] if len(later) else np.zeros_like(q[i])
    ends = _interval(q[i]), _interval(to_ceiling), _interval(to_next)
    return Loss(*ends, holds=bool(ends[1][2] <= bound and ends[2][2] <= step))


def _interval(draws: np.ndarray) -> tuple[float, float, float]:
    low, high = np.percentile(draws[1:], [2.5, 97.5])
    return float(draws[0]), float(low), float(high)


def _reason(
    size: int,
    losses: Mapping[int, Mapping[str, Loss]],
    passing: Sequence[int],
    knee: int | None,
    bounds: Mapping[str, float],
    step: float,
) -> str:
    order = sorted(losses)
    bend = f"the listening curve's knee lies at {knee}" if knee else "the listening curve has no knee"
    if not passing:
        return f"No size keeps every bound; {bend}, and {size} is proposed instead."
    below = [s for s in order if s < size]
    if not below:
        return f"{size} is the smallest size tried and keeps every bound; {bend}."
    failed = []
    for kind, loss in losses[below[-1]].items():
        if loss.to_ceiling[2] > bounds[kind]:
            failed.append(
                f"{kind} may lose {loss.to_ceiling[2]:.2f} to the ceiling (bound {bounds[kind]:.2f})"
            )
        if loss.to_next[2] > step:
            failed.append(f"{kind} may lose {loss.to_next[2]:.2f} to the next sizes (bound {step:.2f})")
    return f"{size} keeps every bound; at {below[-1]}, {' and '.join(failed)}; {bend}."
