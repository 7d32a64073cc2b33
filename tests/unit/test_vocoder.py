import math

import pytest
import torch

from surco.audio.griffin_lim import fit_to_mel, griffin_lim, invert_mel
from surco.audio.io import read_audio
from surco.audio.mel import LogMel, MelConfig, normalise_loudness, stft
from surco.codec.vocoder import Vocoder, VocoderConfig, integrate, turns
from surco.datasets.sources import DEMO
from surco.errors import InputError

CONFIG = MelConfig()
SMALL = VocoderConfig(dim=16, depth=1, turned_bins=64, iterations=2)


@pytest.fixture(scope="module")
def shipped() -> Vocoder:
    return Vocoder.load()


@pytest.fixture(scope="module")
def clips() -> torch.Tensor:
    """The middle 2 s of four demo clips (4, T) at the fixed loudness."""
    paths = [sorted((DEMO / style).glob("*.ogg"))[0] for style in ("folk", "jazz", "metal", "electronic")]
    waves = torch.stack([torch.from_numpy(read_audio(path))[22_050 : 22_050 + 44_032] for path in paths])
    return normalise_loudness(waves, CONFIG)[0]


def sine(frequency: float, seconds: float = 2.0) -> torch.Tensor:
    t = torch.arange(int(seconds * 22_050) // 256 * 256) / 22_050
    return normalise_loudness(torch.sin(2 * math.pi * frequency * t)[None], CONFIG)[0]


@torch.no_grad()
def test_shapes(shipped: Vocoder) -> None:
    for frames in (4, 9, 431):
        assert shipped(torch.full((2, 80, frames), -50.0)).shape == (2, (frames - 1) * 256)


@pytest.mark.parametrize("shape", [(80, 20), (1, 64, 20), (1, 80, 3)])
def test_wrong_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="shape"):
        Vocoder(SMALL)(torch.full(shape, -50.0))


@torch.no_grad()
def test_silence_stays_silent(shipped: Vocoder) -> None:
    assert shipped(torch.full((1, 80, 40), -80.0)).abs().max() == 0.0


@torch.no_grad()
def test_half_silent_clip_is_silent_where_it_should_be(shipped: Vocoder) -> None:
    wave = sine(440.0)
    wave[:, 22_016:] = 0
    out = shipped(LogMel()(wave))
    assert out[:, 24_000:].abs().max() < 0.02 * wave.abs().max()


@pytest.mark.parametrize("frequency", [330.0, 445.0, 880.0])
@torch.no_grad()
def test_sine_keeps_its_pitch(shipped: Vocoder, frequency: float) -> None:
    out = shipped(LogMel()(sine(frequency)))
    spectrum = torch.fft.rfft(out[0] * torch.hann_window(out.shape[1]), n=1 << 18).abs()
    peak = spectrum.argmax().item() * 22_050 / (1 << 18)
    assert abs(1200 * math.log2(peak / frequency)) < 25  # cents


@torch.no_grad()
def test_clips_of_a_batch_do_not_meet(shipped: Vocoder, clips: torch.Tensor) -> None:
    log_mel = LogMel()(clips)
    other = log_mel.flip(2)
    other[2] = log_mel[2]
    assert torch.equal(shipped(log_mel)[2], shipped(other)[2])


@torch.no_grad()
def test_no_glitch_at_the_ends(shipped: Vocoder, clips: torch.Tensor) -> None:
    out = shipped(LogMel()(clips))
    assert out.isfinite().all()
    ends = torch.cat([out[:, :512], out[:, -512:]], 1).abs().amax(1)
    assert (ends < 1.5 * clips.abs().amax(1)).all()


@torch.no_grad()
def test_shipped_beats_griffin_lim_on_demo_clips(shipped: Vocoder, clips: torch.Tensor) -> None:
    log_mel = LogMel()
    target = log_mel(clips)
    ours, theirs = ((log_mel(wave) - target).abs().mean() for wave in (shipped(target), griffin_lim(target)))
    assert ours < 0.9 * theirs


@torch.no_grad()
def test_untrained_network_is_the_mel_inversion() -> None:
    model = Vocoder(SMALL)
    log_mel = LogMel()(sine(440.0, 0.5))
    spectrum = model.spectrum(log_mel, model.predict(log_mel))
    start = invert_mel(log_mel, model.filters, steps=0)
    inverse = fit_to_mel(start, model.power_mel(log_mel), model.filters, steps=SMALL.fit_steps)
    assert torch.allclose(spectrum.power, inverse)
    assert spectrum.advance.abs().max() == 0
    assert model(log_mel).abs().max() > 0.05  # and sounds


@torch.no_grad()
def test_true_turns_integrate_to_a_consistent_phase(clips: torch.Tensor) -> None:
    spec = stft(clips, CONFIG)
    advance, delay = turns(spec, CONFIG)
    phase = integrate(spec.abs(), advance, delay, CONFIG)
    assert torch.allclose(phase.abs(), torch.ones(()), atol=1e-4)
    got = turns(phase, CONFIG)[0]
    agreement = (got * advance.conj()).real  # cosine of the error of advance
    loud = spec.abs() > spec.abs().amax((1, 2), keepdim=True) * 0.01
    loud[..., 0] = False
    assert agreement[loud].mean() > 0.8


@torch.no_grad()
def test_turns_of_a_sine_between_bins() -> None:
    frequency = 20.25 * 22_050 / 1024  # a quarter above the middle of bin 20
    advance, delay = turns(stft(sine(frequency), CONFIG), CONFIG)
    assert torch.allclose(advance[0, 20, 10:-10].angle(), torch.tensor(2 * math.pi * 0.25 / 4), atol=1e-2)
    assert torch.allclose(delay[0, 20:22, 10:-10].angle(), torch.tensor(0.0), atol=1e-2)


def test_save_and_load(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Vocoder(SMALL)
        torch.nn.init.normal_(model.head.weight, std=0.1)
    model.save(tmp_path / "v.safetensors")
    again = Vocoder.load(tmp_path / "v.safetensors")
    assert again.config == SMALL
    again.save(tmp_path / "w.safetensors")
    assert (tmp_path / "v.safetensors").read_bytes() == (tmp_path / "w.safetensors").read_bytes()
    log_mel = LogMel()(sine(440.0, 0.5))
    with torch.no_grad():
        assert torch.allclose(model.predict(log_mel), again.predict(log_mel), atol=1e-2)


def test_bad_files_are_told(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="No vocoder weights"):
        Vocoder.load(tmp_path / "none.safetensors")
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="holds no vocoder"):
        Vocoder.load(tmp_path / "other.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    with pytest.raises(InputError, match="damaged"):
        Vocoder.load(tmp_path / "torn.safetensors")
