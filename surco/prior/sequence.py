"""Which clip comes before which: the pairs that a sequence model over clips learns from."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

MIN_PAIRS = 48  # fewer say nothing about hundreds of coordinates


@dataclass
class Neighbours:
    """For each clip the row of the clip before it, -1 where there is none, and what 'before' means here."""

    previous: np.ndarray  # (N,) int
    kind: str  # "consecutive", "track" or "none"
    sentence: str

    @property
    def pairs(self) -> int:
        return int((self.previous >= 0).sum())


def find_neighbours(
    tracks: list[str],
    starts: list[float] | None = None,
    *,
    seconds: float = 5.0,
    tolerance: float = 0.5,
    least: int = MIN_PAIRS,
) -> Neighbours:
    """Pair clips of `seconds` with the clip just before them in the same track.

    Where a data set cuts its clips apart, any earlier clip of the same track stands in; where tracks hold
    one clip each, there is nothing to learn from and the sentence says so.
    """
    n = len(tracks)
    if starts is not None:
        where = {(t, round(s / tolerance)): i for i, (t, s) in enumerate(zip(tracks, starts, strict=True))}
        consecutive = np.full(n, -1)
        for i, (track, start) in enumerate(zip(tracks, starts, strict=True)):
            slot = round((start - seconds) / tolerance)
            near = [where[track, s] for s in (slot, slot - 1, slot + 1) if (track, s) in where]
            consecutive[i] = near[0] if near else -1
        found = Neighbours(consecutive, "consecutive", "")
        if found.pairs >= least:
            found.sentence = f"The sequence model learns from {found.pairs} pairs of consecutive clips."
            return found
    order = sorted(range(n), key=lambda i: (tracks[i], starts[i] if starts is not None else i))
    same = np.full(n, -1)
    for a, b in pairwise(order):
        if tracks[a] == tracks[b]:
            same[b] = a
    found = Neighbours(same, "track", "")
    if found.pairs >= least:
        found.sentence = (
            f"The data set has no run of consecutive clips, so the sequence model learns from {found.pairs} "
            "pairs of clips of the same track that lie further apart."
        )
        return found
    return Neighbours(
        np.full(n, -1),
        "none",
        f"The data set has only {found.pairs} pairs of clips from one track and a sequence model needs "
        f"{least}, so the clips of a long song share most of their noise instead.",
    )


def step_correlation(
    z: np.ndarray, centres: np.ndarray, labels: np.ndarray, previous: np.ndarray
) -> np.ndarray:
    """Correlation (D,) of each coordinate of z (N, D) with the clip before, about the genre's centre.

    Shrunk as a slope with unit prior variance over as many pairs as there are, and kept within [0, 0.98].
    """
    rows = np.flatnonzero(previous >= 0)
    if len(rows) < MIN_PAIRS:
        return np.zeros(z.shape[1], np.float32)
    now = z[rows] - centres[labels[rows]]  # (P, D)
    then = z[previous[rows]] - centres[labels[previous[rows]]]  # (P, D)
    slope = (now * then).sum(0) / (np.sqrt((now**2).sum(0) * (then**2).sum(0)) + 1)  # (D,)
    return np.clip(slope - 1 / np.sqrt(len(rows)), 0, 0.98).astype(np.float32)
