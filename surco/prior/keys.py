"""The key of a vector, from its numbers of harmony, and how far one key lies from another.

Key profiles: Krumhansl and Kessler, "Tracing the dynamic changes in perceived tonal organization" (1982).
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.harmony import basis
from surco.codec.vector_layout import places
from surco.errors import InputError, quoted

Array = NDArray[Any]
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True)
class Key:
    """A tonic, 0 for C to 11 for B, and whether it is minor."""

    tonic: int
    minor: bool

    def __str__(self) -> str:
        return f"{NAMES[self.tonic]} {'minor' if self.minor else 'major'}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Read "A minor", "Bb", "f# major" or "Am"; an InputError says what a key looks like."""
        found = re.fullmatch(r"\s*([A-Ga-g])([#♯b♭]?)\s*(m|min|minor|maj|major|)\s*", text)
        if found is None:
            raise InputError(f'{quoted(text)} is no key; write it as "A minor", "Bb major" or "F#".')
        letter, sign, mode = found.groups()
        tonic = _LETTERS[letter.upper()] + {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[sign]
        return cls(tonic % 12, mode in ("m", "min", "minor"))

    def semitones_to(self, other: "Key") -> int:
        """The shift, -6 to 5, to the other key, or to its relative where the modes differ."""
        tonic = self.tonic
        if self.minor != other.minor:
            tonic += 3 if self.minor else -3
        return (other.tonic - tonic + 6) % 12 - 6

    def raised(self, semitones: float) -> "Key":
        """This key so many semitones higher, to the nearest."""
        return Key((self.tonic + round(semitones)) % 12, self.minor)


def chroma(vectors: Array) -> Array:
    """How strong each pitch class is, (n, 12) in dB against their mean, in vectors (n, D)."""
    numbers = vectors[:, places(vectors.shape[1])[1].numpy()]  # (n, h)
    result: Array = numbers @ basis()[: numbers.shape[1]].mean(2).numpy()
    return result


def key_of(vectors: Array) -> Key | None:
    """The key that the vectors (n, D) of one song are in; None where they have no numbers of harmony."""
    heard = chroma(vectors).mean(0)  # (12,)
    if heard.std() < 1e-6:
        return None
    fits = {
        Key(tonic, minor): float(np.corrcoef(np.roll(profile, tonic), heard)[0, 1])
        for minor, profile in ((False, _MAJOR), (True, _MINOR))
        for tonic in range(12)
    }
    return max(fits, key=lambda k: fits[k])
