"""Codec and ears as one face of plain arrays: what studies encode, decode and listen with."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import IDENTITY, Pose

if TYPE_CHECKING:
    from surco.codec import Codec
    from surco.metrics.judge import GenreJudge

Array = NDArray[Any]


class Bench:
    """A codec at one size, the embedder, a judge of style and the measures, as functions of arrays.

    Arrays are float32 and on the CPU, whatever device the codec is on.

    Args:
        codec: what encodes and decodes.
        size: dimensions of the vectors that `encode` makes; the whole vector if not given.
        judge: style classifier, for `style`.
        attributes: values (N,) of training clips by attribute; `measure` then answers in their standard
            deviations.
        beat: called before every piece of work, so that a job shows it is alive.
    """

    def __init__(
        self,
        codec: "Codec",
        size: int | None = None,
        *,
        judge: "GenreJudge | None" = None,
        attributes: dict[str, Array] | None = None,
        beat: Callable[[], object] = lambda: None,
    ):
        self.codec, self.size, self.judge, self.beat = codec, size, judge, beat
        self.spread = {a: (np.nanmean(v), np.nanstd(v)) for a, v in (attributes or {}).items()}
        self.rate = codec.mel.sample_rate

    def encode(self, waves: Array) -> Array:
        """Vectors (n, size) of waves (n, T)."""
        return self._through(lambda x: self.codec.encode(x, self.size), waves)

    def decode(self, vectors: Array, pose: Pose = IDENTITY) -> Array:
        """Waves (n, T) of vectors (n, D)."""
        return self._through(lambda x: self.codec.decode(x, pose=pose), vectors)

    def decode_mel(self, vectors: Array) -> Array:
        """Log-mels (n, M, F) in dB at the fixed loudness of vectors (n, D)."""
        return self._through(self.codec.decode_mel, vectors)

    def mel(self, waves: Array) -> Array:
        """Log-mels (n, M, F) in dB of waves (n, T) brought to the fixed loudness: what the codec sees."""
        from surco.audio.mel import normalise_loudness

        return self._through(lambda x: self.codec.log_mel(normalise_loudness(x, self.codec.mel)[0]), waves)

    def vocode(self, mels: Array) -> Array:
        """Waves (n, T) at the fixed loudness of log-mels (n, M, F)."""
        return self._through(self.codec.mel_to_wave, mels)

    def embed(self, waves: Array) -> Array:
        """Embeddings (n, E) of waves (n, T), by the embedder that no codec was trained with."""
        from surco.metrics.judge import listen

        self.beat()
        return listen(waves, device=str(self.codec.low.device))

    def style(self, heard: Array, genres: Sequence[str]) -> Array:
        """Probability (n,) that embeddings (n, E) are each of its genre, of n genres."""
        assert self.judge is not None, "this bench has no judge of style"
        found = self.judge.classifier
        p = found.probabilities(heard)  # (n, S)
        return p[np.arange(len(p)), [found.styles.index(g) for g in genres]]

    def measure(self, waves: Array) -> dict[str, Array]:
        """Attributes of waves (n, T), each (n,); an undefined one is 0."""
        from surco.latents.attributes import measure_all

        self.beat()
        found = measure_all(waves, sample_rate=self.rate)
        if not self.spread:
            return {a: np.nan_to_num(v) for a, v in found.items()}
        return {a: np.nan_to_num((found[a] - mean) / std) for a, (mean, std) in self.spread.items()}

    def harmony(self, waves: Array, others: Array) -> Array:
        """How alike (n,) the harmony of waves (n, T) and others (n, T) is, 1 at most."""
        from surco.metrics.structure import harmony_alike

        self.beat()
        return harmony_alike(waves, others, self.rate)

    def _through(self, function: Callable[[Any], Any], x: Array, batch: int = 16) -> Array:
        """Arrays (n, ...) through a function of tensors on the codec's device, some at a time."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(x), batch):
                self.beat()
                part = torch.from_numpy(np.ascontiguousarray(x[start : start + batch], dtype=np.float32))
                parts.append(function(part.to(self.codec.low.device)).float().cpu().numpy())
        return np.concatenate(parts)
