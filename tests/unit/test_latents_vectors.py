"""Vector sets keep their bytes and refuse what does not belong to them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from surco.errors import InputError
from surco.latents.vectors import VectorSet


@pytest.fixture
def vectors() -> VectorSet:
    x = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    return VectorSet(
        vectors=x,
        clips=[f"jazz.{i:05d}" for i in range(6)],
        tracks=list("aabbcc"),
        genres=["jazz", "jazz", "rock", "rock", "söul", "söul"],
        splits=["train", "train", "valid", "valid", "test", "test"],
        codec="c" * 16,
        dataset="d" * 16,
    )


def test_what_is_saved_is_loaded_and_gives_the_same_bytes(vectors: VectorSet, tmp_path: Path) -> None:
    for name in "ab":
        vectors.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again = VectorSet.load(tmp_path / "a")
    assert again.vectors.tobytes() == vectors.vectors.tobytes()
    assert replace(again, vectors=vectors.vectors) == vectors
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_splits_and_prefixes(vectors: VectorSet) -> None:
    taken = vectors.take(split=("test", "train")).prefix(3)
    assert taken.clips == ["jazz.00000", "jazz.00001", "jazz.00004", "jazz.00005"]
    assert taken.size == 3
    assert (taken.vectors == vectors.vectors[[0, 1, 4, 5], :3]).all()
    with pytest.raises(InputError, match="Size 9"):
        vectors.prefix(9)
    with pytest.raises(InputError, match="split test"):
        vectors.take(split="train").take(split="test")


def test_vectors_of_another_model_size_or_data_set_are_refused(vectors: VectorSet) -> None:
    assert vectors.require(codec="c" * 16, size=8, dataset="d" * 16) is vectors
    with pytest.raises(InputError, match="made by codec cccc"):
        vectors.require(codec="e" * 16)
    with pytest.raises(InputError, match="8 dimensions, not 16"):
        vectors.require(size=16)
    with pytest.raises(InputError, match="data set"):
        vectors.require(dataset="e" * 16)
    with pytest.raises(InputError, match="different clips"):
        vectors.require_same_clips(vectors.take(split="train"))


def test_nan_vectors_name_the_clip(vectors: VectorSet) -> None:
    x = vectors.vectors.copy()
    x[4, 2] = np.nan
    with pytest.raises(InputError, match=r"jazz\.00004"):
        replace(vectors, vectors=x)
    with pytest.raises(InputError, match="6 vectors but 5 tracks"):
        replace(vectors, tracks=list("aabbc"))
    with pytest.raises(InputError, match="full table"):
        replace(vectors, vectors=x[:0])


def test_a_file_that_holds_no_vectors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"not this")
    for path in (tmp_path / "x.safetensors", tmp_path / "missing"):
        with pytest.raises(InputError, match="not a file of vectors|cannot be read"):
            VectorSet.load(path)
