"""Two sweeps beside each other, size by size: is one better than chance would make it?"""

from collections.abc import Mapping, Sequence

import numpy as np

from surco.documents import Document
from surco.judgement import judgement
from surco.metrics.aggregate import Estimate, by_track
from surco.metrics.score import HIGHER_IS_BETTER
from surco.metrics.scores import Scores

MAIN = ("zimtohrli", "log_mel_db", "chroma", "onset", "self_similarity", "style_kl")
FEWEST = judgement().edits.fewest  # tracks for an interval


class Compared(Document):
    """One measure at one size. `difference` is the second less the first, track by track, on shared clips."""

    size: int
    measure: str
    higher_is_better: bool
    first: Estimate
    second: Estimate
    difference: Estimate | None  # None where too few tracks were measured in both
    apart: bool | None  # None where either rests on too few tracks for an interval


class Comparison(Document):
    """`rows` of the sizes that both have; `clips` were measured in both."""

    sizes: list[int]
    only_first: list[int]
    only_second: list[int]
    clips: int
    rows: list[Compared]


def compare(
    first: Mapping[int, Scores], second: Mapping[int, Scores], *, measures: Sequence[str] = MAIN
) -> Comparison:
    """The main measures of two sweeps, by size, at the sizes that both have.

    Where both measured the same clips of one data set, the differences are taken clip by clip: what is hard
    about a track is hard for both, so their interval is narrower than those of the means. The means are then
    apart where the interval of the differences leaves out 0, and else where their own intervals do not meet.
    """
    both = sorted(first.keys() & second.keys())
    rows = [
        row
        for size in both
        for measure in measures
        if (row := _compared(first[size], second[size], measure)) is not None
    ]
    return Comparison(
        sizes=both,
        only_first=sorted(first.keys() - second.keys()),
        only_second=sorted(second.keys() - first.keys()),
        clips=min((len(_shared(first[size], second[size])) for size in both), default=0),
        rows=rows,
    )


def _compared(first: Scores, second: Scores, measure: str) -> Compared | None:
    a, b = first.estimate("decoded", measure), second.estimate("decoded", measure)
    if a is None or b is None:
        return None
    difference = _difference(first, second, measure)
    apart = None
    if difference is not None:
        apart = not difference.low <= 0 <= difference.high
    elif min(a.tracks, b.tracks) >= FEWEST:
        apart = a.high < b.low or b.high < a.low
    return Compared(
        size=first.size,
        measure=measure,
        higher_is_better=HIGHER_IS_BETTER[measure],
        first=a,
        second=b,
        difference=difference,
        apart=apart,
    )


def _difference(first: Scores, second: Scores, measure: str) -> Estimate | None:
    shared = _shared(first, second)
    if not shared:
        return None
    ours, theirs = first.measures("decoded")[measure], second.measures("decoded")[measure]
    less = np.array([theirs[j] - ours[i] for i, j in shared])  # (N,)
    found = by_track(less, [first.clips[i].track for i, _ in shared], seed=first.seed)
    return found if found.tracks >= FEWEST else None


def _shared(first: Scores, second: Scores) -> list[tuple[int, int]]:
    """Places, in the first and in the second, of the clips that both measured: the same sound."""
    if first.dataset != second.dataset:
        return []
    place = {clip.id: j for j, clip in enumerate(second.clips)}
    return [(i, place[clip.id]) for i, clip in enumerate(first.clips) if clip.id in place]
