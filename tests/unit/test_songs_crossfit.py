"""Distances of songs to real music: folds, their intervals, and Fréchet's distance without bias."""

import numpy as np

from benchmarks.songs_crossfit import Compared, dealt, drawn, frechet, frechet_infinity, interval
from surco.latents.vectors import VectorSet
from surco.metrics.realism import kernel_audio_distance


def test_whole_tracks_are_dealt_and_each_genre_evenly() -> None:
    tracks = [f"t{i // 3}" for i in range(48)]
    genres = [f"g{i // 12}" for i in range(48)]
    zeros = np.zeros((48, 2), np.float32)
    folds = dealt(
        VectorSet(zeros, [str(i) for i in range(48)], tracks, genres, ["train"] * 48, "c", "d"), 4, 0
    )
    assert all(len({f for f, t in zip(folds, tracks, strict=True) if t == track}) == 1 for track in tracks)
    for genre in set(genres):
        assert {f for f, g in zip(folds, genres, strict=True) if g == genre} == {0, 1, 2, 3}


def test_the_distance_is_that_of_the_field() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(30, 4)), rng.normal(0.5, 1, (20, 4))
    compared = Compared(real, list("abcdefghij") * 3, fake, list("vwxyz") * 4)
    assert abs(compared.distance() - kernel_audio_distance(real, fake)) < 1e-9


def test_a_difference_is_surer_than_either_distance() -> None:
    rng = np.random.default_rng(1)
    groups = [str(i // 4) for i in range(80)]
    real = rng.normal(size=(80, 4)) + np.repeat(rng.normal(size=(20, 4)), 4, 0)
    names = [str(i) for i in range(60)]
    near = [Compared(real, groups, rng.normal(0.0, 1.2, (60, 4)), names)]
    far = [Compared(real, groups, rng.normal(1.5, 1.2, (60, 4)), names)]
    one, two = drawn(near, 0), drawn(far, 0)
    told = interval(far[0].distance() - near[0].distance(), two - one, 20)
    assert told.low > 0 and told.low < told.mean < told.high
    assert np.std(two - one) < np.hypot(np.std(one), np.std(two))


def test_frechet_knows_a_shift_and_does_not_grow_where_clips_are_few() -> None:
    rng = np.random.default_rng(2)
    real = rng.normal(size=(4000, 6))
    assert abs(frechet(real, real + 2) - 6 * 4) < 1e-6
    few = rng.normal(size=(60, 6))
    assert abs(frechet_infinity(real, few)) < 0.5 * frechet(real, few)
