"""Style by parts, and songs between two songs.

A style is not one direction in all numbers: what its clips share is their spectrum and how strongly their
beats move it. So the timbre and the rhythm of a clip are moved to where, and as far apart, as the target
genre's are (mean and spread per dimension, as in adaptive instance normalisation, Huang & Belongie, 2017);
harmony, detail and loudness stay the song's own. Half way between two songs is one song when both are
played at one tempo, on one beat and in one key before their parts are mixed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import Pose
from surco.edits.align import aligned
from surco.edits.parts import PARTS, Parts
from surco.errors import InputError

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.prior.bars import BarPrior

Array = NDArray[Any]
SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "styles.safetensors"
DRAWN = 192  # clips of each genre that stand for it where there are no training vectors
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

    @classmethod
    def drawn(cls, prior: "BarPrior", codec: "Codec", count: int = DRAWN, *, seed: int = 0) -> "Styles":
        """Of so many clips of each genre that a prior draws, for want of its training vectors."""
        from surco.prior.bars import Played

        genres = [genre for genre in prior.known for _ in range(count)]
        return cls.fit(Played(prior, codec).sample(genres, seed=seed), genres)

    def save(self, path: Path, codec: str) -> None:
        """Write mean and spread in half precision as safetensors, with the fingerprint of their codec."""
        from safetensors.numpy import save_file

        held = {
            f"{part} {g}": x.astype(np.float16)
            for part in ("mean", "spread")
            for g, x in getattr(self, part).items()
        }
        save_file(held, path, metadata={"surco-styles": codec})

    @classmethod
    def load(cls, codec: str, path: Path = SHIPPED) -> "Styles":
        """What `save` wrote; an InputError where that was of another codec."""
        from safetensors import safe_open

        with safe_open(path, "numpy") as file:
            of = (file.metadata() or {}).get("surco-styles")
            if of != codec:
                raise InputError(f"The genres' statistics are of codec {of}, not of {codec}.")
            held = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
        genres = sorted(name.removeprefix("mean ") for name in held if name.startswith("mean "))
        return cls(*({g: held[f"{part} {g}"] for g in genres} for part in ("mean", "spread")))

    def cut(self, size: int) -> "Styles":
        """The same of vectors of `size` dimensions; what lies beyond those that are known does not differ."""

        def fitted(held: dict[str, Array], rest: float) -> dict[str, Array]:
            return {
                g: np.pad(x[:size], (0, max(0, size - len(x))), constant_values=rest) for g, x in held.items()
            }

        return Styles(fitted(self.mean, 0.0), fitted(self.spread, 1.0))

    def nearest(self, parts: Parts, x: Array) -> str:
        """The genre whose timbre is likeliest to give clips `x` (n, D), every dimension by itself."""
        rows = np.flatnonzero(parts.part(np.ones(parts.size), "timbre"))
        heard = np.asarray(x, np.float64)[:, rows].mean(0)

        def likely(genre: str) -> float:
            spread = self.spread[genre][rows]
            return float(-(((heard - self.mean[genre][rows]) / spread) ** 2 / 2 + np.log(spread)).sum())

        return max(self.mean, key=likely)

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


def main() -> None:
    """Make the shipped statistics from the shipped codec and prior: `python -m surco.edits.style`."""
    from surco.codec import Codec
    from surco.prior.bars import BarPrior

    codec = Codec.load()
    prior = BarPrior.load().require(codec=codec.fingerprint)
    Styles.drawn(prior, codec).save(SHIPPED, codec.fingerprint)


if __name__ == "__main__":
    main()
