"""How a vector is laid out: gain first, then coefficients of the mel with dimensions of harmony among them.

The last of every sixteen numbers is of harmony, until there are 32 of them; so every prefix has its part.
"""

import torch
from torch import Tensor

EVERY, MOST = 16, 32


def harmony_size(size: int) -> int:
    """Dimensions of harmony in a vector of `size` dimensions.

    >>> harmony_size(256), harmony_size(2048)
    (16, 32)
    """
    return min(size // EVERY, MOST)


def mel_size(size: int) -> int:
    """Gain and coefficients of the mel in a vector of `size` dimensions."""
    return size - harmony_size(size)


def mel_sizes(sizes: Tensor) -> Tensor:
    """`mel_size` of every size (B,)."""
    return sizes - (sizes // EVERY).clamp_max(MOST)


def octaves(sizes: Tensor) -> Tensor:
    """Where sizes (B,) lie between 1 number, at 0, and 2048, at 1, by octaves: as networks are told them."""
    return sizes.clamp_min(1).log2() / 11


def places(size: int) -> tuple[Tensor, Tensor]:
    """Indices of gain and mel (mel_size,), and of harmony (harmony_size,), in a vector of `size`."""
    index = torch.arange(size)
    harmony = (index % EVERY == EVERY - 1) & (index < EVERY * MOST)  # (size,)
    return index[~harmony], index[harmony]


def join(gain: Tensor, coefficients: Tensor, harmony: Tensor) -> Tensor:
    """Vectors (B, size) of gains (B,), coefficients (B, mel_size - 1) and numbers (B, harmony_size)."""
    mel = torch.cat([gain[:, None], coefficients], 1)  # (B, mel_size)
    vector = mel.new_empty(len(mel), mel.shape[1] + harmony.shape[1])
    here, there = places(vector.shape[1])
    vector[:, here], vector[:, there] = mel, harmony
    return vector


def split(vector: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gains (B,), coefficients (B, mel_size - 1) and harmony (B, harmony_size) of vectors (B, size)."""
    here, there = places(vector.shape[1])
    mel = vector[:, here]  # (B, mel_size)
    return mel[:, 0], mel[:, 1:], vector[:, there]
