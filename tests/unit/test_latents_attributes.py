"""Attributes are those of the sound made for the purpose; baselines describe what they say."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.latents import reference_features
from surco.latents.attributes import measure, measure_all
from surco.latents.representations import representations

RATE = 22_050
T = np.arange(5 * RATE) / RATE


def clicks(bpm: float) -> np.ndarray:
    wave = np.zeros(len(T))
    for beat in np.arange(0.1, 5, 60 / bpm):
        start = int(beat * RATE)
        n = min(2000, len(wave) - start)
        wave[start : start + n] += np.exp(-np.arange(n) / 300) * np.sin(
            2 * np.pi * 1000 * np.arange(n) / RATE
        )
    return wave.astype(np.float32)


@pytest.mark.parametrize("bpm", [80, 100, 132])
def test_tempo_and_onset_density_of_a_click_track(bpm: int) -> None:
    found = measure(clicks(bpm))
    assert found["tempo"] == pytest.approx(bpm, rel=0.03)
    assert found["onset density"] == pytest.approx(bpm / 60, abs=0.25)


def test_loudness_brightness_and_chroma_of_tones() -> None:
    tone = (0.1 * np.sqrt(2) * np.sin(2 * np.pi * 2000 * T)).astype(np.float32)
    found = measure(tone)
    assert found["loudness"] == pytest.approx(-20, abs=0.01)
    assert found["brightness"] == pytest.approx(1, abs=0.15)
    noise = measure(0.1 * np.random.default_rng(0).standard_normal(len(T)).astype(np.float32))
    assert noise["chroma entropy"] > found["chroma entropy"] + 1
    assert noise["chroma entropy"] <= np.log2(12)


def test_silence_has_no_tempo_and_short_clips_are_refused() -> None:
    found = measure_all(np.stack([np.zeros(len(T), np.float32), clicks(100)]))
    assert np.isnan(found["tempo"]).tolist() == [True, False]
    assert found["loudness"][0] < -70
    with pytest.raises(InputError, match="half a second"):
        measure(np.zeros(100, np.float32))


def test_baselines_are_fitted_on_train_only_and_order_by_variance() -> None:
    rng = np.random.default_rng(0)
    mels = (-40 + 10 * rng.standard_normal((30, 80, 48))).astype(np.float32)
    train = np.arange(20)
    spoilt = mels.copy()
    spoilt[25] = 0
    for describe in (
        lambda m: reference_features.linear_coefficients(m, train, 64),
        lambda m: reference_features.mel_components(m, train, 64),
    ):
        one, two = describe(mels), describe(spoilt)
        np.testing.assert_allclose(one[:25], two[:25], atol=1e-3)
        spread = one[train].var(0)
        assert (np.diff(spread) <= 1e-3 * spread[0]).all()
    assert reference_features.mfcc_statistics(mels).shape == (30, 60)
    named = representations(rng.standard_normal((30, 16)), mels, train)
    assert [x.shape[0] for x in named.values()] == [30] * 6
    assert named["Linear"].shape[1] == named["raw"].shape[1] == 16
    assert named["standardised"][train].std(0) == pytest.approx(1)
