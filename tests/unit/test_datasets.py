"""Preparing a folder of music: clips, splits, fingerprint, and what is left out or refused."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from surco.audio.io import read_audio, write_flac, write_wav
from surco.datasets import DatasetConfig, Manifest, MusicDataset, cut_folder, listening_set, prepare
from surco.datasets.splits import split_tracks
from surco.errors import InputError

RATE = 8_000
CONFIG = DatasetConfig(clip_seconds=0.5, sample_rate=RATE)


def noise(seconds: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Two classes of six tracks, 1.1 s each: two clips and a rest."""
    folder = tmp_path / "music"
    for g, genre in enumerate(("calm", "loud")):
        for i in range(6):
            write_flac(folder / genre / f"song {i}.flac", noise(1.1, 10 * g + i), RATE)
    return folder


def test_a_folder_becomes_clips_that_hold_its_samples(music: Path, tmp_path: Path) -> None:
    manifest = prepare(music, tmp_path / "out", CONFIG)
    assert manifest.genres == ["calm", "loud"] and len(manifest.clips) == 24 and manifest.tracks() == 12
    assert Manifest.load(tmp_path / "out") == manifest
    dataset = MusicDataset(tmp_path / "out", verify=True)
    for i, clip in enumerate(dataset.clips):
        wave, genre = dataset[i]
        start = round(clip.start_s * RATE)
        source = read_audio(music / clip.track, sample_rate=RATE)[start : start + RATE // 2]
        np.testing.assert_array_equal(wave.numpy(), source)
        assert dataset.genres[genre] == clip.genre == clip.track.split("/")[0]
    assert len({c.id for c in dataset.clips}) == 24 and "calm.song_0-001" in {c.id for c in dataset.clips}


def test_no_track_is_in_two_splits_and_every_genre_is_in_all(music: Path, tmp_path: Path) -> None:
    manifest = prepare(music, tmp_path / "out", CONFIG)
    homes = {(clip.track, clip.split) for clip in manifest.clips}
    assert len(homes) == 12
    for genre in manifest.genres:
        assert sorted(s for t, s in homes if t.startswith(genre)) == ["test", *["train"] * 4, "valid"]


def test_fingerprint_follows_content_and_nothing_else(music: Path, tmp_path: Path) -> None:
    first = prepare(music, tmp_path / "a", CONFIG)
    again = prepare(music, tmp_path / "b", CONFIG, shard_clips=5)
    assert again.fingerprint == first.fingerprint
    assert len(again.shards) == 5 and len(first.shards) == 1
    waves = MusicDataset(tmp_path / "a").waves()
    assert (waves == MusicDataset(tmp_path / "b").waves()).all()

    moved = tmp_path / "elsewhere" / "other name"
    for path in sorted(music.rglob("*.flac"), reverse=True):  # another place, order and time
        (moved / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, moved / path.parent.name / path.name)
    assert prepare(moved, tmp_path / "c", CONFIG).fingerprint == first.fingerprint

    others = [
        prepare(music, tmp_path / "d", CONFIG.model_copy(update={"seed": 1})).fingerprint,
        prepare(music, tmp_path / "e", CONFIG.model_copy(update={"clip_seconds": 0.4})).fingerprint,
    ]
    wave = read_audio(moved / "calm" / "song 0.flac", sample_rate=RATE)
    wave[0] = wave[0] / 2  # one sample of one clip
    write_flac(moved / "calm" / "song 0.flac", wave, RATE)
    others.append(prepare(moved, tmp_path / "f", CONFIG).fingerprint)
    assert len({first.fingerprint, *others}) == 4


def test_clips_per_track_are_spread(music: Path, tmp_path: Path) -> None:
    config = DatasetConfig(clip_seconds=0.1, sample_rate=RATE, clips_per_track=2)
    manifest = prepare(music, tmp_path / "out", config)
    starts = sorted({round(clip.start_s, 3) for clip in manifest.clips})
    assert starts == [0.2, 0.8] and len(manifest.clips) == 24  # of eleven clips that fit


def test_a_track_of_several_files_counts_as_one(tmp_path: Path) -> None:
    rows = ["clip,style,split,track"]
    for i in range(4):
        write_wav(tmp_path / "m" / "x" / f"x.{i}.wav", noise(0.5, i), RATE)
        rows.append(f"x/x.{i}.wav,odd,{'train' if i < 2 else 'test'},album/{i // 2}")
    (tmp_path / "m" / "manifest.csv").write_text("\n".join(rows))
    manifest = prepare(tmp_path / "m", tmp_path / "out", CONFIG.model_copy(update={"clips_per_track": 1}))
    assert [(c.track, c.split, c.genre) for c in manifest.clips] == [
        ("album/0", "train", "odd"),
        ("album/1", "test", "odd"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clip,style\nx.wav,odd\n", "no rows with split, track"),
        ("clip,style,split,track\n../x.wav,odd,test,a\n", "outside the folder"),
        ("clip,style,split,track\nx.wav,odd,exam,a\n", "split 'exam'"),
        ("clip,style,split,track\nx.wav,odd,test,a\ny.wav,odd,train,a\n", "track a in two splits"),
    ],
)
def test_a_wrong_listing(tmp_path: Path, text: str, words: str) -> None:
    write_wav(tmp_path / "m" / "x.wav", noise(0.5, 0), RATE)
    (tmp_path / "m" / "manifest.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        prepare(tmp_path / "m", tmp_path / "out", CONFIG)


def test_what_cannot_be_used_is_skipped_and_named(music: Path, tmp_path: Path) -> None:
    (music / "calm" / "song 0.flac").write_bytes(b"no music")
    cut = (music / "calm" / "song 1.flac").read_bytes()
    (music / "calm" / "song 1.flac").write_bytes(cut[: len(cut) // 2])
    write_wav(music / "calm" / "quiet.wav", np.zeros(RATE, np.float32), RATE)
    write_wav(
        music / "calm" / "half.wav", np.concatenate([noise(0.5, 1), np.zeros(RATE // 2, np.float32)]), RATE
    )
    write_wav(music / "calm" / "short.wav", noise(0.3, 2), RATE)
    manifest = prepare(music, tmp_path / "out", CONFIG)
    reasons = {s.name: s.reason for s in manifest.skipped}
    assert set(reasons) == {"calm/song 0.flac", "calm/song 1.flac", "calm/quiet.wav"}
    assert "silent" in reasons["calm/quiet.wav"] and str(tmp_path) not in json.dumps(reasons)
    assert "calm/short.wav" in manifest.notes[0] and "padded with silence" in manifest.notes[0]
    assert manifest.notes[1] == "1 silent clips were left out."
    dataset = MusicDataset(tmp_path / "out")
    short = next(i for i, clip in enumerate(dataset.clips) if clip.track == "calm/short.wav")
    wave = dataset[short][0]
    assert len(wave) == RATE // 2 and not wave[round(0.3 * RATE) :].any() and wave[: RATE // 4].any()


def test_refusals_leave_nothing_behind(music: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.wav").write_bytes(b"nothing")
    (tmp_path / "song.txt").write_text("a song")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
        file.writestr("../evil.wav", b"x")
    (tmp_path / "work").mkdir()
    out = tmp_path / "work" / "out"
    for source, words in {
        tmp_path / "none": "no such file or folder",
        tmp_path / "empty": "holds no sound files",
        tmp_path / "bad": "No file of bad can be used; the first: a.wav",
        tmp_path / "song.txt": "neither a folder nor a zip",
        tmp_path / "evil.zip": "leads out of the folder",
    }.items():
        with pytest.raises(InputError, match=words):
            prepare(source, out, CONFIG)
        assert list(out.parent.iterdir()) == []
    with pytest.raises(InputError, match="no genre 'polka'; choose from calm, loud"):
        prepare(music, out, CONFIG.model_copy(update={"genres": ["polka"]}))
    assert list(out.parent.iterdir()) == []
    out.mkdir()
    (out / "mine.txt").touch()
    with pytest.raises(InputError, match="not an empty folder"):
        prepare(music, out, CONFIG)
    assert [p.name for p in out.iterdir()] == ["mine.txt"]


def test_only_the_genres_asked_for(music: Path, tmp_path: Path) -> None:
    manifest = prepare(music, tmp_path / "out", CONFIG.model_copy(update={"genres": ["loud"]}))
    assert manifest.genres == ["loud"] and len(manifest.clips) == 12


@pytest.mark.parametrize(
    "options",
    [
        {"clip_seconds": 0},
        {"sample_rate": 0},
        {"clip_second": 5},
        {"valid_fraction": 0.6, "test_fraction": 0.4},
    ],
)
def test_options_that_make_no_sense(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        DatasetConfig.model_validate(options)


def test_a_zip_of_the_folder_is_the_folder(music: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "music.zip", "w") as file:
        for path in music.rglob("*.flac"):
            file.write(path, Path("wrapper", path.relative_to(music)))
    packed = prepare(tmp_path / "music.zip", tmp_path / "a", CONFIG)
    assert packed.fingerprint == prepare(music, tmp_path / "b", CONFIG).fingerprint


FULL_DISK = """
import resource, sys
from surco.datasets import DatasetConfig, prepare
from surco.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    prepare(sys.argv[1], sys.argv[2], DatasetConfig(clip_seconds=0.5, sample_rate=8_000))
except InputError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_behind(music: Path, tmp_path: Path) -> None:
    out = tmp_path / "work" / "out"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(music), str(out)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert f"disk is full, writing {out};" in done.stdout
    assert list(out.parent.iterdir()) == []


def test_splits_are_stable_when_tracks_are_added() -> None:
    few = {f"t{i}": "a" for i in range(40)}
    more = {**few, **{f"u{i}": "b" for i in range(20)}}
    first = split_tracks(few, valid=0.15, test=0.15, seed=0)
    assert {k: v for k, v in split_tracks(more, valid=0.15, test=0.15, seed=0).items() if k in few} == first
    assert sorted(first.values()).count("valid") == sorted(first.values()).count("test") == 6
    assert split_tracks(few, valid=0.15, test=0.15, seed=1) != first
    assert split_tracks({"x": "a", "y": "a"}, valid=0.4, test=0.4, seed=0) == {"x": "train", "y": "train"}
    assert "train" in split_tracks(dict.fromkeys("xyz", "a"), valid=0.45, test=0.45, seed=0).values()


def test_listening_set_is_spread_and_nested(music: Path, tmp_path: Path) -> None:
    config = DatasetConfig(clip_seconds=0.25, sample_rate=RATE, test_fraction=0.5)
    manifest = prepare(music, tmp_path / "out", config)
    eight = listening_set(manifest, 6)
    assert listening_set(manifest, 4) == eight[:4] and len(set(eight)) == 6
    chosen = [manifest.clips[i] for i in eight]
    assert {clip.split for clip in chosen} == {"test"}
    assert [clip.genre for clip in chosen] == ["calm", "loud"] * 3
    assert len({clip.track for clip in chosen}) == 6  # six test tracks: one clip of each
    assert listening_set(manifest, 6, seed=1) != eight
    assert len(listening_set(manifest, 999)) == manifest.counts()["test"]
    by_dataset = MusicDataset(tmp_path / "out", "test")
    assert [by_dataset.clips[i].id for i in listening_set(by_dataset, 6)] == [c.id for c in chosen]


def test_cut_folder(music: Path, tmp_path: Path) -> None:
    write_wav(music / "calm" / "song 0.wav", noise(0.2, 3), RATE)
    (music / "loud" / "broken.mp3").write_bytes(b"no music")
    written = cut_folder(music, tmp_path / "cut", 0.5, sample_rate=RATE)
    assert len(written) == 25 and all(p.is_file() for p in written)
    whole = read_audio(music / "loud" / "song 3.flac", sample_rate=RATE)
    second = read_audio(tmp_path / "cut" / "loud" / "song 3-001.wav", sample_rate=RATE)
    np.testing.assert_array_equal(second, whole[RATE // 2 : RATE])
    assert len(read_audio(tmp_path / "cut" / "calm" / "song 0.wav-000.wav", sample_rate=RATE)) == RATE // 2
    with pytest.raises(InputError, match="not an empty folder"):
        cut_folder(music, tmp_path / "cut", 0.5)
    with pytest.raises(InputError, match="above 0"):
        cut_folder(music, tmp_path / "new", 0)
    assert not (tmp_path / "new").exists()
