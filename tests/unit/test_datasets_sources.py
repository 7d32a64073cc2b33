"""The demo that is shipped, GTZAN's layouts and lists, and the fingerprint of a source."""

import csv
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from surco.audio.io import read_audio, write_flac, write_wav
from surco.datasets import DatasetConfig, gtzan, prepare, source_fingerprint
from surco.datasets.sources import DEMO, OUTSIDE
from surco.errors import InputError

RATE = 8_000
TINY = DatasetConfig(clip_seconds=0.25, sample_rate=RATE)
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def demo_rows() -> list[dict[str, str]]:
    with (DEMO / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_demo_is_small_spread_and_attributed() -> None:
    rows = demo_rows()
    assert len(rows) == 80 and len({row["track"] for row in rows}) >= 60
    assert Counter(row["style"] for row in rows) == dict.fromkeys({row["style"] for row in rows}, 10)
    splits = Counter(row["split"] for row in rows)
    assert splits["valid"] >= 12 and splits["test"] >= 16 and len({row["style"] for row in rows}) == 8
    files = [p for p in DEMO.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 8_000_000
    assert {p.relative_to(DEMO).as_posix() for p in files if p.suffix == ".ogg"} == {
        row["clip"] for row in rows
    }
    notice = (DEMO / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for row in rows:
        line = next(ln for ln in notice.splitlines() if ln.startswith(f"| {Path(row['clip']).stem} |"))
        assert row["artist"] in line and row["licence"] in line and row["package"] in line
        assert row["artist"] and row["title"] and row["licence"]


def test_music_from_outside_the_demo_is_of_other_packages_and_attributed(tmp_path: Path) -> None:
    with (OUTSIDE / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["track"] for row in rows}) == 12
    assert not {row["package"] for row in rows} & {row["package"] for row in demo_rows()}
    assert sum(p.stat().st_size for p in OUTSIDE.rglob("*") if p.is_file()) < 1_000_000
    notice = (OUTSIDE / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for row in rows:
        line = next(ln for ln in notice.splitlines() if ln.startswith(f"| {Path(row['clip']).stem} |"))
        assert row["artist"] in line and row["licence"] in line and row["package"] in line
        assert row["artist"] and row["title"] and row["licence"]
    manifest = prepare("demo-outside", tmp_path / "out", DatasetConfig())
    assert len(manifest.clips) == 12 and manifest.source == "demo-outside" and not manifest.skipped
    assert source_fingerprint("demo-outside") != source_fingerprint("demo")


def test_the_demo_decodes_to_five_seconds() -> None:
    for row in demo_rows()[::20]:
        assert len(read_audio(DEMO / row["clip"])) == 110_250


def test_a_demo_genre_is_prepared_with_the_splits_of_its_listing(tmp_path: Path) -> None:
    manifest = prepare("demo", tmp_path / "out", DatasetConfig(genres=["jazz"]))
    assert {clip.id: clip.split for clip in manifest.clips} == {
        Path(row["clip"]).stem: row["split"] for row in demo_rows() if row["style"] == "jazz"
    }
    assert manifest.counts() == {"train": 6, "valid": 2, "test": 2} and not manifest.skipped


def test_gtzan_lists_are_the_fault_filtered_ones(tmp_path: Path) -> None:
    assert Counter(gtzan.splits().values()) == {"train": 443, "valid": 197, "test": 290}
    assert gtzan.splits()["jazz.00054"] == "train"
    for genre in GENRES:
        (tmp_path / "Data" / "genres_original" / genre).mkdir(parents=True)
        for i in range(100):
            (tmp_path / "Data" / "genres_original" / genre / f"{genre}.{i:05d}.wav").touch()
    found, notes = gtzan.find(tmp_path)
    assert Counter(split for _, split in found) == {"train": 443, "valid": 197, "test": 290}
    assert notes == ["70 excerpts are left out by the fault-filtered lists."]


@pytest.fixture
def copy_of_gtzan(tmp_path: Path) -> Path:
    """Some excerpts of each split, cut to half a second, in the archive's layout; jazz.00054 as it comes."""
    rng = np.random.default_rng(0)
    taken: Counter[tuple[str, str]] = Counter()
    for name, split in sorted(gtzan.splits().items()):
        genre = name.split(".")[0]
        if genre in ("blues", "jazz") and taken[genre, split] < 3:
            taken[genre, split] += 1
            wave = rng.uniform(-0.5, 0.5, RATE // 2).astype(np.float32)
            write_wav(tmp_path / "genres" / genre / f"{name}.wav", wave, RATE)
    (tmp_path / "genres" / "jazz" / "jazz.00054.wav").write_bytes(rng.bytes(5_000))
    write_wav(tmp_path / "genres" / "jazz" / "jazz.10000.wav", np.ones(RATE, np.float32) * 0.1, RATE)
    return tmp_path / "genres"


def test_gtzan_folder_and_archive_are_one_dataset(copy_of_gtzan: Path, tmp_path: Path) -> None:
    manifest = prepare(f"gtzan:{copy_of_gtzan}", tmp_path / "a", TINY)
    assert [(s.name, "not audio" in s.reason) for s in manifest.skipped] == [("jazz.00054.wav", True)]
    assert manifest.counts() == {"train": 12, "valid": 12, "test": 12} and manifest.genres == [
        "blues",
        "jazz",
    ]
    assert all(gtzan.splits()[clip.track] == clip.split for clip in manifest.clips)
    assert "This copy lacks 911 of the 930 listed excerpts." in manifest.notes
    with tarfile.open(tmp_path / "genres.tar.gz", "w:gz") as file:
        file.add(copy_of_gtzan, "genres")
    packed = prepare(f"gtzan:{tmp_path / 'genres.tar.gz'}", tmp_path / "b", TINY)
    assert packed.fingerprint == manifest.fingerprint and packed.skipped == manifest.skipped


def test_what_is_no_gtzan(tmp_path: Path) -> None:
    write_wav(tmp_path / "m" / "rock" / "song.wav", np.ones(RATE, np.float32) * 0.1, RATE)
    with pytest.raises(InputError, match="no GTZAN excerpts"):
        prepare(f"gtzan:{tmp_path / 'm'}", tmp_path / "out", TINY)
    with pytest.raises(InputError, match="no such file or folder"):
        prepare("gtzan:/nowhere/at/all", tmp_path / "out", TINY)


def test_the_hub_out_of_reach_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"could not be fetched from the hub .* or give the path of a copy"):
        prepare("gtzan", tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()


def test_source_fingerprint_sees_every_change(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        write_flac(folder / "x" / f"{name}.flac", rng.uniform(-0.5, 0.5, RATE).astype(np.float32), RATE)
    seen = [source_fingerprint(folder)]
    assert source_fingerprint(str(folder)) == seen[0]
    (folder / "x" / "notes.txt").write_text("no music")  # is not part of it
    assert source_fingerprint(folder) == seen[0]
    data = bytearray((folder / "x" / "a.flac").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "x" / "a.flac").write_bytes(data)
    seen.append(source_fingerprint(folder))
    (folder / "x" / "a.flac").rename(folder / "x" / "c.flac")
    seen.append(source_fingerprint(folder))
    (folder / "manifest.csv").write_text("clip,style,split,track\nx/b.flac,x,test,b\n")
    seen.append(source_fingerprint(folder))
    seen += [source_fingerprint("demo"), source_fingerprint("gtzan")]
    assert len(set(seen)) == 6
