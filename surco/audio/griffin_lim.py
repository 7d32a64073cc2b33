"""Griffin-Lim: the wave of a log-mel without any training, and the refinement the vocoder ends with.

Fast Griffin-Lim (Perraudin, Balazs & Søndergaard, 2013) after a non-negative inversion of the mel by
multiplicative Kullback-Leibler updates (Lee & Seung, 2001; Richardson, 1972), whose relative steps
suit the eight decades that a mel spans better than least squares do.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from surco.audio import kernels
from surco.audio.mel import LogMel, MelConfig, power_spectrum, stft

RETOUCHES = 4  # times that `refine` lets a spectrogram be retouched, at most


def fit_to_mel(power: Tensor, mel: Tensor, filters: Tensor, *, steps: int = 1, eager: bool = False) -> Tensor:
    """Multiplicative updates that bring a power spectrogram (B, F, frames) to a mel (B, n_mels, frames).

    Each step scales every bin by the mean ratio of wanted to present energy over the filters that
    see it; bins that no filter sees keep their value. Differentiable. `eager` steps over-relax: they take
    the ratio to the power of 5/4, which brings a wave in `refine` closer sooner.
    """
    if kernels.serve(power, mel, filters):
        fitted = power.mT.clone(memory_format=torch.contiguous_format)  # (B, frames, F)
        kernels.fit(
            fitted.flatten(0, -2).numpy(), kernels.frames_of(mel), kernels.bands_of(filters), steps, eager
        )
        return fitted.mT
    seen = filters.sum(0)  # (F,)
    spread = filters / seen.clamp_min(1e-8)  # (n_mels, F)
    unseen = (seen < 1e-8).to(filters.dtype)  # (F,)
    # Frame by frame, as the FFT leaves a spectrogram in memory: (B, frames, F) and (B, frames, n_mels).
    power, mel = power.mT.contiguous(), mel.mT.contiguous()
    for _ in range(steps):
        ratio = mel / (power @ filters.T).clamp_min(1e-12)  # (B, frames, n_mels)
        if eager:
            ratio = ratio**1.25
        power = power * (ratio @ spread + unseen)  # (B, frames, F)
    return power.mT


def invert_mel(log_mel: Tensor, filters: Tensor, *, steps: int = 60) -> Tensor:
    """Power spectrogram (B, F, frames) of a log-mel (B, n_mels, frames) in dB, by `steps` updates."""
    mel = 10 ** (log_mel / 10)  # (B, n_mels, frames)
    seen = filters.sum(0)  # (F,)
    spread = filters / filters.sum(1, keepdim=True) / seen.clamp_min(1e-8)  # (n_mels, F)
    power = (mel.mT @ spread).mT  # (B, F, frames), laid out frame by frame: mean power under each filter
    return fit_to_mel(power, mel, filters, steps=steps) * (seen > 1e-8)[:, None]


def refine(
    magnitude: Tensor,
    phase: Tensor,
    config: MelConfig,
    *,
    iterations: int,
    momentum: float = 0.99,
    mel: Tensor | None = None,
    filters: Tensor | None = None,
    retouch: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Wave (B, hop * (frames - 1)) with STFT magnitudes near `magnitude` (B, F, frames).

    Starts from `phase`, unit complex numbers (B, F, frames), and alternates between the spectrograms
    that some wave has and those wanted: with the magnitudes given or, where a power mel (B, n_mels,
    frames) and its `filters` are given, with the wave's own magnitudes scaled to that mel. The second
    asks for no more than a mel says, and comes much closer to it. `retouch`, spectrograms to
    spectrograms, has its say in every second of the last iterations, four times at most.
    """
    magnitude = magnitude.mT.contiguous().mT  # (B, F, frames), laid out frame by frame as the FFT leaves it
    window = torch.hann_window(config.n_fft, device=magnitude.device)
    envelope = _overlap_add(window.square().expand(1, magnitude.shape[-1], -1), config)  # (1, T)
    spec, previous = magnitude * phase, None  # (B, F, frames)
    retouched = range(iterations - 1, -1, -2)[:RETOUCHES] if retouch else range(0)
    for iteration in range(iterations):
        wave = _wave(spec, window, envelope, config)  # (B, hop * (frames - 1))
        consistent = stft(wave, config)  # (B, F, frames)
        if retouch and iteration in retouched:
            consistent = retouch(consistent)
        last, previous = consistent if previous is None else previous, consistent
        if mel is not None and filters is not None:
            spec = _towards_mel(consistent, last, momentum, mel, filters)
        else:
            spec = _with_magnitude(consistent, last, momentum, magnitude)
    return _wave(spec, window, envelope, config)


def _towards_mel(spec: Tensor, last: Tensor, momentum: float, mel: Tensor, filters: Tensor) -> Tensor:
    """`spec` (B, F, frames) with its phase carried on from `last`, scaled to a mel (B, n_mels, frames)."""
    if kernels.serve(spec, last, mel, filters):
        found = torch.empty_like(spec.mT, memory_format=torch.contiguous_format)  # (B, frames, F)
        given, out = (kernels.frames_of(x) for x in (spec, last, mel)), found.flatten(0, -2).numpy()
        kernels.project(*given, out, momentum, kernels.bands_of(filters))
        return found.mT
    power = fit_to_mel(power_spectrum(spec), mel, filters, eager=True)  # (B, F, frames)
    return _with_magnitude(spec, last, momentum, power.clamp_min(1e-18).sqrt())


def _with_magnitude(spec: Tensor, last: Tensor, momentum: float, magnitude: Tensor) -> Tensor:
    """`spec` (B, F, frames) with its phase carried on from `last`, and this magnitude."""
    ahead = torch.add(spec, spec - last, alpha=momentum)  # (B, F, frames)
    return ahead * (magnitude * power_spectrum(ahead).clamp_min(1e-20).rsqrt())


def _wave(spec: Tensor, window: Tensor, envelope: Tensor, config: MelConfig) -> Tensor:
    """Inverse STFT (B, hop * (frames - 1)), cheaper than `torch.istft`, which sums the window anew."""
    frames = torch.fft.irfft(spec.mT, n=config.n_fft) * (window * (window.sum() / 2))  # (B, frames, n_fft)
    return _overlap_add(frames, config) / envelope


def _overlap_add(frames: Tensor, config: MelConfig) -> Tensor:
    """Sum (B, hop * (n - 1)) of overlapping frames (B, n, n_fft), half a frame cut at either end."""
    batch, n, _ = frames.shape
    parts = frames.unflatten(2, (config.n_fft // config.hop, config.hop))  # (B, n, overlap, hop)
    overlap = parts.shape[2]
    total = frames.new_zeros(batch, n + overlap - 1, config.hop)  # (B, n + overlap - 1, hop)
    for i in range(overlap):
        total[:, i : i + n] += parts[:, :, i]
    half = config.n_fft // 2
    return total.flatten(1)[:, half : half + config.hop * (n - 1)]


@lru_cache(maxsize=8)
def random_phase(bins: int, frames: int, *, seed: int = 0) -> Tensor:
    """Unit complex numbers (bins, frames) of random angle; kept, so not to be changed."""
    turns = torch.rand(frames, bins, generator=torch.Generator().manual_seed(seed)).T  # (bins, frames)
    return torch.polar(torch.ones_like(turns), 2 * math.pi * turns)


def griffin_lim(
    log_mel: Tensor,
    *,
    config: MelConfig | None = None,
    iterations: int = 64,
    seed: int = 0,
    retouch: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Wave (B, hop * (frames - 1)) of a log-mel (B, n_mels, frames) in dB, from phases drawn with `seed`.

    `retouch` is as in `refine`.
    """
    config = config or MelConfig()
    filters = LogMel(config).filters.to(log_mel.device)  # (n_mels, F)
    magnitude = invert_mel(log_mel.float(), filters).sqrt()  # (B, F, frames)
    phase = random_phase(*magnitude.shape[1:], seed=seed).to(log_mel.device)  # (F, frames)
    phase = phase.expand(len(log_mel), -1, -1)
    return refine(magnitude, phase, config, iterations=iterations, retouch=retouch)
