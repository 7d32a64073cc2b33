import math

import pytest
import torch

from surco.audio.griffin_lim import fit_to_mel, griffin_lim, invert_mel, random_phase, refine
from surco.audio.mel import LogMel, MelConfig, istft, normalise_loudness, stft

CONFIG = MelConfig()


def chord(seconds: float = 1.0) -> torch.Tensor:
    """A decaying chord (1, T) on a little noise."""
    t = torch.arange(int(seconds * 22_050) // 256 * 256) / 22_050
    tones = sum(torch.sin(2 * math.pi * f * t) / (i + 1) for i, f in enumerate((220.0, 277.2, 329.6, 880.0)))
    noise = torch.randn(len(t), generator=torch.Generator().manual_seed(1))
    return normalise_loudness((tones * torch.exp(-2 * t) + 0.01 * noise)[None], CONFIG)[0]


def test_length_and_seed() -> None:
    log_mel = LogMel()(chord())
    wave = griffin_lim(log_mel, iterations=2)
    assert wave.shape == (1, (log_mel.shape[-1] - 1) * 256)
    assert torch.equal(wave, griffin_lim(log_mel, iterations=2))
    assert not torch.equal(wave, griffin_lim(log_mel, iterations=2, seed=1))


def test_iterations_reduce_inconsistency() -> None:
    magnitude = stft(chord(), CONFIG).abs()  # (1, F, frames)
    phase = random_phase(*magnitude.shape[1:])[None]

    def error(iterations: int) -> float:
        wave = refine(magnitude, phase, CONFIG, iterations=iterations)
        return ((stft(wave, CONFIG).abs() - magnitude).norm() / magnitude.norm()).item()

    none, some, many = error(0), error(4), error(32)
    assert many < some < none
    assert many < 0.15


def test_mel_holds_better_than_magnitudes() -> None:
    log_mel = LogMel()
    target = log_mel(chord())
    magnitude = invert_mel(target, log_mel.filters).sqrt()
    phase = random_phase(*magnitude.shape[1:])[None]
    free = refine(magnitude, phase, CONFIG, iterations=16)
    mel = 10 ** (target / 10)  # (1, n_mels, frames)
    held = refine(magnitude, phase, CONFIG, iterations=16, mel=mel, filters=log_mel.filters)
    assert (log_mel(held) - target).abs().mean() < 0.9 * (log_mel(free) - target).abs().mean()


def test_true_phase_needs_no_iteration() -> None:
    wave = chord()
    spec = stft(wave, CONFIG)
    back = refine(spec.abs(), spec / spec.abs().clamp_min(1e-9), CONFIG, iterations=0)
    assert torch.allclose(back, wave, atol=1e-4)
    assert torch.allclose(istft(spec, CONFIG, wave.shape[1]), wave, atol=1e-5)


def test_inversion_gives_the_mel_back() -> None:
    log_mel = LogMel()
    target = log_mel(chord())
    power = invert_mel(target, log_mel.filters)
    assert (power >= 0).all()
    again = 10 * (log_mel.filters @ power).clamp_min(1e-8).log10()
    assert (again - target).abs().mean() < 0.2


@pytest.mark.parametrize("steps", [1, 5])
def test_a_fitting_spectrum_is_left_alone(steps: int) -> None:
    filters = LogMel().filters
    power = torch.rand(1, 513, 3, generator=torch.Generator().manual_seed(0)) + 0.1
    assert torch.allclose(fit_to_mel(power, filters @ power, filters, steps=steps), power, rtol=1e-4)
