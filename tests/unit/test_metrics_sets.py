"""Measures of whole sets: realism, meaning, the embedder, and averages with intervals."""

import numpy as np
import pytest
import torch

from surco.errors import InputError
from surco.metrics.aggregate import by_track, ratio_by_track
from surco.metrics.embedder import SIZE, TAGS, embed, load_musicnn
from surco.metrics.meaning import GenreClassifier
from surco.metrics.realism import kernel_audio_distance


def draw(seed: int, count: int = 200, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 16)) + shift


def test_kernel_distance_is_unbiased_and_sees_a_shift() -> None:
    same = [kernel_audio_distance(draw(2 * i, 60), draw(2 * i + 1, 60)) for i in range(30)]
    assert abs(np.mean(same)) < 2 * np.std(same) / np.sqrt(30) + 0.02
    assert min(same) < 0 < max(same)  # unbiased: it goes below zero as well
    little, much = (kernel_audio_distance(draw(0), draw(1, shift=s)) for s in (0.3, 1.0))
    assert 0.3 < little < much


def test_paired_kernel_distance_takes_twins_out() -> None:
    real = draw(0, 50)
    assert kernel_audio_distance(real, real, paired=True) == pytest.approx(0, abs=1e-9)
    assert kernel_audio_distance(real, real) < 0  # the twins make the sides look closer than two samples are
    with pytest.raises(InputError, match="two clips"):
        kernel_audio_distance(real[:1], real)


def test_bootstrap_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        level = rng.normal(3.0, 1.0, 40)  # of each track
        values = (level[:, None] + rng.normal(0, 0.3, (40, 3))).ravel()
        found = by_track(values, [f"t{i // 3}" for i in range(120)], seed=trial)
        covered += found.low <= 3.0 <= found.high
        assert found.low < found.mean < found.high and found.tracks == 40
    assert covered >= 52


def test_tracks_weigh_the_same_and_undefined_clips_are_counted() -> None:
    values, tracks = [1.0, 1.0, 1.0, 4.0, np.nan], ["a", "a", "a", "b", "b"]
    found = by_track(values, tracks)
    assert found.mean == 2.5 and found.missing == 1 and found.tracks == 2
    nothing = by_track([np.nan], ["a"])
    assert np.isnan(nothing.mean) and nothing.to_json()["mean"] is None
    with pytest.raises(InputError, match="tracks"):
        by_track([1.0], ["a", "b"])


def test_paired_ratio_is_sharper_than_its_sides() -> None:
    rng = np.random.default_rng(1)
    hard = rng.uniform(1, 10, 60)  # how hard a track is for anyone
    tracks = [str(i) for i in range(60)]
    ratio = ratio_by_track(0.9 * hard + rng.normal(0, 0.05, 60), hard, tracks)
    assert ratio.low < 0.9 < ratio.high and ratio.high - ratio.low < 0.02


def test_style_classifier_knows_identity_from_confusion() -> None:
    rng = np.random.default_rng(0)
    centres = {"jazz": rng.normal(size=8) * 3, "metal": rng.normal(size=8) * 3}
    styles = ["jazz", "metal"] * 30
    clips = np.array([centres[s] + rng.normal(size=8) for s in styles])
    judge = GenreClassifier(clips, styles)
    same = judge.compare(clips, clips, styles)
    assert same["style_agreement"].mean() == 1 and same["style_kl"].max() < 1e-9
    assert same["style_accuracy"].mean() > 0.95
    swapped = judge.compare(clips, np.roll(clips, 1, axis=0), styles)
    assert swapped["style_agreement"].mean() < 0.1 and swapped["style_kl"].mean() > 0.5
    with pytest.raises(InputError, match="two styles"):
        GenreClassifier(clips, ["jazz"] * 60)


def test_embedder_tells_tones_from_noise_whatever_the_batch() -> None:
    time = torch.arange(2 * 22_050) / 22_050
    tones = torch.stack([0.2 * torch.sin(2 * torch.pi * f * time) for f in (220.0, 233.0)])  # (2, T)
    noise = 0.1 * torch.randn(1, len(time), generator=torch.Generator().manual_seed(0))  # (1, T)
    found = embed(torch.cat([tones, noise]))
    assert found.shape == (3, SIZE) and found.isfinite().all()
    assert (found[0] - found[1]).norm() < 0.5 * (found[0] - found[2]).norm()
    assert torch.allclose(embed(tones[1:]), found[1:2], atol=1e-4)
    assert load_musicnn().tags.out_features == len(TAGS)
    with pytest.raises(InputError, match="one second"):
        embed(torch.zeros(22_050))
