"""Embed, cluster and outside refuse what does not belong together, and embed twice alike."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from jobs import cluster, edits, embed, outside
from jobs.context import Context
from jobs.local import FolderStore, local_context
from surco.audio.io import write_wav
from surco.datasets import DatasetConfig, prepare
from surco.errors import InputError
from surco.latents.vectors import VectorSet


def publish(root: Path, name: str, folder: Path, result: dict | None = None) -> str:
    """Put a folder into the store as the artifacts of a finished job."""
    job = hashlib.sha256(name.encode()).hexdigest()
    store = FolderStore(root / "store")
    names = [p.name for p in sorted(folder.iterdir())]
    for file in names:
        store.put(f"jobs/{job}/attempts/0001/{file}", folder / file)
    done = {"result": result or {}, "artifacts": names, "prefix": f"jobs/{job}/attempts/0001"}
    store.put_bytes(f"jobs/{job}/DONE.json", json.dumps(done).encode())
    return job


def tones(folder: Path, genres: list[str], *, per_genre: int = 6, seconds: float = 5.0) -> Path:
    rng = np.random.default_rng(0)
    t = np.arange(round(seconds * 22_050)) / 22_050
    for g, genre in enumerate(genres):
        for i in range(per_genre):
            hz = 200 * (g + 1) * 2 ** (i / 12)
            wave = 0.2 * np.sin(2 * np.pi * hz * t) + 0.01 * rng.standard_normal(len(t))
            (folder / genre).mkdir(parents=True, exist_ok=True)
            write_wav(folder / genre / f"{genre}{i}.wav", wave.astype(np.float32), 22_050)
    return folder


def prepared(root: Path, name: str, genres: list[str], **options: float) -> str:
    config = DatasetConfig(valid_fraction=0.34, test_fraction=0.34, **options)
    seconds = options.get("clip_seconds", 5.0)
    prepare(tones(root / f"{name}-sounds", genres, seconds=seconds), root / name, config)
    return publish(root, name, root / name)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def dataset(root: Path) -> str:
    return prepared(root, "tones", ["high", "low"])


@pytest.fixture(scope="module")
def vectors(root: Path, dataset: str) -> str:
    context = fresh(root, "embed")
    result = embed.run(embed.Spec(dataset=dataset, size=16), context)
    return publish(root, "embed", context.out, result)


def fresh(root: Path, name: str) -> Context:
    return local_context(root, hashlib.sha256(f"run {name}".encode()).hexdigest())


def altered(root: Path, name: str, vectors: str, **changes: object) -> str:
    """Vectors of the fixture, written anew with other columns."""
    from dataclasses import replace

    folder = root / name
    folder.mkdir(exist_ok=True)
    known = VectorSet.load(fresh(root, "read").artifact(vectors, "vectors.safetensors"))
    replace(known, **changes).save(folder / "vectors.safetensors")
    return publish(root, name, folder, {"codec_job": "shipped"})


def test_embedding_twice_gives_the_same_bytes_and_one_vector_a_clip(
    root: Path, dataset: str, vectors: str
) -> None:
    context = fresh(root, "again")
    result = embed.run(embed.Spec(dataset=dataset, size=16, batch_size=32), context)
    first = fresh(root, "read").artifact(vectors, "vectors.safetensors")
    assert (context.out / "vectors.safetensors").read_bytes() == first.read_bytes()
    found = VectorSet.load(first)
    assert found.size == 16
    assert len(found) == result["clips"] == 12
    assert (found.codec, found.dataset) == (result["codec"], result["dataset"])
    rms = 10 * np.log10(0.2**2 / 2 + 0.01**2)
    np.testing.assert_allclose(found.vectors[:, 0], rms, atol=0.1)  # the gain leads


def test_an_impossible_size_is_refused(root: Path, dataset: str) -> None:
    with pytest.raises(InputError, match="100000"):
        embed.run(embed.Spec(dataset=dataset, size=100_000), fresh(root, "huge"))
    with pytest.raises(ValidationError):
        embed.Spec(dataset=dataset, size=0)


def test_vectors_of_another_codec_or_data_set_are_refused(root: Path, dataset: str, vectors: str) -> None:
    strange = altered(root, "strange", vectors, codec="0" * 16)
    with pytest.raises(InputError, match="made by codec 0000000000000000"):
        outside.run(outside.Spec(vectors=strange, dataset=dataset), fresh(root, "outside"))
    foreign = altered(root, "foreign", vectors, dataset="0" * 64)
    for job, spec in (
        (outside, outside.Spec(vectors=foreign, dataset=dataset)),
        (cluster, cluster.Spec(vectors=foreign, dataset=dataset)),
        (edits, edits.Spec(vectors=foreign, dataset=dataset)),
    ):
        with pytest.raises(InputError, match="embed this data set first"):
            job.run(spec, fresh(root, "foreign"))
    with pytest.raises(InputError, match="Size 64"):
        cluster.run(cluster.Spec(vectors=vectors, dataset=dataset, size=64), fresh(root, "cluster"))


def test_too_few_clips_and_one_genre_are_refused(root: Path, dataset: str, vectors: str) -> None:
    with pytest.raises(InputError, match="too few for 9 clusters"):
        cluster.run(cluster.Spec(vectors=vectors, dataset=dataset, ks=[9]), fresh(root, "few"))
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        edits.Spec(vectors=vectors, dataset=dataset, songs=1)
    single = altered(root, "single", vectors, genres=["jazz"] * 12)
    with pytest.raises(InputError, match="two genres"):
        cluster.run(cluster.Spec(vectors=single, dataset=dataset, ks=[2]), fresh(root, "single"))
    with pytest.raises(InputError, match="needs two genres"):
        edits.run(edits.Spec(vectors=single, dataset=dataset), fresh(root, "single edits"))
    untested = altered(root, "untested", vectors, splits=["train"] * 12)
    with pytest.raises(InputError, match="no valid clips"):
        cluster.run(cluster.Spec(vectors=untested, dataset=dataset), fresh(root, "untested"))
    with pytest.raises(InputError, match="no valid clips"):
        edits.run(edits.Spec(vectors=untested, dataset=dataset), fresh(root, "untested edits"))


def test_outside_clips_of_another_length_are_refused(root: Path, dataset: str, vectors: str) -> None:
    short = prepared(root, "short", ["x"], clip_seconds=4.0)
    spec = outside.Spec(vectors=vectors, dataset=dataset, audio=short, scored=2)
    with pytest.raises(InputError, match=r"4\.0 s at 22050 Hz"):
        outside.run(spec, fresh(root, "short"))


def test_specs_name_their_inputs() -> None:
    a, b, c = ("a" * 64, "b" * 64, "c" * 64)
    spec = cluster.Spec(vectors=a, dataset=b, others=[c, a], ks=[4, 2, 4])
    assert spec.ks == [2, 4]
    assert spec.inputs(optional=False) == [a, b]
    assert spec.inputs(optional=True) == [c, a]
    assert outside.Spec(vectors=a, dataset=b).inputs() == [a, b]
    assert outside.Spec(vectors=a, dataset=b, codec=c, audio=a).inputs() == [c, a, b]
    with pytest.raises(ValidationError, match="at least 2 clusters"):
        cluster.Spec(vectors=a, dataset=b, ks=[1, 2])


def test_a_study_reads_only_the_clips_that_it_takes(
    root: Path, dataset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from surco.datasets import MusicDataset
    from surco.latents.attributes import measure
    from surco.latents.reference_features import log_mels

    monkeypatch.setattr(cluster, "WAVES", 2)  # three clips in two batches
    context = fresh(root, "sampled")
    data = MusicDataset(context.folder(dataset))
    index = [0, 7, 3]
    mels, attributes = cluster._read(context, data, index)
    waves = np.stack([data[i][0].numpy() for i in index])
    np.testing.assert_allclose(mels, log_mels(waves), atol=1e-4)
    assert attributes["loudness"].tolist() == [measure(w)["loudness"] for w in waves]
