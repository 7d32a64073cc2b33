"""The smallest size of a sweep: chosen on valid clips by the rule of `smallest`, reported on test clips."""

from collections.abc import Mapping

from pydantic import Field

from surco.documents import Document
from surco.errors import InputError
from surco.metrics.scores import Heard, Scores
from surco.metrics.smallest import Loss, Smallest, smallest_vector


class Choice(Document):
    """Which size, why, and what it and the others lose on clips that had no part in choosing it."""

    size: int
    passed: bool  # False: no size keeps every bound where it is chosen, and `size` is a stand-in
    knee: int | None
    study: tuple[int, ...]
    reason: str
    chosen_on: str  # split
    clips: int  # that it is chosen on
    tracks: int
    choosing: dict[int, dict[str, Loss]]  # by size and kind, on the split chosen on
    reported_on: str  # split
    losses: dict[int, dict[str, Loss]]  # the same, on the split reported on
    holds: bool  # the size chosen keeps every bound on the split reported on, too
    champion: int  # size of the codec that the sweep registers: the nearest one that was trained


class Rounds(Document):
    """What the first round of a sweep proposed, and which sizes the second one studies."""

    asked: tuple[int, ...]
    measured: tuple[int, ...] = ()
    smallest: int | None = None  # None where no size was measured
    passed: bool = False  # as `Choice.passed`
    studied: tuple[int, ...] = Field(min_length=1)
    reason: str = ""


def choose_smallest(scores: Mapping[int, Scores], *, stand_in: int | None = None) -> Choice:
    """Choose on the valid clips of every size, or where one has none, on the clips that are reported.

    `stand_in` is taken where no size keeps every bound: in a sweep the size that its second round is about.

    Raises InputError for no scores, and for scores of different clips.
    """
    if not scores:
        raise InputError("The smallest vector needs the scores of at least one size.")
    reported: dict[int, Heard] = dict(scores)
    valid = {size: found.choosing for size, found in scores.items() if found.choosing is not None}
    choosing: dict[int, Heard] = dict(valid) if len(valid) == len(scores) else reported
    chosen, told = rule(choosing, stand_in), rule(reported, stand_in)
    one = next(iter(choosing.values()))
    at = told.losses.get(chosen.size)
    return Choice(
        size=chosen.size,
        passed=chosen.passed,
        knee=chosen.knee,
        study=chosen.study,
        reason=chosen.reason,
        chosen_on=one.split,
        clips=len(one.clips),
        tracks=len(set(one.tracks)),
        choosing=chosen.losses,
        reported_on=next(iter(reported.values())).split,
        losses=told.losses,
        holds=at is not None and all(loss.holds for loss in at.values()),
        champion=min(scores, key=lambda size: (abs(size - chosen.size), size)),
    )


def rule(heard: Mapping[int, Heard], stand_in: int | None = None) -> Smallest:
    """The rule of `smallest_vector` on what was heard at each size, all on the same clips."""
    last = heard[max(heard)]
    if any(found.clips != last.clips for found in heard.values()):
        raise InputError("These scores are of different clips; evaluate every size on one data set and seed.")
    return smallest_vector(
        {size: found.measures("decoded") for size, found in heard.items()},
        last.measures("ceiling"),
        last.measures("floor"),
        last.tracks,
        stand_in=stand_in,
    )
