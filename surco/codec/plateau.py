"""When training has learned what it will: the curve on valid clips is flat, at full rate and at lower ones.

A function of the looks alone, so that a resumed run ends where one left alone does.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

CUTS = 2  # of the rate, before the end
FACTOR = 0.25  # what a cut leaves of it


def verdict(
    looks: Sequence[Mapping[str, float]], measure: str, cuts: Sequence[int], patience: int
) -> Literal["go on", "cut", "end"]:
    """What to do after the last look.

    looks : of each its `step` and its error, under `measure`. cuts : steps at which the rate was cut.
    patience : steps without a better look before the rate is cut, and after the last cut before the end.

    >>> looks = [{"step": 0, "error": 3.0}, {"step": 10, "error": 2.0}, {"step": 30, "error": 2.1}]
    >>> verdict(looks, "error", [], 30), verdict(looks, "error", [], 20), verdict(looks, "error", [9, 10], 20)
    ('go on', 'cut', 'end')
    """
    best = min(looks, key=lambda look: look[measure])
    since = max(best["step"], *cuts, 0)
    if looks[-1]["step"] - since < patience:
        return "go on"
    return "cut" if len(cuts) < CUTS else "end"
