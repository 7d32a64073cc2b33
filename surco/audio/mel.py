"""Log-mel front end: the only view of sound that the codec codes.

Phase costs floats that nobody hears, so a clip is coded as a log-mel spectrogram of a clip brought
to a fixed loudness; the gain that was taken out is one dimension of the vector.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class MelConfig:
    """Shape of the front end; the defaults are those of the evaluation protocol."""

    sample_rate: int = 22_050  # Hz
    n_fft: int = 1024  # samples
    hop: int = 256  # samples
    n_mels: int = 80
    floor_db: float = -80.0  # dB below the mel of a full-scale sine
    loudness_db: float = -20.0  # RMS every clip is brought to, dB re full scale


SILENCE_DB = -90.0  # RMS under which a clip counts as silent and its gain is not undone


def stft(wave: Tensor, config: MelConfig) -> Tensor:
    """Complex spectrogram (B, n_fft // 2 + 1, 1 + T // hop) of a wave (B, T); a full sine peaks at 1."""
    window = torch.hann_window(config.n_fft, device=wave.device)
    window = window / (window.sum() / 2)
    return torch.stft(
        wave, config.n_fft, config.hop, window=window, center=True, pad_mode="reflect", return_complex=True
    )


def power_spectrum(spec: Tensor) -> Tensor:
    """Power (B, F, frames) of a spectrogram, in its own memory order: strided sums are five times slower."""
    spec = spec.mT  # (B, frames, F)
    return (spec.real.square() + spec.imag.square()).mT


def istft(spec: Tensor, config: MelConfig, length: int) -> Tensor:
    """Wave (B, length) of a spectrogram as `stft` returns it."""
    window = torch.hann_window(config.n_fft, device=spec.device)
    return torch.istft(
        spec * (window.sum() / 2), config.n_fft, config.hop, window=window, center=True, length=length
    )


def normalise_loudness(wave: Tensor, config: MelConfig) -> tuple[Tensor, Tensor]:
    """Bring a wave (B, T) to the fixed RMS; returns it with the RMS (B,) it had, in dB re full scale."""
    rms = wave.pow(2).mean(-1).clamp_min(10 ** (SILENCE_DB / 10)).sqrt()  # (B,)
    gain_db = 20 * rms.log10()  # (B,)
    return wave * (10 ** ((config.loudness_db - gain_db) / 20))[:, None], gain_db


@lru_cache(maxsize=8)
def mel_filters(bins: int, sample_rate: int, n_mels: int) -> Tensor:
    """Triangles (n_mels, bins) of unit peak, evenly spaced on the mel scale.

    Slaney's scale is linear up to 1 kHz, 15 mels there, and logarithmic above, 27 mels to a factor of 6.4
    (Auditory Toolbox, 1998). Equal to `librosa.filters.mel(norm=None)`. Kept, so not to be changed.
    """
    top = sample_rate / 2
    highest = 15 + 27 * math.log(top / 1000) / math.log(6.4) if top > 1000 else top * 15 / 1000
    mels = torch.linspace(0, highest, n_mels + 2, dtype=torch.float64)
    corners = torch.where(mels < 15, mels * 1000 / 15, 1000 * 6.4 ** ((mels - 15) / 27))  # (n_mels + 2,) Hz
    hertz = torch.linspace(0, top, bins, dtype=torch.float64)
    left, peak, right = (corners[i : i + n_mels, None] for i in range(3))
    rising, falling = (hertz - left) / (peak - left), (right - hertz) / (right - peak)  # (n_mels, bins)
    return torch.minimum(rising, falling).clamp_min(0).float()


class LogMel(nn.Module):
    """Wave (B, T) to log-mel (B, n_mels, 1 + T // hop) in dB, floored at `floor_db`.

    The filters are `mel_filters`, on the power spectrogram.
    """

    def __init__(self, config: MelConfig | None = None):
        super().__init__()
        self.config = config or MelConfig()
        c = self.config
        filters = mel_filters(c.n_fft // 2 + 1, c.sample_rate, c.n_mels)
        self.register_buffer("filters", filters, persistent=False)  # (n_mels, F)

    filters: Tensor

    def forward(self, wave: Tensor) -> Tensor:
        if len(wave) > 2 and not wave.is_cuda:  # the spectrograms of more clips do not fit a core's cache
            return torch.cat([self(part) for part in wave.split(2)])
        mel = power_spectrum(stft(wave, self.config)).mT @ self.filters.T  # (B, frames, n_mels)
        return 10 * mel.clamp_min(10 ** (self.config.floor_db / 10)).log10().mT
