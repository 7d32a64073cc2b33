"""The stress set is what its names say, and the verdict on outside music follows from the numbers."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.latents import outside, stress
from surco.latents.outside import OutOfDistribution
from surco.metrics.aggregate import Estimate

RATE = 22_050


def spectrum_peak(wave: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(wave)).argmax() * RATE / len(wave))


@pytest.mark.parametrize("name", stress.SYNTHETIC)
def test_synthetic_sounds_have_length_level_and_the_same_bytes_again(name: str) -> None:
    wave = stress.synthetic(name, samples=44_100, seed=3)
    assert wave.shape == (44_100,)
    assert wave.dtype == np.float32
    assert np.isfinite(wave).all()
    assert wave.tobytes() == stress.synthetic(name, samples=44_100, seed=3).tobytes()
    if name not in ("silence", "click"):
        assert np.sqrt((wave**2).mean()) == pytest.approx(0.1, rel=1e-3)


def test_synthetic_sounds_are_what_they_are_called() -> None:
    assert not stress.synthetic("silence").any()
    assert np.count_nonzero(stress.synthetic("click")) == 1
    assert spectrum_peak(stress.synthetic("sine")) == pytest.approx(440, abs=0.3)
    sweep = stress.synthetic("sweep")
    starts = [spectrum_peak(sweep[i : i + 4096]) for i in range(0, len(sweep) - 4096, 20_000)]
    assert starts == sorted(starts)
    assert starts[0] < 100
    assert starts[-1] > 3000
    noise = np.abs(np.fft.rfft(stress.synthetic("white noise"))) ** 2
    halves = noise[: len(noise) // 2].mean() / noise[len(noise) // 2 :].mean()
    assert halves == pytest.approx(1, abs=0.05)
    assert stress.synthetic("white noise", seed=1).tobytes() != stress.synthetic("white noise").tobytes()


def test_the_vowels_have_their_formants() -> None:
    wave = stress.synthetic("sung vowels")
    parts = np.array_split(wave, len(stress.VOWELS))
    frequencies = np.fft.rfftfreq(len(parts[0]), 1 / RATE)
    for part, (name, formants) in zip(parts, stress.VOWELS.items(), strict=True):
        power = np.abs(np.fft.rfft(part, len(parts[0]))) ** 2

        def level(hz: float, width: float = 120.0, power: np.ndarray = power) -> float:
            near = np.abs(frequencies - hz) < width
            return float(10 * np.log10(power[near].mean()))

        second, third = formants[1][0], formants[2][0]
        valley = (second + third) / 2 if third - second > 900 else (third + 3800) / 2
        assert level(second) > level(valley) + 3, name


def test_altered_clips_are_reversed_shifted_and_slowed() -> None:
    t = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * 440 * t) * (1 + t)).astype(np.float32)
    assert (stress.altered("backwards", tone) == tone[::-1]).all()
    up, down = (stress.altered(f"6 semitones {d}", tone) for d in ("up", "down"))
    assert spectrum_peak(up) == pytest.approx(440 * 2**0.5, rel=0.01)
    assert spectrum_peak(down) == pytest.approx(440 / 2**0.5, rel=0.01)
    slow = stress.altered("half speed", tone)
    assert slow.shape == tone.shape
    assert spectrum_peak(slow) == pytest.approx(220, rel=0.01)
    with pytest.raises(InputError, match="no alteration"):
        stress.altered("louder", tone)
    with pytest.raises(InputError, match="no stress sound"):
        stress.synthetic("applause")


def test_strangers_are_far_by_both_distances() -> None:
    rng = np.random.default_rng(0)
    scale = np.geomspace(10, 0.1, 20)
    train, test = (rng.standard_normal((n, 20)) * scale for n in (300, 100))
    strange = OutOfDistribution(train)
    odd = test.copy()
    odd[:, -1] += 3  # thirty spreads along the smallest number: Euclid hardly sees it
    tracks = [f"t{i // 2}" for i in range(100)]
    for measure, seen in ((strange.mahalanobis, True), (strange.neighbours, False)):
        alike = outside.outside_band(measure(test), measure(rng.standard_normal((100, 20)) * scale), tracks)
        assert alike.outside.mean < 0.2
        band = outside.outside_band(measure(test), measure(odd), tracks)
        assert (band.outside.mean > 0.9) == seen
    with pytest.raises(InputError, match="three or more"):
        OutOfDistribution(train[:2])


def planted(shift: float, *, styles: bool = False) -> outside.Comparison:
    """Outside clips whose error is larger by `shift` dB; their styles, if shared, differ in number."""
    rng = np.random.default_rng(0)
    here = ["jazz"] * 60 + ["metal"] * 60
    there = ["jazz"] * 20 + ["metal"] * 100
    level = {"jazz": 2.0, "metal": 4.0}
    a = np.array([level[s] for s in here]) + 0.3 * rng.standard_normal(120)
    b = np.array([level[s] for s in there]) + 0.3 * rng.standard_normal(120) + shift
    tracks = [f"t{i // 2}" for i in range(120)]
    return outside.compare(
        a, tracks, here if styles else ["x"] * 120, b, tracks, there if styles else ["y"] * 120
    )


def test_pairing_by_style_takes_the_mixture_out_of_the_comparison() -> None:
    paired, unpaired = planted(0.0, styles=True), planted(0.0)
    assert paired.styles == ["jazz", "metal"]
    assert unpaired.styles == []
    assert paired.difference.low < 0 < paired.difference.high
    assert unpaired.difference.low > 0.2  # only because there is more metal outside
    big = planted(0.6, styles=True)
    assert big.difference.low < 0.6 < big.difference.high
    assert big.effect.mean == pytest.approx(0.6 / (0.3 / np.sqrt(2)), rel=0.2)


def test_the_verdict_follows_the_numbers_and_can_be_no() -> None:
    inside = outside.Band(low=0, high=1, outside=Estimate(0.05, 0.02, 0.1, 40, 0))
    beyond = outside.Band(low=0, high=1, outside=Estimate(0.9, 0.8, 1.0, 40, 0))
    answers = [
        outside.verdict(planted(s, styles=True), band).answer
        for s, band in ((0.0, inside), (0.5, inside), (1.2, inside), (1.2, beyond), (-0.5, beyond))
    ]
    assert answers == ["yes", "partly", "no", "no", "yes"]
    told = outside.verdict(planted(1.2, styles=True), beyond).sentence
    assert told.startswith("No, ")
    assert "90 % of its vectors" in told
