"""What the benchmarks derive: marks off a curve, Opus's bits, the corpus that is not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.corpus import find, load
from benchmarks.marks import floats_for
from benchmarks.peers import opus
from benchmarks.peers.models import FRAMES, student
from benchmarks.peers.training import train, trained
from surco.audio.io import write_wav
from surco.datasets.sampling import pick_clips
from surco.errors import InputError
from surco.metrics.choice import rule
from surco.metrics.evaluation import Evaluation, other_tracks
from surco.metrics.scores import Heard

RATE = 22_050


def tone(pitch: float, seconds: float = 5.0) -> np.ndarray:
    time = np.arange(int(RATE * seconds)) / RATE
    return (0.2 * np.sin(2 * np.pi * pitch * time) * (1 + np.sin(2 * np.pi * 2 * time))).astype(np.float32)


def test_floats_are_read_off_the_curve() -> None:
    sizes, curve = [64, 256, 1024], [2.0, 3.0, 3.5]
    assert floats_for(2.5, sizes, curve) == pytest.approx(128)
    assert floats_for(1.0, sizes, curve) == 64 and floats_for(4.0, sizes, curve) is None
    assert floats_for(3.0, sizes, [2.0, 3.0, 2.9]) == pytest.approx(256)


def test_opus_bits_are_those_of_its_packets() -> None:
    wave = tone(440)
    small, large = (opus.encode(wave, RATE, level) for level in (1.0, 0.9))
    assert 8 * len(small) > opus.payload_bits(small) > 10_000
    assert opus.payload_bits(large) > 2 * opus.payload_bits(small)
    decoded = opus.decode(large, RATE, len(wave))
    assert decoded.shape == wave.shape and np.corrcoef(wave[2000:-2000], decoded[2000:-2000])[0, 1] > 0.9
    with pytest.raises(ValueError, match="Ogg"):
        opus.payload_bits(b"nothing of the kind, and long enough to look at")


@pytest.mark.slow
def test_the_student_codes_what_it_counts_and_is_trained_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    peer = student(4)
    wave = torch.from_numpy(np.stack([tone(220), tone(330)]))  # (2, T)
    assert peer.encode(wave).shape == (2, 4, FRAMES) and peer(wave).shape == wave.shape
    budget = train(peer, wave, 1e-4)
    assert budget.steps >= 1 and budget.clip_seconds > 0
    first, told = trained("student", 128, wave, 1e-4, tmp_path)
    again, same = trained("student", 128, wave, 1e-4, tmp_path)
    assert told == same and torch.equal(first(wave), again(wave))
    assert len(list(tmp_path.iterdir())) == 1


def test_the_corpus_is_read_one_clip_a_track_first(tmp_path: Path) -> None:
    assert "Skipped" in (find(tmp_path) or "")
    rows = ["clip,style,split,track"]
    for i, (track, split) in enumerate([("a", "test"), ("a", "test"), ("b", "test"), ("c", "train")]):
        write_wav(tmp_path / f"{i}.wav", tone(200 + i, 4.9), RATE)
        rows.append(f"{i}.wav,jazz,{split},{track}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    assert find(tmp_path) is None
    clips = load(tmp_path, "test", limit=2)
    assert sorted(clips.tracks) == ["a", "b"] and clips.waves.shape == (2, 5 * RATE)
    assert len(load(tmp_path, "test").names) == 3


def test_clips_are_picked_and_answered_by_other_tracks() -> None:
    tracks = ["a"] * 5 + ["b"] * 3 + ["c"]
    picked = pick_clips(tracks, 3, seed=1)
    assert {tracks[i] for i in picked} == {"a", "b", "c"} and picked == pick_clips(tracks, 3, seed=1)
    assert all(tracks[i] != tracks[j] for i, j in enumerate(other_tracks(tracks)))
    assert other_tracks(["a", "a"]) == [1, 0] or other_tracks(["a", "a"]) == [0, 1]


def heard_at(level: float, split: str) -> Heard:
    """Three tones with noise at a level, as a split that was heard."""
    waves = np.stack([tone(p) for p in (220, 330, 440)])
    noise = np.random.default_rng(0).normal(size=waves.shape).astype(np.float32)
    heard = Evaluation(waves, ["x", "y", "z"], ["t", "u", "v"], ["jazz"] * 3, quick=True)
    heard.add("ceiling", waves, light=True)
    heard.add("decoded", waves + level * noise, light=True)
    heard.add_floor(light=True)
    assert heard.estimate("ceiling", "log_mel_db").mean == 0
    assert (heard.ratio("decoded", "floor", "log_mel_db").mean < 1) == (level < 0.001)
    return heard.heard(split)


@pytest.mark.slow
def test_an_evaluation_goes_to_a_file_and_back_to_the_rule(tmp_path: Path) -> None:
    found = {}
    for size, level in ((64, 0.01), (128, 0.0003)):
        heard = heard_at(level, "test")
        Heard.load(heard.save(tmp_path / f"{size}.json"))
        assert "NaN" not in (tmp_path / f"{size}.json").read_text()
        found[size] = Heard.load(tmp_path / f"{size}.json")
        np.testing.assert_equal(found[size].model_dump(), heard.model_dump())
    told = rule(found)
    assert set(told.losses) == {64, 128}
    means = [told.losses[s]["listening"].definition[0] for s in (64, 128)]
    assert means[0] < means[1] < 1
    (tmp_path / "64.json").write_text('{"split": "test"}')
    with pytest.raises(InputError, match="no Heard of this version"):
        Heard.load(tmp_path / "64.json")
