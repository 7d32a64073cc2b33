"""Does the codec work on music it was not made for? Decided by measurement, and the answer can be no.

Outside clips are compared with the data set's own test clips, which the codec has not seen either:
what differs is only where they come from.

Sources: Mahalanobis 1936 with Ledoit & Wolf 2004 (a covariance for fewer clips than
dimensions); Lee et al. 2018 (Mahalanobis and nearest neighbours as signs of being out of distribution);
Hedges 1981 (effect size).
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.documents import Document
from surco.errors import InputError
from surco.judgement import judgement
from surco.metrics.aggregate import Estimate, track_means

Array = NDArray[Any]
DRAWS = 1000


class OutOfDistribution:
    """How far vectors lie from the training vectors (N, D), in two ways.

    `neighbours`: mean distance to the 5 nearest training vectors. `mahalanobis`: distance from their
    centre in units of their spread, by a shrunk covariance in the span of the training vectors.
    """

    def __init__(self, train: Array, *, k: int = 5):
        from sklearn.covariance import LedoitWolf

        if len(train) < 3:
            raise InputError(
                f"Distances from {len(train)} training vectors mean nothing; give three or more."
            )
        self._train = train.astype(np.float64)
        self._k = min(k, len(train))
        self._centre = self._train.mean(0)
        scale = self._train.std(0)
        self._scale = np.where(scale > 1e-9, scale, 1.0)
        self._precision = LedoitWolf().fit((self._train - self._centre) / self._scale).precision_

    def neighbours(self, x: Array) -> NDArray[np.float64]:
        """Mean distance (M,) of vectors (M, D) to their nearest training vectors."""
        from scipy.spatial.distance import cdist

        return np.sort(cdist(x.astype(np.float64), self._train), axis=1)[:, : self._k].mean(1)

    def mahalanobis(self, x: Array) -> NDArray[np.float64]:
        """Mahalanobis distance (M,) of vectors (M, D), divided by the root of D."""
        z = (x.astype(np.float64) - self._centre) / self._scale
        return np.sqrt(
            np.maximum(np.einsum("md,de,me->m", z, self._precision, z, optimize=True), 0) / x.shape[1]
        )


class Band(Document):
    """The 95 % band of the reference clips, and the share of the others outside it (5 % by chance)."""

    low: float
    high: float
    outside: Estimate


def outside_band(reference: Array, values: Array, tracks: Sequence[str], *, seed: int = 0) -> Band:
    """Share of `values` (M,) outside the middle 95 % of `reference` (N,), with its interval over tracks."""
    from surco.metrics.aggregate import by_track

    low, high = np.percentile(reference, [2.5, 97.5])
    out = ((values < low) | (values > high)).astype(np.float64)
    return Band(low=float(low), high=float(high), outside=by_track(out, tracks, seed=seed))


class Comparison(Document):
    """Outside against test on one measure: both means, their difference, and its size in spreads."""

    test: float
    outside: float
    difference: Estimate  # outside - test, mean over tracks; over shared styles where there are some
    effect: Estimate  # the difference in standard deviations of test tracks (Hedges' g)
    styles: list[str]  # styles found on both sides; empty if the comparison is of all with all


def compare(
    test: Array,
    test_tracks: Sequence[str],
    test_styles: Sequence[str],
    outside: Array,
    outside_tracks: Sequence[str],
    outside_styles: Sequence[str],
    *,
    seed: int = 0,
) -> Comparison:
    """Compare a measure of outside clips with that of test clips, style by style where styles are shared.

    Tracks are averaged first. The interval is a bootstrap over tracks on both sides, within styles.
    """
    here = _per_style(test, test_tracks, test_styles)
    there = _per_style(outside, outside_tracks, outside_styles)
    shared = sorted(set(here) & set(there))
    if not shared:
        here = {"": np.concatenate(list(here.values()))}
        there = {"": np.concatenate(list(there.values()))}
    styles = shared or [""]
    rng = np.random.default_rng(seed)
    ours = np.concatenate([here[s] for s in styles])
    theirs = np.concatenate([there[s] for s in styles])
    within = [(here[s] - here[s].mean(), there[s] - there[s].mean()) for s in styles]
    pooled = np.concatenate([np.concatenate(pair) for pair in within])
    freedom = max(len(pooled) - 2 * len(styles), 1)
    spread = float(np.sqrt((pooled**2).sum() / freedom)) or float("nan")
    correction = 1 - 3 / max(4 * freedom - 1, 4)
    difference = float(np.mean([there[s].mean() - here[s].mean() for s in styles]))
    draws = np.mean(
        [_resampled(there[s], rng) - _resampled(here[s], rng) for s in styles],
        axis=0,
    )  # (DRAWS,)
    low, high = (float(v) for v in np.percentile(draws, [2.5, 97.5]))
    tracks = len(ours) + len(theirs)
    factor = correction / spread
    return Comparison(
        test=float(np.mean([here[s].mean() for s in styles])),
        outside=float(np.mean([there[s].mean() for s in styles])),
        difference=Estimate(difference, low, high, tracks, 0),
        effect=Estimate(difference * factor, low * factor, high * factor, tracks, 0),
        styles=shared,
    )


def _per_style(values: Array, tracks: Sequence[str], styles: Sequence[str]) -> dict[str, Array]:
    """Track means (K,) of each style."""
    found = {}
    for style in sorted(set(styles)):
        index = [i for i, s in enumerate(styles) if s == style and np.isfinite(values[i])]
        if index:
            found[style] = track_means(np.asarray(values)[index], [tracks[i] for i in index])[1]
    if not found:
        raise InputError("No clip has a defined value to compare; check the audio.")
    return found


def _resampled(means: Array, rng: np.random.Generator) -> Array:
    return means[rng.integers(0, len(means), (DRAWS, len(means)))].mean(1)


class Verdict(Document):
    """Does it work on this music: yes, partly or no, and the sentence that says why."""

    answer: Literal["yes", "partly", "no"]
    sentence: str


def verdict(error: Comparison, distance: Band) -> Verdict:
    """Decide from the log-mel error, in dB, and from the share of vectors outside the test clips' band.

    "yes" if the error is, with 95 % confidence, at most 10 % above that of test clips; "no" if it is
    so by more than 25 %, or if clips that are for the most part outside the band leave it open;
    "partly" in between.
    """
    d = error.difference
    low, mean, high = (v / max(error.test, 1e-9) for v in (d.low, d.mean, d.high))
    answer: Literal["yes", "partly", "no"] = "partly"
    limits = judgement().outside
    if high <= limits.good:
        answer = "yes"
    elif low > limits.bad or (mean > limits.bad and distance.outside.mean > limits.mostly):
        answer = "no"
    opening = {
        "yes": "Yes, it works on this music",
        "partly": "Partly: it works with a loss, or there are too few tracks to tell",
        "no": "No, it does not work on this music as on its own",
    }[answer]
    sides = f"{error.outside:.2f} dB against {error.test:.2f} dB on the test clips"
    interval = f"{100 * mean:+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}]"
    share = f"{100 * distance.outside.mean:.0f} % of its vectors lie outside the test clips' 95 % band"
    return Verdict(
        answer=answer,
        sentence=f"{opening}: the log-mel error is {sides} ({interval}), and {share} (5 % by chance).",
    )
