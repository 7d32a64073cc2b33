"""Movement of planted music, and whether two sets can be told apart."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.prior.movement import MEASURES, movement, movement_all, step, windows
from surco.prior.two_sample import two_sample

RATE = 22_050


def clicks(bpm: float, seconds: float = 5.0, seed: int = 0) -> np.ndarray:
    """Noise bursts on every beat."""
    rng = np.random.default_rng(seed)
    wave = 1e-3 * rng.standard_normal(round(seconds * RATE))
    for at in np.arange(0, seconds, 60 / bpm):
        burst = wave[round(at * RATE) :][:1500]
        burst += 0.5 * rng.standard_normal(len(burst)) * np.exp(-np.arange(len(burst)) / 300)
    return wave.astype(np.float32)


def chord(roots: list[int], seconds: float = 5.0) -> np.ndarray:
    """Major triads in turn, of equal length."""
    parts = []
    for root in roots:
        t = np.arange(round(seconds / len(roots) * RATE)) / RATE
        parts.append(sum(np.sin(2 * np.pi * 220 * 2 ** ((root + k) / 12) * t) for k in (0, 4, 7)))
    return 0.1 * np.concatenate(parts).astype(np.float32)


def told(wave: np.ndarray) -> dict[str, float]:
    return dict(zip(MEASURES, movement(wave), strict=True))


def test_a_pulse_is_told_from_noise() -> None:
    noise = np.random.default_rng(1).standard_normal(5 * RATE).astype(np.float32)
    beat, none = told(clicks(120)), told(noise)
    assert beat["beat salience"] > 0.6 > 0.4 > none["beat salience"]
    assert beat["tempo stability"] > none["tempo stability"]
    assert 1.5 < beat["onset rate"] < 3
    assert beat["dynamics"] > none["dynamics"]


def test_chords_are_counted_and_noise_has_every_pitch_class() -> None:
    steady, moving = told(chord([0])), told(chord([0, 5, 7, 2, 9]))
    assert steady["chord changes"] == 0
    assert 0.5 < moving["chord changes"] < 1.5
    noise = np.random.default_rng(1).standard_normal(5 * RATE)
    assert told(noise)["chroma entropy"] > 3.3 > told(chord([0]))["chroma entropy"]


def test_what_comes_back_is_heard() -> None:
    rng = np.random.default_rng(0)
    loop = np.concatenate([chord([int(r)], 0.5) for r in rng.permutation(12)[:5]])  # 2.5 s
    once = np.concatenate([chord([int(r)], 0.5) for r in rng.permutation(12)[:10]])
    assert told(np.tile(loop, 2))["self-similarity"] > told(once)["self-similarity"] + 0.1


def test_silence_has_no_movement_and_nothing_is_undefined() -> None:
    assert not movement(np.zeros(5 * RATE)).any()
    assert np.isfinite(movement_all(np.stack([clicks(90), chord([3]), np.full(5 * RATE, 0.3)]))).all()


def test_a_step_in_level_or_colour_shows_where_it_is() -> None:
    wave = np.random.default_rng(0).standard_normal(4 * RATE).astype(np.float32) * 0.1
    louder = wave * np.repeat([1.0, 4.0], 2 * RATE).astype(np.float32)
    assert step(wave, 2.0)[0] < 0.5
    assert step(louder, 2.0)[0] == pytest.approx(12.04, abs=0.5)
    assert step(louder, 2.0)[1] < 1
    coloured = np.concatenate([wave[: 2 * RATE], chord([0], 2.0)])
    assert step(coloured, 2.0)[1] > 5
    assert np.isnan(step(wave, 0.1)[0])


def test_windows_drop_what_is_left_over() -> None:
    assert windows(np.zeros(round(12.5 * RATE))).shape == (2, 5 * RATE)


# -- two samples -----------------------------------------------------------------------------------


def grouped(n: int, shift: float, seed: int, *, own: float = 1.0) -> tuple[np.ndarray, list[str]]:
    """Four windows of each of n groups, which differ by `own`; all are moved by `shift`."""
    rng = np.random.default_rng(seed)
    centre = own * rng.normal(size=(n, 1, 5))
    x = centre + rng.normal(size=(n, 4, 5)) + shift
    return x.reshape(-1, 5), [str(i) for i in range(n) for _ in range(4)]


@pytest.mark.slow
def test_one_distribution_cannot_be_told_apart_and_two_can() -> None:
    real = grouped(30, 0, 0, own=3)
    same = two_sample(*real, *grouped(30, 0, 1, own=3), permutations=39)
    assert same.auc.low < 0.5 < same.auc.high
    assert same.p > 0.05
    apart = two_sample(*real, *grouped(30, 4, 2), permutations=39)
    assert apart.auc.low > 0.8
    assert apart.p <= 0.05
    assert (apart.real, apart.fake) == (120, 120)


def test_the_same_seed_gives_the_same_answer_in_json() -> None:
    a, b = (two_sample(*grouped(8, 0, 0), *grouped(8, 1, 1), permutations=9).to_json() for _ in range(2))
    assert a == b
    assert set(a) == {"auc", "p", "real", "fake"}


def test_too_few_songs_are_refused() -> None:
    with pytest.raises(InputError, match="5 drawn songs and got 3"):
        two_sample(*grouped(8, 0, 0), *grouped(3, 0, 1))
