"""Style by parts, and songs between two songs.

A style is not one direction in all numbers: what its clips share is their spectrum and how strongly their
beats move it. So the timbre and the rhythm of a clip are moved to where, and as far apart, as the target
genre's are (mean and spread per dimension, as in adaptive instance normalisation, Huang & Belongie, 2017);
harmony, detail and loudness stay the song's own. Half way between two songs is one song when both are
played at one tempo, on one beat and in one key before their parts are mixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import Pose
from surco.edits.align import aligned
from surco.edits.parts import PARTS, Parts
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
MOVED = {"timbre": 1.0, "rhythm": 2.0}  # the parts that a style moves, chosen on valid
WIDEST = 2.0  # a number is spread at most so many times as far, or as little


@dataclass(frozen=True)
class Styles:
    """Mean and spread (D,) of the training vectors of each genre."""

    mean: dict[str, Array]
    spread: dict[str, Array]

    @classmethod
    def fit(cls, vectors: Array, genres: Sequence[str]) -> "Styles":
        """Of training vectors (N, D) and their genres."""
        labels, x = np.asarray(genres), np.asarray(vectors, np.float64)
        groups = {g: x[labels == g] for g in sorted(set(genres))}
        return cls(
            {g: v.mean(0) for g, v in groups.items()},
            {g: np.maximum(v.std(0), 1e-3) for g, v in groups.items()},
        )

    def towards(
        self,
        parts: Parts,
        x: Array,
        source: str,
        target: str,
        weight: float,
        moved: Mapping[str, float] = MOVED,
    ) -> Array:
        """Clips `x` (n, D) of one genre moved by `weight` towards another; 1 is all of the way."""
        for genre in (source, target):
            if genre not in self.mean:
                known = ", ".join(self.mean)
                raise InputError(f"No training clip has the genre {genre!r}; use one of {known}.")
        ratio = np.clip(self.spread[target] / self.spread[source], 1 / WIDEST, WIDEST)  # (D,)
        there = (x - self.mean[source]) * ratio + self.mean[target]
        return parts.give(x, there, {name: weight * w for name, w in moved.items()})


def between(codec: "Codec", parts: Parts, a: Array, b: Array, weight: float) -> tuple[Array, list[Pose]]:
    """Clips between `a` and `b` (n, D): vectors (n, D) and the poses in which they are played.

    Weight 0 is `a`; at weight 1 the numbers are those of `b` aligned with `a`, and the pose undoes the
    alignment, so that tempo and key are b's own.
    """
    fitted, found = aligned(codec, a, b)
    mixed = parts.give(a, fitted, dict.fromkeys(PARTS, weight))
    return mixed, [Pose(-weight * f.pose.log_stretch, -weight * f.pose.semitones) for f in found]
