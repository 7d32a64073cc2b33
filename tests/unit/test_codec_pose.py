"""Pose: tempo and pitch land where they were asked for, add up exactly, and the identity changes nothing."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from surco.codec import SAMPLES, Codec
from surco.codec.harmony import ORDER, Harmony, basis, turned
from surco.codec.pose import IDENTITY, Pose, shift_bins, stretch_frames
from surco.errors import InputError

RATE = 22_050
SEMITONES = st.integers(-12, 12)
quick = settings(deadline=None, max_examples=25, derandomize=True)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


def tone(*hertz: float, seconds: float = 5.0) -> torch.Tensor:
    t = torch.arange(round(seconds * RATE)) / RATE
    partials = [torch.sin(2 * math.pi * f * k * t) / k for f in hertz for k in (1, 2, 3)]
    return (0.1 * torch.stack(partials).sum(0))[None]


def clicks(bpm: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    wave, burst = torch.zeros(SAMPLES), torch.randn(800, generator=generator)
    burst = burst * torch.linspace(1, 0, 800) ** 2
    for start in range(2000, SAMPLES - 800, round(60 / bpm * RATE)):
        wave[start : start + 800] += 0.5 * burst
    return wave[None]


def period(wave: np.ndarray) -> float:
    """Seconds between clicks: the best comb over the envelope."""
    envelope = np.square(wave)[: len(wave) // 32 * 32].reshape(-1, 32).sum(1)
    top = envelope.max()
    loud = np.flatnonzero(envelope > 0.2 * top)
    starts = loud[np.diff(loud, prepend=-1000) > 100]
    return float(np.polyfit(np.arange(len(starts)), starts, 1)[0] * 32 / RATE)


def pitch(wave: np.ndarray, low: float, high: float) -> float:
    """Frequency of the strongest partial between two, by the centroid of its peak."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 1 << 19)) ** 2
    hertz = np.fft.rfftfreq(1 << 19, 1 / RATE)
    inside = (hertz > low) & (hertz < high)
    return float((hertz[inside] * spectrum[inside]).sum() / spectrum[inside].sum())


def test_the_identity_changes_no_bit(codec: Codec) -> None:
    z = codec.encode(tone(220.0), 512)
    assert not IDENTITY and Pose(0.1) and Pose(0, 1)
    assert torch.equal(codec.decode(z, pose=IDENTITY), codec.decode(z))
    assert torch.equal(codec.decode_mel(z, pose=Pose()), codec.decode_mel(z))
    assert torch.equal(
        codec.decode_long(z.repeat(2, 1), pose=Pose.of(1.0)), codec.decode_long(z.repeat(2, 1))
    )


@quick
@given(
    st.floats(0.71, 1.41), st.floats(0.71, 1.41), st.floats(-6, 6), st.floats(-6, 6)
)  # two of these stay within the limits
def test_poses_compose_as_numbers(r: float, s: float, up: float, more: float) -> None:
    both = Pose.of(r, up) + Pose.of(s, more)
    assert both.tempo == pytest.approx(r * s, rel=1e-12)
    assert both.semitones == pytest.approx(up + more, abs=1e-12)
    back = both + -both
    assert not back
    assert Pose.of(r, up) + Pose.of(s, more) == Pose.of(s, more) + Pose.of(r, up)


@quick
@given(SEMITONES, SEMITONES)
def test_harmony_turns_as_a_circle(a: int, b: int) -> None:
    pairs = {(i // 2, k) for i, k in ORDER if (i ^ 1, k) in ORDER}
    whole = torch.tensor([(i // 2, k) in pairs for i, k in ORDER])
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(0)) * whole
    torch.testing.assert_close(turned(turned(x, a), b), turned(x, a + b), atol=2e-5, rtol=0)
    torch.testing.assert_close(turned(turned(x, a / 3), -a / 3), x, atol=2e-5, rtol=0)


def test_the_alternation_changes_its_sign_at_odd_semitones() -> None:
    moments = torch.arange(28.0)
    for s, sign in ((1, -1), (2, 1), (-3, -1), (0.5, 0)):
        raised = basis(s, moments)
        rolled = basis().roll(int(s), 1)
        if s == int(s):  # raising by whole semitones is rolling the classes, for every number
            torch.testing.assert_close(raised, rolled, atol=1e-6, rtol=0)
        assert math.cos(math.pi * s) == pytest.approx(sign, abs=1e-12)


@pytest.mark.parametrize("tempo", [0.6, 0.8, 1.25, 1.8])
def test_clicks_come_at_the_tempo_asked_for(codec: Codec, tempo: float) -> None:
    z = codec.encode(clicks(120), 1024)
    plain, posed = codec.decode(z), codec.decode(z, pose=Pose.of(tempo))
    assert posed.shape[1] == round(SAMPLES / tempo)
    assert period(plain[0].numpy()) / period(posed[0].numpy()) == pytest.approx(tempo, rel=0.01)


@pytest.mark.parametrize("semitones", [-4, -1.5, 3, 7])
def test_a_tone_lands_on_the_pitch_asked_for(codec: Codec, semitones: float) -> None:
    z = codec.encode(tone(1000.0), 1024)
    wanted = 1000 * 2 ** (semitones / 12)
    found = pitch(codec.decode(z, pose=Pose(0, semitones))[0].numpy(), wanted / 1.3, wanted * 1.3)
    assert abs(1200 * math.log2(found / wanted)) < 10


@pytest.mark.parametrize("semitones", [-3, 2, 5])
def test_a_chord_lands_on_the_classes_asked_for(codec: Codec, semitones: int) -> None:
    chord = tone(130.81, 164.81, 196.0)  # C E G
    z = codec.encode(chord, 512)
    harmony = Harmony()
    raised = harmony.analyse(codec.decode(z, pose=Pose(0, semitones)))
    shares = torch.einsum("bh,hct->bc", raised, basis())[0]
    assert set(shares.topk(3).indices.tolist()) == {(c + semitones) % 12 for c in (0, 4, 7)}


def test_harmony_is_followed_over_time_at_another_tempo(codec: Codec) -> None:
    half = SAMPLES // 2
    wave = torch.cat([tone(130.81)[:, :half], tone(185.0)[:, half:]], 1)  # C, then F sharp
    slow = codec.decode(codec.encode(wave, 512), pose=Pose.of(0.5))  # 10 s
    first, second = (Harmony().analyse(x) for x in slow.split(SAMPLES, 1))
    for numbers, wanted in ((first, 0), (second, 6)):
        shares = torch.einsum("bh,hct->bc", numbers, basis())[0]
        assert int(shares.argmax()) == wanted


def test_long_recordings_stretch_as_a_whole(codec: Codec) -> None:
    vectors = codec.encode_long(tone(220.0, seconds=12)[0], 128)
    wave = codec.decode_long(vectors, pose=Pose.of(0.8))
    plain = codec.decode_long(vectors)
    assert len(wave) == pytest.approx(len(plain) / 0.8, rel=1e-4)
    assert len(codec.decode_long(vectors, 1000, pose=Pose.of(0.8))) == 1000


@quick
@given(st.floats(0.5, 2.0))
def test_frames_read_a_ramp_where_it_was(tempo: float) -> None:
    from surco.audio.mel import MelConfig

    ramp = torch.arange(431.0)[None, None].expand(1, 80, -1)
    pose = Pose.of(tempo)
    out = stretch_frames(ramp, pose, MelConfig(), SAMPLES)
    assert out.shape[2] == 1 + round(SAMPLES * pose.stretch) // 256
    wanted = (torch.arange(out.shape[2]) * tempo).clamp_max(430)
    torch.testing.assert_close(out[0, 0], wanted, atol=1e-2, rtol=0)


def test_bins_move_by_octaves() -> None:
    power = torch.zeros(1, 513, 2)
    power[:, 100] = 1
    assert int(shift_bins(power, 12)[0, :, 0].argmax()) == 200
    assert int(shift_bins(power, -12)[0, :, 0].argmax()) == 50
    assert shift_bins(power + 1, -12)[0, 300:].sum() == 0


@pytest.mark.parametrize("semitones", [-4.0, 4.0])
def test_a_shift_of_pitch_keeps_the_loudness(codec: Codec, semitones: float) -> None:
    power = torch.rand(1, 513, 4, generator=torch.Generator().manual_seed(0))
    power[:, 250:] = 0
    assert shift_bins(power, semitones).sum() == pytest.approx(float(power.sum()), rel=0.02)
    wave = tone(220.0) + 0.05 * torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(0))
    z = codec.encode(wave, 512)
    plain, posed = (codec.decode(z, pose=p).square().mean().log10() for p in (IDENTITY, Pose(0, semitones)))
    assert 10 * float(posed - plain) == pytest.approx(0, abs=0.6)  # dB; up to 1.3 without


def test_a_clip_lasts_the_seconds_asked_for(codec: Codec) -> None:
    z = codec.encode(tone(220.0), 64)
    assert codec.decode(z, seconds=6.0).shape[1] == round(6 * RATE)
    higher = codec.decode(z, seconds=4.0, pose=Pose(0, 2))
    assert torch.equal(higher, codec.decode(z, pose=Pose.lasting(4.0, 2)))
    with pytest.raises(InputError, match="A tempo lies between"):
        codec.decode(z, seconds=11)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Pose.of(3.0), "A tempo lies between 0.5 and 2"),
        (lambda: Pose.of(0.0), "A tempo lies between"),
        (lambda: Pose.of(float("nan")), "A tempo lies between"),
        (lambda: Pose.of(1.0, 13), "at most 12 semitones"),
        (lambda: Pose.of(1.0, float("nan")), "at most 12 semitones"),
        (lambda: Pose.of(1.8) + Pose.of(1.8), "A tempo lies between"),
        (lambda: Pose.lasting(0), "A tempo lies between"),
    ],
)
def test_impossible_poses_are_refused_in_a_sentence(make, says) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says) as refused:
        make()
    assert len(str(refused.value)) < 300


def test_a_pose_by_its_duration() -> None:
    assert Pose.lasting(4.0).tempo == pytest.approx(1.25)
