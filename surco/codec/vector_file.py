"""Recordings as files of vectors: a `.npy` that `numpy.load` reads, with the recording's length behind it.

Packed ones, a tenth as large, are `surco.codec.pack`'s.
"""

import io
import json
import math
import os
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from surco.codec.pack import PACKED, unpack
from surco.codec.streaming import MAX_SAMPLES
from surco.errors import InputError
from surco.files import regular_file, write_bytes

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

        Also reads what `surco.codec.pack` made. Raises InputError if there is no such file, or it holds no
        array of that kind.
        """
        path = Path(path)
        try:
            with regular_file(path).open("rb") as file:
                if file.peek(4)[:4] == PACKED:
                    return cls(*unpack(file.read(), str(path)))
                _check_size(file, path)
                vectors = np.load(file, allow_pickle=False)
                rest = np.load(file, allow_pickle=False) if file.peek(1) else None
            facts = json.loads(rest.tobytes()) if rest is not None else {}
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); give a `.npy` file.") from None
        except InputError:
            raise
        except (ValueError, EOFError, TypeError, AttributeError, SyntaxError, MemoryError, RecursionError,
                OverflowError, LookupError, tokenize.TokenError):  # fmt: skip
            raise InputError(f"{path} is no `.npy` file of vectors; have `surco encode` write one.") from None
        if not isinstance(vectors, np.ndarray) or vectors.ndim not in (1, 2) or vectors.dtype.kind != "f":
            raise InputError(f"{path} holds no vectors (clips, numbers); have `surco encode` write one.")
        if 0 in vectors.shape or (vectors.size and not np.isfinite(vectors).all()):
            raise InputError(f"{path} holds no vectors, or NaN or infinity; have `surco encode` write one.")
        if not isinstance(facts, dict):
            raise InputError(f"{path} is damaged behind its vectors; have `surco encode` write it again.")
        samples, codec = facts.get("samples"), facts.get("codec")
        if not isinstance(samples, int | None) or not isinstance(codec, str | None):
            raise InputError(f"{path} is damaged behind its vectors; have `surco encode` write it again.")
        if isinstance(samples, bool) or (samples is not None and not 0 < samples <= MAX_SAMPLES):
            raise InputError(f"{path} claims a length that no recording has; encode it again.")
        return cls(np.atleast_2d(vectors), samples, codec)


def _check_size(file: Any, path: Path) -> None:
    """Refuse a header that claims more than is there, before NumPy makes room for it."""
    version = np.lib.format.read_magic(file)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in reader:
        raise ValueError("an unknown version")
    shape, _, dtype = reader[version](file)
    claimed = math.prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or claimed > os.fstat(file.fileno()).st_size - file.tell():
        raise InputError(f"{path} is cut: it claims more numbers than it holds; write it again.")
    file.seek(0)
