"""Recordings of any length, and sound files, through a codec of clips."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from surco.audio.io import read_audio, writer_of
from surco.audio.mel import MelConfig
from surco.codec import pack, streaming
from surco.codec.arrays import Array, as_rows, as_tensor, like
from surco.codec.pack import STEP
from surco.codec.pose import IDENTITY, Pose
from surco.codec.streaming import OVERLAP
from surco.codec.vector_file import Vectors
from surco.errors import InputError

Progress = Callable[[int, int], None]  # told clips done, and clips in all


class Recordings:
    """The part of `Codec` that knows recordings; it asks the codec for clips."""

    low: Tensor
    mel: MelConfig
    fingerprint: Any

    if TYPE_CHECKING:  # what `Codec` has

        def encode(self, wave: Array, size: int | None = None) -> Array: ...

        def decode(self, vector: Array, size: int | None = None, *, pose: Pose = IDENTITY) -> Array: ...

    def encode_long(
        self,
        wave: Array,
        size: int | None = None,
        *,
        overlap: float = OVERLAP,
        progress: Progress | None = None,
    ) -> Array:
        """Vectors (n, size) of a recording (T,), in clips of 5 s that overlap by `overlap` seconds.

        A NumPy array gives one. `progress` is called with the clips done and those there are.
        """
        whole = as_tensor(wave, self.low.device)
        clips, done, parts = streaming.clips(len(whole), overlap), 0, []
        for part in streaming.encode(self, [whole], size, overlap=overlap):
            parts.append(part)
            done += len(part)
            if progress:
                progress(done, clips)
        return like(wave, torch.cat(parts))

    def decode_long(
        self,
        vectors: Array,
        length: int | None = None,
        *,
        overlap: float = OVERLAP,
        pose: Pose = IDENTITY,
        progress: Progress | None = None,
    ) -> Array:
        """A recording (T,) of vectors (n, d), or of one (d,), that `encode_long` made with the same overlap.

        It is cut to `length` samples where that is given, and longer or shorter in a `pose`. A NumPy array
        gives one. `progress` is called with the clips done and those there are.
        `surco.codec.streaming` does the same for recordings that do not fit in memory.
        """
        rows, _ = as_rows(vectors, self.low.device)

        def batches() -> Iterator[Tensor]:
            for start in range(0, len(rows), streaming.BATCH):
                if progress and start:
                    progress(start, len(rows))
                yield rows[start : start + streaming.BATCH]

        wave = torch.cat(list(streaming.decode(self, batches(), overlap=overlap, pose=pose)))
        if progress:
            progress(len(rows), len(rows))
        return like(vectors, wave if length is None else wave[:length])

    def encode_file(
        self, path: str | Path, size: int | None = None, *, progress: Progress | None = None
    ) -> Vectors:
        """Vectors (n, size) of a sound file, one a clip, as a NumPy array that knows the file's length.

        Takes what libsndfile reads, at any rate, mixed to mono. Raises InputError on any other file.
        """
        wave = read_audio(path, sample_rate=self.mel.sample_rate)
        return Vectors(self.encode_long(wave, size, progress=progress), len(wave), self.fingerprint)

    def pack(self, vectors: Array, *, step: int = STEP) -> bytes:
        """Vectors (n, d), or one (d,), as bytes: at 512 numbers some 1,600 bits a clip, a tenth of float32.

        `step` rounds the coefficients, 1 to 255: 8 is fine, 32 coarse. `unpack` gives the vectors back.
        """
        rows = np.atleast_2d(as_tensor(vectors, self.low.device).cpu().numpy())  # (n, d)
        return pack.pack(rows, self.fingerprint, getattr(vectors, "samples", None), step=step)

    def unpack(self, data: bytes) -> Vectors:
        """The vectors (n, d) that `pack` rounded. Raises InputError on other bytes, or another codec's."""
        return self._own(Vectors(*pack.unpack(data)))

    def _own(self, vectors: Vectors) -> Vectors:
        if vectors.codec not in (None, self.fingerprint):
            raise InputError(
                f"The vectors are of codec {vectors.codec}, not {self.fingerprint}; "
                "decode them with the one that made them."
            )
        return vectors

    def decode_file(
        self,
        vectors: Vectors | Tensor | NDArray[Any] | str | Path,
        path: str | Path,
        size: int | None = None,
        *,
        progress: Progress | None = None,
    ) -> Path:
        """Write the recording of vectors (n, d), of one (d,), or of a file that `Vectors.load` reads.

        A `.wav` or `.flac` at 22 050 Hz, 16 bits, mono; as long as what `encode_file` read, where the vectors
        know. `size` takes only their first dimensions. Raises InputError on vectors of another codec.
        """
        write = writer_of(path)
        if isinstance(vectors, str | Path):
            vectors = Vectors.load(vectors)
        samples = vectors.samples if isinstance(vectors, Vectors) else None
        if isinstance(vectors, Vectors):
            self._own(vectors)
        rows = as_tensor(vectors, self.low.device)  # (n, d) or (d,)
        if size is not None and not 1 <= size <= rows.shape[-1]:
            raise InputError(f"A size lies between 1 and the vectors' {rows.shape[-1]}, not {size}.")
        wave = self.decode_long(rows[..., :size], samples, progress=progress)
        write(path, wave.numpy(), self.mel.sample_rate)
        return Path(path)
