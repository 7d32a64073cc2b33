"""The compiled loops do what their PyTorch twins do, and step aside for gradients and other machines."""

import pytest
import torch
from torch import Tensor

from surco.audio import kernels
from surco.audio.griffin_lim import fit_to_mel, refine
from surco.audio.mel import LogMel, MelConfig, power_spectrum, stft
from surco.codec.vocoder import integrate, turns

CONFIG = MelConfig()
FILTERS = LogMel(CONFIG).filters


@pytest.fixture(scope="module")
def wave() -> Tensor:
    """Two clips (2, T): gliding tones over noise."""
    rng = torch.Generator().manual_seed(0)
    t = torch.arange(22_050) / 22_050
    glide = torch.stack([torch.sin(2 * torch.pi * (hz * t + 60 * t**2)) for hz in (220.0, 700.0)])
    return 0.3 * glide + 0.01 * torch.randn(2, len(t), generator=rng)


@pytest.fixture
def in_torch(monkeypatch: pytest.MonkeyPatch):
    """Run a function without the kernels."""

    def run(function):
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "serve", lambda *tensors: False)
            return function()

    return run


@torch.no_grad()
def test_fitting_to_a_mel(wave: Tensor, in_torch) -> None:
    power = power_spectrum(stft(wave, CONFIG))  # (2, F, frames)
    mel = FILTERS @ power.flip(2)
    for options in ({"steps": 0}, {"steps": 1, "eager": True}, {"steps": 4}):
        found = fit_to_mel(power, mel, FILTERS, **options)
        torch.testing.assert_close(found, in_torch(lambda o=options: fit_to_mel(power, mel, FILTERS, **o)))
    assert (power == power_spectrum(stft(wave, CONFIG))).all()  # what was given is left as it was


@torch.no_grad()
def test_refining_a_wave(wave: Tensor, in_torch) -> None:
    spec = stft(wave, CONFIG)
    magnitude, phase = spec.abs(), torch.polar(torch.ones_like(spec.real), spec.angle().roll(1, 2))
    mel = FILTERS @ magnitude.square()

    def refined() -> Tensor:
        return refine(magnitude, phase, CONFIG, iterations=2, mel=mel, filters=FILTERS)

    torch.testing.assert_close(refined(), in_torch(refined), atol=1e-4, rtol=1e-3)


@torch.no_grad()
def test_integrating_turns_of_phase(wave: Tensor, in_torch) -> None:
    spec = stft(wave, CONFIG)
    advance, delay = (x[:, :320] for x in turns(spec, CONFIG))

    def integrated() -> Tensor:
        return integrate(spec.abs(), advance, delay, CONFIG)

    found, wanted = integrated(), in_torch(integrated)
    torch.testing.assert_close(found.abs(), torch.ones_like(found.abs()))
    # Where next to nothing sounds, phases hang on the last digit of a sum; weigh them by what is heard.
    apart = ((found - wanted).abs() * spec.abs()).sum() / spec.abs().sum()
    assert apart < 1e-3


def test_gradients_and_other_precisions_are_left_to_pytorch() -> None:
    power = torch.ones(1, 513, 4)
    assert not kernels.serve(power)
    with torch.no_grad():
        assert kernels.serve(power, power.to(torch.complex64))
        assert not kernels.serve(power.double())
        assert not kernels.serve(power.to("meta"))


def test_filters_that_three_bands_share_are_refused() -> None:
    with pytest.raises(ValueError, match="more than two filters"):
        kernels.bands_of(torch.ones(3, 8))
