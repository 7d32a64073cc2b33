"""The vectors of a data set, with what is needed to say whose they are."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from surco.errors import InputError, quoted
from surco.tensors import broken_file, header, open_tensors

_KEY = "vectorset"  # one metadata entry: safetensors does not keep the order of several
_COLUMNS = ("clips", "tracks", "genres", "splits")


@dataclass(frozen=True)
class VectorSet:
    """One vector a clip, in the order of the data set, and the fingerprints of codec and data set.

    Parameters
    ----------
    vectors : (N, D) float32, finite
    clips, tracks, genres, splits : N names each; a split is "train", "valid" or "test"
    codec, dataset : fingerprints; vectors of different codecs or data sets do not mix

    Raises
    ------
    InputError
        If there are no vectors, a number is not finite, or the columns differ in length.
    """

    vectors: NDArray[np.float32]
    clips: list[str]
    tracks: list[str]
    genres: list[str]
    splits: list[str]
    codec: str
    dataset: str

    def __post_init__(self) -> None:
        x = self.vectors
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            raise InputError("Vectors must be floating-point numbers; embed again.")
        if x.ndim != 2 or 0 in x.shape:
            raise InputError(f"Vectors must be a full table of clips × dimensions, not of shape {x.shape}.")
        for name in _COLUMNS:
            column = getattr(self, name)
            if not isinstance(column, list) or not all(isinstance(value, str) for value in column):
                raise InputError(f"The {name} of vectors must be a list of names; embed again.")
            if len(column) != len(x):
                raise InputError(f"{len(x)} vectors but {len(getattr(self, name))} {name}; embed again.")
        if not isinstance(self.codec, str) or not isinstance(self.dataset, str):
            raise InputError("Vectors must name their codec and data set by fingerprint; embed again.")
        bad = np.flatnonzero(~np.isfinite(x).all(1))
        if len(bad):
            raise InputError(
                f"{len(bad)} of {len(x)} vectors hold NaN or infinity, the first being clip "
                f"{quoted(self.clips[bad[0]])}; check that clip's audio and embed again."
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def size(self) -> int:
        """D, the dimensions of one vector."""
        return int(self.vectors.shape[1])

    def rows(self, index: Sequence[int] | NDArray[np.int64]) -> "VectorSet":
        """The clips at `index`, in that order."""
        columns: dict[str, Any] = {name: [getattr(self, name)[i] for i in index] for name in _COLUMNS}
        return replace(self, vectors=self.vectors[np.asarray(index, dtype=np.int64)], **columns)

    def take(self, *, split: str | Sequence[str]) -> "VectorSet":
        """The clips of one split or of several; an `InputError` where there are none."""
        wanted = {split} if isinstance(split, str) else set(split)
        index = [i for i, s in enumerate(self.splits) if s in wanted]
        if not index:
            raise InputError(
                f"No vector belongs to the split {' or '.join(sorted(wanted))}; the splits here are "
                f"{', '.join(sorted(set(self.splits)))}, so prepare the data set with all three."
            )
        return self.rows(index)

    def prefix(self, size: int) -> "VectorSet":
        """The first `size` dimensions of every vector: the same clips coded smaller."""
        if not 1 <= size <= self.size:
            raise InputError(f"Size {size} is not between 1 and {self.size}, the dimensions they have.")
        return replace(self, vectors=np.ascontiguousarray(self.vectors[:, :size]))

    def require(
        self, *, codec: str | None = None, size: int | None = None, dataset: str | None = None
    ) -> "VectorSet":
        """Itself, or an `InputError` if it is not of that codec, size or data set."""
        if codec is not None and codec != self.codec:
            raise InputError(
                f"These vectors were made by codec {self.codec}, not by {codec}; embed the clips with it."
            )
        if size is not None and size != self.size:
            raise InputError(f"These vectors have {self.size} dimensions, not {size}; embed at {size}.")
        if dataset is not None and dataset != self.dataset:
            raise InputError(
                f"These vectors are of data set {self.dataset}, not of {dataset}; embed this data set first."
            )
        return self

    def require_same_clips(self, other: "VectorSet") -> "VectorSet":
        """Itself, or an `InputError` if `other` does not hold the same clips in the same order."""
        self.require(dataset=other.dataset)
        if self.clips != other.clips:
            raise InputError(
                f"The vectors at {self.size} and at {other.size} dimensions hold different clips; "
                "embed both from the same data set."
            )
        return self

    def save(self, path: Path) -> None:
        """Write a safetensors file whose metadata is JSON; whole or not at all, same bytes for same set."""
        header = {name: getattr(self, name) for name in (*_COLUMNS, "codec", "dataset")}
        part = path.with_name(path.name + ".part")
        tensor = np.ascontiguousarray(self.vectors, dtype=np.float32)
        save_file({"vectors": tensor}, part, metadata={_KEY: json.dumps(header, ensure_ascii=False)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "VectorSet":
        """Read what `save` wrote."""
        remedy = "have `surco submit embed` write it again"
        with broken_file(path, "a file of vectors", remedy), open_tensors(path, "numpy") as file:
            return cls(vectors=file.get_tensor("vectors"), **header(file, _KEY))
