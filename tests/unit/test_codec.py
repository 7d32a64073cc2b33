"""The codec's surface: prefixes, files, odd clips, long recordings, and what it refuses."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import surco.datasets
from surco.audio.io import read_audio
from surco.audio.mel import normalise_loudness
from surco.codec import SAMPLES, Codec, CodecConfig
from surco.codec.linear import from_patches, to_patches
from surco.codec.training import from_linear
from surco.errors import InputError

SMALL = CodecConfig(
    size=256, rank=48, encoder_width=32, encoder_depth=1, decoder_width=32, decoder_depth=1, heads=2
)


def tune(pitches: list[float], noise: float = 0.003) -> torch.Tensor:
    """Waves (B, 110 250) of decaying notes, one pitch (Hz) a clip, four notes each."""
    t = torch.arange(SAMPLES) / 22_050
    rng = torch.Generator().manual_seed(1)
    waves = []
    for i, f in enumerate(pitches):
        decay = torch.exp(-3 * ((t * (1 + i % 3)) % 1.25))
        wave = sum(torch.sin(2 * math.pi * f * h * t) / h for h in (1, 2, 3))
        waves.append(0.1 * decay * wave + noise * torch.randn(SAMPLES, generator=rng))
    return torch.stack(waves)


def mel_of(codec: Codec, waves: torch.Tensor) -> torch.Tensor:
    return codec.log_mel(normalise_loudness(waves, codec.mel)[0])


@pytest.fixture(scope="module")
def waves() -> torch.Tensor:
    return tune([110 * 2 ** (i / 7) for i in range(24)])


@pytest.fixture(scope="module")
def codec(waves: torch.Tensor) -> Codec:
    torch.manual_seed(0)
    codec = Codec(SMALL)
    codec.fit_linear([mel_of(codec, waves)])
    return codec


@pytest.fixture(scope="module")
def shipped() -> Codec:
    return Codec.load()


def test_untrained_networks_add_nothing(codec: Codec, waves: torch.Tensor) -> None:
    mel = mel_of(codec, waves)
    linear = codec.linear
    coefficients = linear.analyse(linear.coordinates(to_patches(mel)))
    assert torch.equal(codec.encode_mel(mel), coefficients)
    decoded = from_patches(linear.patches(linear.synthesise(coefficients)))
    assert torch.equal(codec.decode_coefficients(coefficients), decoded)


def test_trained_networks_add_something_that_depends_on_the_vector(
    shipped: Codec, waves: torch.Tensor
) -> None:
    with torch.no_grad():
        z = shipped.encode_mel(mel_of(shipped, waves[:4]))[:, :255]
        own = shipped.decode_coefficients(z) - from_linear(shipped, z)
    assert own.abs().mean() > 0.1
    assert (own - own.roll(1, 0)).abs().mean() > 0.1


def test_first_number_is_the_loudness_in_db(codec: Codec, waves: torch.Tensor) -> None:
    quiet = codec.encode(waves[:2] * 0.1)
    loud = codec.encode(waves[:2])
    assert torch.allclose(loud[:, 0] - quiet[:, 0], torch.full((2,), 20.0), atol=1e-3)
    assert torch.allclose(loud[:, 1:], quiet[:, 1:], atol=0.05)


def test_a_prefix_is_the_vector_of_that_size_and_decodes(codec: Codec, waves: torch.Tensor) -> None:
    vector = codec.encode(waves[:3])
    assert vector.shape == (3, 256)
    assert torch.equal(codec.encode(waves[:3], 40), vector[:, :40])
    assert torch.equal(codec.decode_mel(vector, 40), codec.decode_mel(vector[:, :40]))
    assert codec.decode(vector[:1], 1).shape == (1, SAMPLES)


def test_more_dimensions_never_decode_worse_on_the_training_clips(codec: Codec, waves: torch.Tensor) -> None:
    mel = mel_of(codec, waves)
    vector = codec.encode(waves)
    errors = [(codec.decode_mel(vector, d) - mel).pow(2).mean() for d in (2, 8, 32, 128, 256)]
    assert errors == sorted(errors, reverse=True)


def test_truncated_codec_is_the_same_at_its_size(codec: Codec, waves: torch.Tensor) -> None:
    small = codec.truncated(24)
    vector = codec.encode(waves[:2], 24)
    assert small.size == 24
    assert torch.allclose(small.encode(waves[:2]), vector, atol=1e-3)
    assert small.fingerprint != codec.fingerprint


def test_truncated_codec_of_trained_networks_decodes_the_same(shipped: Codec, waves: torch.Tensor) -> None:
    small = shipped.truncated(100)
    vector = shipped.encode(waves[:2], 100)
    assert torch.allclose(small.encode(waves[:2]), vector, atol=1e-2)
    assert torch.allclose(small.decode_mel(vector), shipped.decode_mel(vector), atol=1e-2)


def test_refining_brings_the_mel_closer(codec: Codec, waves: torch.Tensor) -> None:
    clips = waves[:2].clone()  # a short burst: least squares chases it, least absolute error does not
    clips[:, 50_000:54_000] += 0.3 * torch.randn(4000, generator=torch.Generator().manual_seed(2))
    mel = mel_of(codec, clips)

    def error(steps: int) -> float:
        vector = codec.encode(clips, 32, refine_steps=steps)
        return float((codec.decode_mel(vector) - mel).abs().mean())

    assert error(6) < 0.99 * error(0)


def test_file_round_trip_keeps_fingerprint_and_vectors(
    codec: Codec, waves: torch.Tensor, tmp_path: Path
) -> None:
    codec.save(tmp_path / "codec.safetensors", {"note": "of a test"})
    again = Codec.load(tmp_path / "codec.safetensors")
    assert again.config == codec.config
    assert again.fingerprint == codec.fingerprint
    difference = again.encode(waves[:2]) - codec.encode(waves[:2])
    assert difference.norm() < 1e-3 * codec.encode(waves[:2]).norm()
    again.save(tmp_path / "twice.safetensors", {"note": "of a test"})
    assert (tmp_path / "twice.safetensors").read_bytes() == (tmp_path / "codec.safetensors").read_bytes()


def test_fingerprint_follows_the_weights(codec: Codec) -> None:
    other = codec.truncated(codec.size)
    assert other.fingerprint == codec.fingerprint
    with torch.no_grad():
        other.decoder.leave.bias.add_(0.1)
    assert other.fingerprint != codec.fingerprint


@pytest.mark.parametrize(
    "name", ["none.safetensors", "text.safetensors", "foreign.safetensors", "cut.safetensors"]
)
def test_refuses_files_that_hold_no_codec(codec: Codec, tmp_path: Path, name: str) -> None:
    (tmp_path / "text.safetensors").write_text("no weights at all")
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    codec.save(tmp_path / "whole.safetensors")
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match=name):
        Codec.load(tmp_path / name)


@pytest.mark.parametrize("size", [0, -1, 257])
def test_refuses_impossible_sizes(codec: Codec, waves: torch.Tensor, size: int) -> None:
    with pytest.raises(InputError, match="between 1 and 256"):
        codec.encode(waves[:1], size)
    with pytest.raises(InputError, match="between 1 and"):
        codec.decode(codec.encode(waves[:1]), size)


@pytest.mark.parametrize(
    ("wave", "word"),
    [
        (torch.zeros(1, 0), "shape"),
        (torch.zeros(1, 1, 100), "shape"),
        (torch.zeros(1, SAMPLES + 1), "encode_long"),
        (torch.full((1, 50), float("nan")), "NaN"),
    ],
)
def test_refuses_waves_it_cannot_code(codec: Codec, wave: torch.Tensor, word: str) -> None:
    with pytest.raises(InputError, match=word):
        codec.encode(wave)


def test_refuses_vectors_of_another_width_and_unfinite_ones(codec: Codec) -> None:
    with pytest.raises(InputError, match="encode with this codec"):
        codec.decode(torch.zeros(1, 300))
    with pytest.raises(InputError, match="NaN"):
        codec.decode(torch.full((1, 20), float("inf")))


@pytest.mark.parametrize("length", [1, 200, 22_050, SAMPLES])
@pytest.mark.parametrize("kind", ["silence", "sine", "click", "full scale"])
def test_odd_clips_stay_finite(shipped: Codec, kind: str, length: int) -> None:
    t = torch.arange(length) / 22_050
    wave = {
        "silence": torch.zeros(length),
        "sine": 0.5 * torch.sin(2 * math.pi * 440 * t),
        "click": torch.nn.functional.one_hot(torch.tensor(length // 2), length).float(),
        "full scale": torch.ones(length),
    }[kind]
    vector = shipped.encode(wave[None], 64)
    mel = shipped.decode_mel(vector)
    assert vector.isfinite().all() and mel.isfinite().all()
    assert mel.shape == (1, 80, 431) and mel.min() >= -80


def test_silence_decodes_to_silence_and_sine_to_sound(shipped: Codec) -> None:
    t = torch.arange(SAMPLES) / 22_050
    waves = torch.stack([torch.zeros(SAMPLES), 0.3 * torch.sin(2 * math.pi * 440 * t)])
    decoded = shipped.decode(shipped.encode(waves), 512)
    assert decoded.shape == waves.shape
    assert decoded[0].abs().max() == 0
    level = decoded[1].pow(2).mean().sqrt() / waves[1].pow(2).mean().sqrt()
    assert 0.5 < level < 1.5
    spectrum = torch.fft.rfft(decoded[1]).abs()
    assert abs(int(spectrum.argmax()) * 22_050 / SAMPLES - 440) < 22


def test_quantising_to_eight_bits_costs_little(shipped: Codec) -> None:
    clips = sorted((Path(surco.datasets.__file__).parent / "demo").rglob("*.ogg"))[::10]
    music = torch.stack([torch.from_numpy(read_audio(path)[:SAMPLES]) for path in clips])
    mel = mel_of(shipped, music)
    vector = shipped.encode(music, 512)
    exact = (shipped.decode_mel(vector) - mel).abs().mean()
    eight = shipped.quantise(vector)
    coarse = shipped.quantise(vector, bits=2)
    assert (shipped.decode_mel(eight) - mel).abs().mean() < 1.02 * exact
    assert (shipped.decode_mel(coarse) - mel).abs().mean() > 1.02 * exact
    assert torch.equal(shipped.quantise(eight), eight)
    steps = (eight - shipped.low[:512]) / (shipped.high - shipped.low)[:512] * 255
    assert (steps - steps.round()).abs().max() < 1e-2
    with pytest.raises(InputError, match="bits"):
        shipped.quantise(vector, bits=0)


@pytest.mark.parametrize("seconds", [0.5, 5.0, 5.3, 12.0])
def test_long_recordings_keep_their_length(codec: Codec, seconds: float) -> None:
    length = round(seconds * 22_050)
    wave = tune([220.0]).repeat(1, 3)[0, :length]
    vectors = codec.encode_long(wave, 32)
    assert len(vectors) == max(1, math.ceil((length - 5512) / (SAMPLES - 5512)))
    first = codec.encode(wave[None, :SAMPLES], 32)
    assert torch.allclose(vectors[:1], first, atol=0.05)
    assert codec.decode_long(vectors[:1], min(length, SAMPLES)).shape == (min(length, SAMPLES),)


def test_decoded_recordings_have_no_seam(shipped: Codec) -> None:
    t = torch.arange(3 * SAMPLES) / 22_050
    noise = torch.randn(len(t), generator=torch.Generator().manual_seed(0))
    vectors = shipped.encode_long(0.1 * noise, 32)[:2]
    decoded = shipped.decode_long(vectors, 200_000)
    assert decoded.shape == (200_000,)
    fade = slice(SAMPLES - 5512, SAMPLES)
    across = decoded[fade].pow(2).mean().sqrt() / decoded[20_000:90_000].pow(2).mean().sqrt()
    assert 0.8 < across < 1.25
    with pytest.raises(InputError, match="overlap"):
        shipped.encode_long(noise, overlap=3)
    with pytest.raises(InputError, match="mono"):
        shipped.encode_long(noise[None])
