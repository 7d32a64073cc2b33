"""Recordings as files of vectors: a `.npy` that `numpy.load` reads, with the recording's length behind it."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from surco.errors import InputError
from surco.files import write_bytes

FORMAT = "surco-vectors-1"


class Vectors(np.ndarray):
    """Vectors (n, d) of a recording, float32, one a clip, that know how long the recording was.

    `samples` is its length at 22 050 Hz, `codec` the fingerprint of the codec; None where nobody knows.
    Slices keep both, so `vectors[:, :256]` decodes to the same length.

    >>> Vectors(np.zeros((2, 8)), samples=150_000)[:, :4].samples
    150000
    """

    samples: int | None
    codec: str | None

    def __new__(cls, vectors: Any, samples: int | None = None, codec: str | None = None) -> "Vectors":
        made = np.asarray(vectors, np.float32).view(cls)
        made.samples, made.codec = samples, codec
        return made

    def __array_finalize__(self, other: Any) -> None:
        self.samples, self.codec = getattr(other, "samples", None), getattr(other, "codec", None)

    def save(self, path: str | Path) -> None:
        """Write a `.npy` file, whole or not at all: the vectors, then a second array with the facts as JSON.

        `numpy.load(path)` gives the vectors alone.
        """
        facts = {"format": FORMAT, "samples": self.samples, "codec": self.codec}
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(self), allow_pickle=False)
        np.save(buffer, np.frombuffer(json.dumps(facts).encode(), np.uint8), allow_pickle=False)
        write_bytes(path, buffer.getvalue())

    @classmethod
    def load(cls, path: str | Path) -> "Vectors":
        """The vectors (n, d) of a `.npy` file, with their facts where `save` wrote it; (d,) is one vector.

        Raises InputError if there is no such file, or it holds no array of that kind.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                vectors = np.load(file, allow_pickle=False)
                rest = np.load(file, allow_pickle=False) if file.peek(1) else None
            facts = json.loads(rest.tobytes()) if rest is not None else {}
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); give a `.npy` file.") from None
        except (ValueError, EOFError, TypeError, AttributeError):
            raise InputError(f"{path} is no `.npy` file of vectors; have `surco encode` write one.") from None
        if not isinstance(vectors, np.ndarray) or vectors.ndim not in (1, 2) or vectors.dtype.kind != "f":
            raise InputError(f"{path} holds no vectors (clips, numbers); have `surco encode` write one.")
        samples, codec = facts.get("samples"), facts.get("codec")
        if not isinstance(samples, int | None) or not isinstance(codec, str | None):
            raise InputError(f"{path} is damaged behind its vectors; have `surco encode` write it again.")
        return cls(np.atleast_2d(vectors), samples, codec)
