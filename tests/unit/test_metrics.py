"""The per-clip measures on planted sounds: identities, order under distortion, loudness, silence."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.metrics.score import FULL, HIGHER_IS_BETTER, QUICK, Reference, references, score, score_all, table
from surco.metrics.structure import TOGETHER, chromagrams

RATE = 22_050


def tune(seed: int, *, bpm: float = 120.0, seconds: float = 5.0) -> np.ndarray:
    """Plucked notes of a random walk on a scale, with a click on each beat."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    wave = np.zeros_like(time)
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
    for beat in np.arange(0.1, seconds, 60 / bpm):
        later = np.maximum(time - beat, 0)
        note = scale[rng.integers(len(scale))]
        shape = (time >= beat) * np.exp(-later * 5)
        wave += shape * (np.sin(2 * np.pi * note * later) + 0.4 * np.sin(4 * np.pi * note * later))
        wave += (time >= beat) * np.exp(-later * 80) * rng.normal(size=len(time)) * 0.5
    return (0.2 * wave).astype(np.float32)


@pytest.fixture(scope="module")
def original() -> np.ndarray:
    return tune(0)


@pytest.fixture(scope="module")
def reference(original: np.ndarray) -> Reference:
    return Reference(original)


def noisy(wave: np.ndarray, level: float) -> np.ndarray:
    return wave + level * np.random.default_rng(1).normal(size=len(wave)).astype(np.float32)


def test_identity_is_perfect(reference: Reference, original: np.ndarray) -> None:
    found = reference.score(original)
    assert set(found) == set(FULL)
    assert found["log_mel_db"] == 0 and found["multi_scale_mel"] == 0
    assert found["zimtohrli"] == pytest.approx(5, abs=1e-3) and found["visqol"] > 4.7
    assert found["si_sdr_db"] == 100
    for name in ("chroma", "onset", "onset_f1", "tempo", "self_similarity"):
        assert found[name] == pytest.approx(1, abs=1e-6), name


def test_more_noise_is_worse_by_every_spectral_and_listening_measure(
    reference: Reference, original: np.ndarray
) -> None:
    little, much = reference.score(noisy(original, 0.002)), reference.score(noisy(original, 0.03))
    for name in ("log_mel_db", "multi_scale_mel", "zimtohrli", "visqol", "chroma", "si_sdr_db"):
        assert (much[name] < little[name]) == HIGHER_IS_BETTER[name], name


def test_another_clip_lies_at_the_floor(original: np.ndarray) -> None:
    other = Reference(original, quick=True).score(tune(5, bpm=97))
    assert other["zimtohrli"] < 4 and other["tempo"] == 0
    assert other["onset"] < 0.5 and other["self_similarity"] < 0.5 and other["onset_f1"] < 0.7


def test_wrong_loudness_costs(original: np.ndarray) -> None:
    reference = Reference(original, quick=True)
    half, same = reference.score(0.5 * original), reference.score(original)
    assert half["log_mel_db"] > 1.5  # 6 dB wherever the sound lies above the floor
    assert half["zimtohrli"] < same["zimtohrli"]
    assert half["si_sdr_db"] == 100 and half["chroma"] == pytest.approx(1, abs=1e-4)


def test_level_of_the_pair_does_not_matter(original: np.ndarray) -> None:
    noise = noisy(original, 0.01)
    loud, quiet = score(original, noise, quick=True), score(0.01 * original, 0.01 * noise, quick=True)
    for name in ("log_mel_db", "zimtohrli", "chroma", "onset"):
        assert loud[name] == pytest.approx(quiet[name], abs=0.02), name


def test_silence_has_no_correlation(original: np.ndarray) -> None:
    silence = np.zeros_like(original)
    found = score(silence, original)
    for name in ("chroma", "onset", "onset_f1", "tempo", "self_similarity", "si_sdr_db", "visqol"):
        assert np.isnan(found[name]), name
    assert np.isfinite(found["log_mel_db"]) and found["log_mel_db"] > 5
    assert score(silence, silence, quick=True)["log_mel_db"] == 0
    lost = score(original, silence, quick=True)
    assert [lost[m] for m in ("chroma", "onset", "onset_f1", "tempo")] == [0, 0, 0, 0]


def test_a_steady_tone_has_no_onsets_to_agree_on() -> None:
    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(5 * RATE) / RATE)).astype(np.float32)
    found = score(tone, noisy(tone, 0.01), quick=True)
    assert found["chroma"] > 0.9
    assert np.isnan(found["onset"]) and np.isnan(found["onset_f1"]) and np.isnan(found["tempo"])


def test_tempo_allows_octaves(original: np.ndarray) -> None:
    from dataclasses import replace

    from surco.metrics.structure import tempo_agreement

    mine = Reference(original, quick=True).structure
    assert tempo_agreement(mine, replace(mine, tempo=mine.tempo * 2 * 1.03)) == 1
    assert tempo_agreement(mine, replace(mine, tempo=mine.tempo * 1.06)) == 0


def test_onsets_may_be_two_frames_late_but_not_ten(original: np.ndarray) -> None:
    reference = Reference(original, quick=True)
    onset = [reference.score(np.roll(original, 256 * frames))["onset"] for frames in (2, 10)]
    assert onset[0] > 0.95 > 0.6 > onset[1]


def test_score_all_keeps_the_order_and_quick_is_a_subset(original: np.ndarray) -> None:
    references = [Reference(original, quick=True), Reference(tune(3), quick=True)]
    decoded = [noisy(original, 0.01), tune(3)]
    heard: list[int] = []
    found = score_all(references, decoded, threads=2, progress=heard.append)
    assert heard == [1, 2]
    assert found[0]["log_mel_db"] > 0 and found[1]["log_mel_db"] == 0
    assert set(found[0]) == set(QUICK) < set(FULL)
    assert table(found)["log_mel_db"].shape == (2,)


def test_chromagrams_taken_together_are_those_taken_alone() -> None:
    waves = [tune(1 + i % 3, bpm=90 + i).astype(np.float32) for i in range(TOGETHER + 5)]
    together = chromagrams(waves, 22_050)
    for wave, (chroma, loud) in zip(waves, together, strict=True):
        ((alone, heard),) = chromagrams([wave], 22_050)
        assert (chroma == alone).all() and (loud == heard).all()


def test_references_made_together_score_as_one_made_alone(original: np.ndarray) -> None:
    decoded = original + 0.01 * np.random.default_rng(0).standard_normal(len(original)).astype(np.float32)
    made = references([original, decoded], quick=True)
    together = score_all(made, [decoded, original])[0]
    alone = Reference(original, quick=True).score(decoded)
    assert together == pytest.approx(alone, abs=1e-5, nan_ok=True)
    with pytest.raises(InputError, match="original"):
        references([original, np.full(len(original), np.nan)])


def test_bad_clips_are_refused(original: np.ndarray) -> None:
    broken = original.copy()
    broken[100] = np.nan
    with pytest.raises(InputError, match="finite"):
        score(original, broken)
    with pytest.raises(InputError, match="one length"):
        score(original, original[:-1])
    with pytest.raises(InputError, match="half a second"):
        score(original[:1000], original[:1000])
