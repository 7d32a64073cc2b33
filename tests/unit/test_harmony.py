"""Harmony: numbers that follow the chord, waves that take it on, and their places in a vector."""

import math

import pytest
import torch

from surco.audio.mel import LogMel, MelConfig, istft, stft
from surco.codec import SAMPLES, Codec
from surco.codec.harmony import FRAMES, ORDER, Harmony, basis
from surco.codec.vector_layout import MOST, harmony_size, join, mel_size, mel_sizes, places, split


def chord(*semitones: float, base: float = 110.0) -> torch.Tensor:
    """A wave (1, 110 250) of notes that many semitones over A2, with three harmonics each."""
    t = torch.arange(SAMPLES) / 22_050
    notes = [base * 2 ** (s / 12) for s in semitones]
    return 0.05 * sum(torch.sin(2 * math.pi * f * h * t) / h for f in notes for h in (1, 2, 3))[None]


def shares(harmony: Harmony, wave: torch.Tensor) -> torch.Tensor:
    """Shares (12,) of the pitch classes, from C, in the middle of a wave (1, T)."""
    numbers = harmony.analyse(wave)
    decibel = torch.einsum("bh,hct->bct", numbers, harmony.basis)[0, :, FRAMES // 2]
    return (decibel * math.log(10) / 20).softmax(0)


def imposed(harmony: Harmony, wave: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """The wave (1, T) of a wave's spectrogram that was given the harmony of `numbers`."""
    return istft(harmony.impose(stft(wave, MelConfig()), numbers), MelConfig(), wave.shape[1])


@pytest.fixture(scope="module")
def harmony() -> Harmony:
    return Harmony()


def test_basis_is_orthonormal_and_leaves_the_mean_alone() -> None:
    vectors = basis().flatten(1)
    assert torch.allclose(vectors @ vectors.T, torch.eye(MOST), atol=1e-5)
    assert basis().sum(1).abs().max() < 1e-5
    assert len(set(ORDER)) == MOST


@pytest.mark.parametrize("octave", [0.5, 1.0, 2.0])
def test_numbers_name_the_notes_of_a_chord_in_any_octave(harmony: Harmony, octave: float) -> None:
    found = shares(harmony, chord(0, 3, 7, base=110 * octave))  # A minor
    assert set(found.topk(3).indices.tolist()) == {9, 0, 4}  # A, C, E


def test_a_transposed_chord_turns_the_circle(harmony: Harmony) -> None:
    one, other = (shares(harmony, chord(0, 4, 7, base=110 * 2 ** (s / 12))) for s in (0, 2))
    assert torch.corrcoef(torch.stack([one.roll(2), other]))[0, 1] > 0.9
    assert torch.corrcoef(torch.stack([one, other]))[0, 1] < 0.5


def test_numbers_do_not_hang_on_loudness_or_batch(harmony: Harmony) -> None:
    wave = chord(0, 4, 7)
    assert torch.allclose(harmony.analyse(wave), harmony.analyse(0.1 * wave), atol=1e-2)
    both = harmony.analyse(torch.cat([wave, chord(1, 5)]))
    assert torch.allclose(both[:1], harmony.analyse(wave), atol=1e-3)


def test_silence_has_no_chord(harmony: Harmony) -> None:
    assert harmony.analyse(torch.zeros(1, SAMPLES)).abs().max() < 1e-3


def test_noise_takes_on_a_chord_and_keeps_its_mel(harmony: Harmony) -> None:
    noise = 0.1 * torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(0))
    wanted = harmony.analyse(chord(0, 3, 7))
    changed = imposed(harmony, imposed(harmony, noise, wanted), wanted)
    assert set(shares(harmony, changed).topk(3).indices.tolist()) == {9, 0, 4}
    before, after = (harmony.analyse(w)[0] for w in (noise, changed))
    assert (after - wanted[0]).norm() < 0.5 * (before - wanted[0]).norm()
    log_mel = LogMel()
    difference = (log_mel(changed) - log_mel(noise)).mean(2)[0]  # (80,) dB
    assert difference.abs().mean() < 0.5
    assert difference[30:].abs().max() < 0.1  # well above 500 Hz nothing happened


def test_its_own_harmony_changes_little(harmony: Harmony) -> None:
    wave = chord(0, 4, 7) + chord(2, 9, base=220)
    changed = imposed(harmony, wave, harmony.analyse(wave))
    assert (changed - wave).norm() < 0.2 * wave.norm()


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 64, 511, 512, 513, 2048])
def test_vectors_are_joined_and_split_again(size: int) -> None:
    vector = torch.randn(3, size)
    gain, coefficients, numbers = split(vector)
    assert coefficients.shape[1] == mel_size(size) - 1 and numbers.shape[1] == harmony_size(size)
    assert torch.equal(join(gain, coefficients, numbers), vector)
    assert torch.equal(gain, vector[:, 0])


def test_every_prefix_holds_a_prefix_of_both_parts() -> None:
    vector = torch.randn(2, 2048)
    _, coefficients, numbers = split(vector)
    for size in (20, 100, 600):
        _, few, some = split(vector[:, :size])
        assert torch.equal(few, coefficients[:, : few.shape[1]])
        assert torch.equal(some, numbers[:, : some.shape[1]])
    sizes = torch.tensor([1.0, 15.0, 16.0, 700.0, 2048.0])
    assert mel_sizes(sizes).tolist() == [mel_size(int(s)) for s in sizes]
    assert len(places(2048)[1]) == MOST


def test_the_codec_keeps_a_chord_that_its_mel_would_lose() -> None:
    codec, wave = Codec.load(), chord(0, 4, 7) + 0.002 * torch.randn(1, SAMPLES)
    vector = codec.encode(wave, 256)
    flat = vector.clone()
    flat[:, places(256)[1]] = 0
    wanted = shares(codec.harmony, wave)
    kept, lost = (shares(codec.harmony, codec.decode(v)) for v in (vector, flat))
    assert (kept - wanted).abs().sum() < 0.5 * (lost - wanted).abs().sum()
