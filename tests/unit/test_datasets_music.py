"""A prepared dataset: splits, batches, residence, and damage on disk."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from surco.audio.io import write_wav
from surco.datasets import DatasetConfig, MusicDataset, prepare
from surco.datasets.music import MAPPED
from surco.errors import InputError

RATE = 8_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for genre in ("a", "b"):
        for i in range(5):
            write_wav(
                root / "music" / genre / f"{i}.wav", rng.uniform(-0.5, 0.5, RATE).astype(np.float32), RATE
            )
    prepare(root / "music", root / "set", DatasetConfig(clip_seconds=0.25, sample_rate=RATE), shard_clips=7)
    return root / "set"


def test_splits_partition_the_clips(folder: Path) -> None:
    everything = MusicDataset(folder)
    parts = [MusicDataset(folder, split) for split in ("train", "valid", "test")]
    assert sum(map(len, parts)) == len(everything) == 40
    assert {c.id for c in everything.clips} == {c.id for part in parts for c in part.clips}
    assert len({part.fingerprint for part in parts}) == 1
    with pytest.raises(InputError, match="no split 'dev'"):
        MusicDataset(folder, "dev")


def test_batches_cover_each_clip_once_in_a_seeded_order(folder: Path) -> None:
    dataset = MusicDataset(folder, "train")
    in_order = torch.cat([waves for waves, _ in dataset.batches(5)])  # (N, T)
    assert (in_order == torch.stack([dataset[i][0] for i in range(len(dataset))])).all()

    def epoch(seed: int, number: int) -> list[tuple[float, int]]:
        batches = list(dataset.batches(5, seed=seed, epoch=number))
        assert [len(waves) for waves, _ in batches] == [5] * (len(dataset) // 5) + [len(dataset) % 5] * (
            len(dataset) % 5 > 0
        )
        return [
            (float(w[0]), int(g)) for waves, genres in batches for w, g in zip(waves, genres, strict=True)
        ]

    first = epoch(0, 0)
    assert first == epoch(0, 0)
    assert first != epoch(0, 1) != epoch(1, 0)
    assert sorted(first) == sorted((float(w[0]), g) for w, g in (dataset[i] for i in range(len(dataset))))
    assert all(len(waves) == 5 for waves, _ in dataset.batches(5, seed=0, drop_last=True))


def test_resident_waves_are_those_on_disk_and_are_given_back(folder: Path) -> None:
    with MusicDataset(folder, "train") as dataset:
        from_disk = list(dataset.batches(4, seed=3))
        waves = dataset.waves("cpu")
        assert waves is dataset.waves("cpu") and waves.shape == (len(dataset), RATE // 4)
        resident = list(dataset.batches(4, seed=3))
        assert all(
            (a == b).all() and (g == h).all() for (a, g), (b, h) in zip(from_disk, resident, strict=True)
        )
        address = waves.data_ptr()
        dataset.release()
        assert dataset._resident is None
        assert dataset.waves("cpu") is not waves and dataset.waves("cpu").data_ptr() != address
    assert dataset._resident is None and not dataset._open
    assert dataset[0][0].shape == (RATE // 4,)  # still usable after it


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_the_gpu_gets_its_memory_back(folder: Path) -> None:
    before = torch.cuda.memory_reserved()
    with MusicDataset(folder) as dataset:
        dataset.waves("cuda")
        for waves, genres in dataset.batches(4, seed=0, device="cuda"):
            assert waves.is_cuda and genres.is_cuda
        del waves, genres
        assert torch.cuda.memory_allocated() > 0
    assert torch.cuda.memory_reserved() == before


def test_a_loader_process_can_have_it(folder: Path) -> None:
    dataset = MusicDataset(folder)
    dataset.waves()
    _ = dataset[7]
    twin = copy.deepcopy(dataset)  # goes the way that pickling goes
    assert twin._resident is None and not twin._open  # neither waves nor mapped shards travel
    assert (twin[7][0] == dataset[7][0]).all()


def damaged(folder: Path, target: Path, name: str, change: bytes, at: int) -> Path:
    target.mkdir()
    for path in folder.iterdir():
        data = bytearray(path.read_bytes())
        if path.name == name:
            data[at : at + len(change)] = change
        (target / path.name).write_bytes(data)
    return target


def test_damage_is_found_on_opening(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prepared dataset"):
        MusicDataset(tmp_path)
    changed = damaged(folder, tmp_path / "a", "shard-0001.safetensors", b"\x99" * 8, 5_000)
    MusicDataset(changed)
    with pytest.raises(InputError, match=r"shard-0001\.safetensors was changed"):
        MusicDataset(changed, verify=True)
    (changed / "shard-0001.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="missing or cut"):
        MusicDataset(changed)

    text = (folder / "manifest.json").read_text()
    swapped = text.replace('"split": "test"', '"split": "train"', 1)
    (changed / "manifest.json").write_text(swapped)
    with pytest.raises(InputError, match="does not match its fingerprint"):
        MusicDataset(changed)
    (changed / "manifest.json").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="damaged or of another version"):
        MusicDataset(changed)
    (changed / "manifest.json").write_text(text.replace("shard-0001", "../../shard-0001"))
    with pytest.raises(InputError, match="damaged"):
        MusicDataset(changed)


def test_few_shards_stay_mapped_whatever_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        wave = rng.uniform(-0.5, 0.5, RATE).astype(np.float32)
        write_wav(tmp_path / "music" / "a" / f"{i}.wav", wave, RATE)
    config = DatasetConfig(clip_seconds=0.25, sample_rate=RATE)
    prepare(tmp_path / "music", tmp_path / "set", config, shard_clips=1)
    dataset = MusicDataset(tmp_path / "set")
    assert len(dataset.manifest.shards) == 12 > MAPPED
    once = [dataset[i][0] for i in range(12)]
    assert len(dataset._open) == MAPPED
    assert all((dataset[i][0] == once[i]).all() for i in reversed(range(12)))
