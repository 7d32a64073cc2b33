"""Distances between spectra of the decoded sound and the original.

Both waves come at the level of `surco.metrics.score.level`: brought by the *original's* gain to the
fixed loudness, so that a decoder which gets the loudness wrong pays for it.
"""

from functools import cache

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from surco.audio.mel import LogMel, MelConfig

WINDOWS = (32, 64, 128, 256, 512, 1024, 2048)  # samples, as in DAC's training loss
MELS = (5, 10, 20, 40, 80, 160, 320)
_EPS = 1e-5  # magnitude below which DAC's loss hears nothing


@cache
def front_end() -> LogMel:
    """The protocol's log-mel: 80 mels, FFT 1024, hop 256, floor -80 dB."""
    return LogMel(MelConfig())


def log_mel(wave: Tensor) -> Tensor:
    """Log-mel (80, 1 + T // 256) in dB of a wave (T,)."""
    with torch.inference_mode():
        return front_end()(wave[None])[0]


def log_mel_l1(original: Tensor, decoded: Tensor) -> float:
    """Mean absolute difference in dB of two log-mels (80, F)."""
    return (original - decoded).abs().mean().item()


@cache
def _filters(window: int, mels: int, sample_rate: int) -> Tensor:
    return melscale_fbanks(
        window // 2 + 1, 0.0, sample_rate / 2, mels, sample_rate, norm="slaney", mel_scale="slaney"
    ).T.contiguous()  # (mels, window // 2 + 1)


def multi_scale_mels(wave: Tensor, sample_rate: int) -> list[Tensor]:
    """Log10 mel magnitudes (mels, frames) of a wave (T,) at DAC's seven scales."""
    scales = []
    for window, mels in zip(WINDOWS, MELS, strict=True):
        spec = torch.stft(
            wave,
            window,
            window // 4,
            window=torch.hann_window(window),
            pad_mode="reflect",
            return_complex=True,
        ).abs()  # (window // 2 + 1, frames)
        mel = _filters(window, mels, sample_rate) @ spec  # (mels, frames)
        scales.append(mel.clamp_min(_EPS).log10())
    return scales


def multi_scale_mel(original: list[Tensor], decoded: list[Tensor]) -> float:
    """Multi-scale mel distance of Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN",
    2023: the L1 of log10 mels, summed over seven window lengths."""
    return sum((a - b).abs().mean().item() for a, b in zip(original, decoded, strict=True))
