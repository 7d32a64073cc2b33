"""What a codec is heard beside: the ceiling and Linear, through the same vocoder."""

import torch
from torch import Tensor

from surco.audio.mel import SILENCE_DB, normalise_loudness
from surco.codec import Codec
from surco.codec.linear import LinearTransform, from_patches, to_patches

BATCH = 16  # clips voiced at a time


@torch.no_grad()
def true_mels(codec: Codec, waves: Tensor) -> tuple[Tensor, Tensor]:
    """Log-mels (N, 80, 431) of clips (N, T) at the fixed loudness, and the gains (N,) in dB taken out."""
    parts = []
    for clips in waves.split(64):  # (b, T)
        wave, gain = normalise_loudness(clips, codec.mel)
        parts.append((codec.log_mel(wave), gain))
    return torch.cat([mel for mel, _ in parts]), torch.cat([gain for _, gain in parts])


@torch.no_grad()
def voiced(codec: Codec, mels: Tensor, gain: Tensor) -> Tensor:
    """Waves (N, T) by the codec's vocoder of log-mels (N, 80, 431), at their own loudness (N,) in dB."""
    parts = []
    for mel, level in zip(mels.split(BATCH), gain.split(BATCH), strict=True):
        wave = codec.mel_to_wave(mel.clamp_min(codec.mel.floor_db))  # (b, T)
        wave = wave * 10 ** ((level - codec.mel.loudness_db) / 20)[:, None]
        parts.append(torch.where(level[:, None] > SILENCE_DB + 0.5, wave, torch.zeros_like(wave)).cpu())
    return torch.cat(parts)


def fit_linear(codec: Codec, waves: Tensor) -> LinearTransform:
    """The protocol's Linear (mel-PCA × time-DCT, no rotation) on training clips (M, T)."""
    linear = LinearTransform(codec.linear.mean.numel(), codec.linear.basis.shape[1], codec.size - 1)
    mels = true_mels(codec, waves)[0].split(64)
    return linear.to(waves.device).fit(mels, rotate=False)


@torch.no_grad()
def linear_mels(linear: LinearTransform, mels: Tensor, size: int) -> Tensor:
    """Log-mels (N, 80, 431) as Linear keeps them in `size` dimensions, the gain being one of them."""
    coefficients = linear.analyse(linear.coordinates(to_patches(mels)))  # (N, K)
    return from_patches(linear.patches(linear.synthesise(coefficients[:, : size - 1])))
