"""How an edit is judged: does what was asked for move by the amount asked, does the rest stay, is it real?

- asked: slope of what was measured against the amount asked; 1 is perfect.
- kept: how alike the edited sound is to the original, over how alike the unedited decode is.
- real: kernel audio distance to unedited decoded clips of other tracks, so that every clip serves as a
  reference (cross-fitted over tracks); an unedited decode has 0.

Each has a 95 % interval over tracks; below `FEWEST` tracks there is none, and no answer but "too few".
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.documents import Document
from surco.judgement import judgement
from surco.metrics.aggregate import Estimate, by_track, ratio_by_track
from surco.metrics.realism import SCALE, _squares

Array = NDArray[Any]
LIMITS = judgement().edits
FEWEST = LIMITS.fewest  # tracks for an interval
SLOPE = LIMITS.slope  # where the mean slope lies if an edit does what was asked
CERTAIN = LIMITS.certain  # the slope's interval lies above
KEPT = LIMITS.kept  # of the unedited decode, in the least kept measure

ENCODED = ", encoded"  # how the names of baselines end whose sound went through a vector
MIXED = "waves, encoded"

Answer = Literal["yes", "no better than mixing", "partly", "no", "too few"]


def estimate(values: Array, tracks: Sequence[str], *, seed: int = 0) -> Estimate:
    """As `by_track`, without an interval where it would rest on fewer than `FEWEST` tracks."""
    return _guarded(by_track(values, tracks, seed=seed))


def ratio(values: Array, others: Array, tracks: Sequence[str], *, seed: int = 0) -> Estimate:
    """As `ratio_by_track`, guarded in the same way."""
    return _guarded(ratio_by_track(values, others, tracks, seed=seed))


def _guarded(found: Estimate) -> Estimate:
    if found.tracks >= FEWEST:
        return found
    return Estimate(found.mean, float("nan"), float("nan"), found.tracks, found.missing)


def slopes(amounts: Sequence[float], measured: Array) -> Array:
    """Slope (n,) through the origin of measured amounts (A, n) on those asked (A,); NaN where one is."""
    x = np.asarray(amounts, np.float64)
    return (x[:, None] * measured).sum(0) / (x**2).sum()


class Realism:
    """Kernel audio distance of edited clips to unedited decoded ones, by their embeddings (n, E)."""

    def __init__(self, reference: Array, tracks: Sequence[str]):
        self.reference = np.asarray(reference, np.float64)
        self.tracks = np.asarray(tracks)
        squares = _squares(self.reference, self.reference)
        far = ~np.eye(len(squares), dtype=bool)
        self.gamma = 1 / max(float(np.median(squares[far])), 1e-9) / 2

    def rise(self, embeddings: Array, reference: Array | None = None) -> Estimate:
        """How far embeddings (n, E) of the same clips, edited, lie from them; jackknife over tracks.

        Clips of one track never meet. `reference` (n, E) stands in where the unedited clips were heard at
        another length.
        """
        x = np.asarray(embeddings, np.float64)
        y = self.reference if reference is None else np.asarray(reference, np.float64)
        apart = (self.tracks[:, None] != self.tracks[None]).astype(np.float64)  # (n, n)
        kernels = [np.exp(-self.gamma * _squares(a, b)) * apart for a, b in ((y, y), (x, x), (y, x))]

        def distance(keep: Array) -> float:
            pairs = apart[np.ix_(keep, keep)].sum()
            real, fake, cross = (k[np.ix_(keep, keep)].sum() / pairs for k in kernels)
            return float(SCALE * (real + fake - 2 * cross))

        names = np.unique(self.tracks)
        whole = distance(np.arange(len(x)))
        if len(names) < FEWEST:
            return Estimate(whole, float("nan"), float("nan"), len(names), 0)
        without = np.array([distance(np.flatnonzero(self.tracks != name)) for name in names])
        k = len(names)
        spread = 1.96 * float(np.sqrt((k - 1) / k * ((without - without.mean()) ** 2).sum()))
        return Estimate(whole, whole - spread, whole + spread, k, 0)


class Judged(Document):
    """What one system did; `reached` is in the measure's own unit at the largest amount."""

    asked: Estimate
    kept: dict[str, Estimate]
    like_decode: dict[str, Estimate]  # correlations with the unedited decode, pose undone
    real: Estimate
    reached: Estimate
    style: Estimate | None = None  # how far the probability of the style of the other song rose

    @property
    def least_kept(self) -> float:
        """The least kept measure; 1 where nothing has to stay."""
        found = [e.mean for e in self.kept.values() if np.isfinite(e.mean)]
        return min(found, default=1.0)


def answer(edit: Judged, systems: Mapping[Any, Judged]) -> tuple[Answer, str]:
    """Is it possible, and the reason; `systems` holds the baselines by name.

    "yes": the slope lies within `SLOPE` and with certainty above `CERTAIN`; what had to stay did; and the
    sound is not with certainty less real than both the mixture and the same edit by signal processing, each
    encoded too, since an encoded sound is what the reference holds. "no better than mixing": all that, and
    the encoded mixture does it as well. "partly": it moves with certainty, but one of the three fails. "no":
    it does not move with certainty.
    """
    if edit.asked.tracks < FEWEST:
        return "too few", f"{edit.asked.tracks} tracks are too few for an interval; {FEWEST} are needed."
    rivals = [judged for name, judged in systems.items() if name.endswith(ENCODED)]
    usual = max((r.real.mean for r in rivals), default=0.0)
    told = (
        f"slope {edit.asked.mean:.2f} [{edit.asked.low:.2f}, {edit.asked.high:.2f}], kept "
        f"{edit.least_kept:.2f}, realism cost {edit.real.mean:.1f} (baselines, encoded, up to {usual:.1f}), "
        f"n = {edit.asked.tracks}"
    )
    if not edit.asked.low > 0:
        return "no", f"It does not move with certainty: {told}."
    fails = _fails(edit, usual)
    if fails:
        return "partly", f"It moves, but {' and '.join(fails)}: {told}."
    mixed = systems.get(MIXED)
    if mixed is not None and not _fails(mixed, usual):
        return "no better than mixing", f"It does what was asked, and so does a mixture: {told}."
    return "yes", f"It does what was asked: {told}."


def _fails(one: Judged, usual: float) -> list[str]:
    """Which of the three questions are answered badly; `usual` is what realism the baselines cost."""
    fails = []
    if not (SLOPE[0] <= one.asked.mean <= SLOPE[1] and one.asked.low > CERTAIN):
        fails.append("it moves by another amount than asked")
    if one.least_kept < KEPT:
        fails.append("something else moves with it")
    if one.real.low > max(usual, 0.0):
        fails.append("it costs more realism than the baselines")
    return fails
