"""Edits are exact at their ends, and the directions find what was planted."""

import numpy as np
import pytest

from surco.edits import moves
from surco.errors import InputError


@pytest.fixture
def songs() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal((5, 24)) * np.geomspace(30, 0.1, 24)).astype(np.float32)


@pytest.mark.parametrize("mode", ["linear", "spherical"])
def test_interpolation_gives_both_songs_bit_for_bit(songs: np.ndarray, mode: str) -> None:
    a, b = songs[0], songs[1]
    a[3], b[3] = -0.0, 1e-40  # what arithmetic with weights 0 and 1 would change
    for weight, song in ((0, a), (1, b), (0.0, a), (1.0, b)):
        assert moves.interpolate(a, b, weight, mode=mode, centre=songs.mean(0)).tobytes() == song.tobytes()
    for position in range(5):
        assert moves.path(songs, position, mode=mode).tobytes() == songs[position].tobytes()
    assert moves.extrapolate(a, b, 1).tobytes() == b.tobytes()


def test_swap_average_shift_and_noise_are_exact_at_their_ends(songs: np.ndarray) -> None:
    a, b = songs[0], songs[1]
    assert moves.swap(a, b, 24).tobytes() == a.tobytes()
    assert moves.swap(a, b, 0).tobytes() == b.tobytes()
    assert moves.average(songs, [0, 0, 1, 0, 0]).tobytes() == songs[2].tobytes()
    assert moves.shift(a, b, 0).tobytes() == a.tobytes()
    assert moves.noise(a, 0, scale=np.ones(24, np.float32), seed=1).tobytes() == a.tobytes()


def test_harmony_changes_its_own_dimensions_alone(songs: np.ndarray) -> None:
    a, b = songs[0], songs[1]
    assert moves.harmony(a, b, 0).tobytes() == a.tobytes()
    for weight in (0.5, 1, 1.5):
        moved = moves.harmony(a, b, weight)
        assert np.flatnonzero(moved != a).tolist() == [15]
        assert moved[15] == pytest.approx((1 - weight) * a[15] + weight * b[15], abs=1e-6)
    assert moves.harmony(a, b, 1)[15] == b[15]
    with pytest.raises(InputError, match="hold no harmony"):
        moves.harmony(a[:15], b[:15], 1)


def test_spherical_midpoint_keeps_the_radius_where_the_linear_one_shrinks(songs: np.ndarray) -> None:
    u = np.array([0, 3, 0, 0], np.float32)
    v = np.array([2, 0, 3, 0], np.float32)
    turned = moves.interpolate(u, v, 0.5, mode="spherical")
    assert np.linalg.norm(turned[1:]) == pytest.approx(3, abs=1e-5)
    assert np.linalg.norm(moves.interpolate(u, v, 0.5)[1:]) == pytest.approx(3 / np.sqrt(2), abs=1e-5)
    assert turned[0] == 1  # the gain stays linear
    same = moves.interpolate(u, u, 0.5, mode="spherical")  # no plane to turn in
    np.testing.assert_allclose(same, u, atol=1e-6)


def test_extrapolation_goes_as_far_past_the_second_song(songs: np.ndarray) -> None:
    np.testing.assert_allclose(moves.extrapolate(songs[0], songs[1], 2), 2 * songs[1] - songs[0], rtol=1e-5)


def test_noise_has_the_radius_asked_for_spares_the_gain_and_repeats(songs: np.ndarray) -> None:
    scale = songs.std(0)
    moved = moves.noise(songs, 0.5, scale=scale, seed=3)
    radius = np.sqrt((((moved - songs) / scale) ** 2).mean(-1))
    np.testing.assert_allclose(radius, 0.5, rtol=1e-4)
    assert (moved[:, 0] == songs[:, 0]).all()
    assert moved.tobytes() == moves.noise(songs, 0.5, scale=scale, seed=3).tobytes()
    assert moved.tobytes() != moves.noise(songs, 0.5, scale=scale, seed=4).tobytes()


def test_the_planted_direction_of_an_attribute_is_found() -> None:
    rng = np.random.default_rng(0)
    value = rng.standard_normal(400)
    planted = rng.standard_normal(20)
    x = (value[:, None] * planted + 0.3 * rng.standard_normal((400, 20))).astype(np.float32)
    genres = ["a" if v > 0 else "b" for v in value]
    found = moves.fit_directions(x, genres, {"tempo": value})
    step = found.attribute("tempo")
    cosine = step @ planted / np.linalg.norm(step) / np.linalg.norm(planted)
    assert cosine > 0.99
    assert np.linalg.norm(step) == pytest.approx(np.linalg.norm(planted), rel=0.1)  # one standard deviation
    probe = found.genre_by_probe("b", "a")
    means = found.genre_by_means("b", "a")
    assert probe @ planted > 0
    assert np.linalg.norm(probe) == pytest.approx(np.linalg.norm(means), rel=0.15)
    start = moves.shift(found.means["b"], means, 1)
    np.testing.assert_allclose(start, found.means["a"], atol=1e-4)


def test_bad_edits_are_refused(songs: np.ndarray) -> None:
    with pytest.raises(InputError, match="at one size"):
        moves.interpolate(songs[0], songs[1, :8], 0.5)
    with pytest.raises(InputError, match="at least two songs"):
        moves.path(songs[:1], 0)
    with pytest.raises(InputError, match="is outside"):
        moves.path(songs, 4.5)
    with pytest.raises(InputError, match="coarse"):
        moves.swap(songs[0], songs[1], 25)
    with pytest.raises(InputError, match="positive sum"):
        moves.average(songs, [1, 1])
    with pytest.raises(InputError, match="two genres"):
        moves.fit_directions(songs, ["rock"] * 5, {})
    found = moves.fit_directions(songs, list("aabbb"), {})
    with pytest.raises(InputError, match="genre .jazz."):
        found.genre_by_means("a", "jazz")
