"""Vectors of eight beats that a small data set borrows from the shipped prior.

A prior fitted to ten clips a genre has a handful of neighbours about each, and what it draws passes for a
copy of them. The shipped prior was fitted to 190 tracks; its draws, of all genres, fill up the neighbours.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.prior.bars import BarPrior

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
_BATCH = 32


def borrowed(codec: "Codec", size: int, *, prior: BarPrior | None = None, seed: int = 0) -> Array:
    """A draw of every component of a prior, the shipped one if not given, as vectors (M, size) of a codec."""
    prior = prior or BarPrior.load()
    rng = np.random.default_rng(seed)
    rank = prior.axes.shape[1]
    z = rng.standard_normal((len(prior.centres), rank))
    drawn = np.stack([prior.at(row, z[row]) for row in range(len(z))])
    if codec.fingerprint == prior.codec and size <= prior.size:
        return drawn[:, :size]
    return translated(drawn, codec, size)


def translated(vectors: Array, codec: "Codec", size: int) -> Array:
    """Vectors (n, D) of the shipped codec as vectors (n, size) of another, by way of their log-mels."""
    import torch

    from surco.codec import Codec
    from surco.codec.vector_layout import harmony_size, join, mel_size, split

    shipped, parts = Codec.load().eval(), []
    device = codec.low.device
    with torch.inference_mode():
        for start in range(0, len(vectors), _BATCH):
            rows = torch.from_numpy(np.ascontiguousarray(vectors[start : start + _BATCH], np.float32))
            gain, coefficients, harmony = split(rows)
            mel = shipped.decode_coefficients(coefficients).clamp_min(shipped.mel.floor_db)
            made = codec.encode_mel(mel.to(device))[:, : mel_size(size) - 1].cpu()
            numbers = harmony.new_zeros(len(rows), harmony_size(size))
            held = min(numbers.shape[1], harmony.shape[1])
            numbers[:, :held] = harmony[:, :held]
            parts.append(join(gain, made, numbers).numpy())
    return np.concatenate(parts)
