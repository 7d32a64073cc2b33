"""The train job: it keeps the best weights, resumes, and says what it did."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from jobs import prepare, train
from jobs.context import Context, Stopped
from jobs.local import local_context, run_local
from surco.audio.io import write_wav
from surco.codec import Codec
from surco.codec.vector_layout import split
from surco.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a prepared set of ten short tracks, and its job."""
    root = tmp_path_factory.mktemp("train")
    t = np.arange(6 * 22_050) / 22_050
    rng = np.random.default_rng(0)
    for i in range(10):
        folder = root / "music" / ("low" if i < 5 else "high")
        folder.mkdir(parents=True, exist_ok=True)
        wave = 0.2 * np.sin(2 * np.pi * 110 * (i + 1) * t) * (1 + np.sin(2 * np.pi * (i + 1) * t))
        write_wav(folder / f"{i}.wav", (wave + 0.01 * rng.normal(size=len(t))).astype(np.float32), 22_050)
    return root, run_local("prepare", prepare.Spec.of("folder", root / "music"), root)


def spec(data: str, **fields: object) -> train.Spec:
    return train.Spec.model_validate(
        {"dataset": data, "size": 16, "steps": 4, "batch_size": 2, "look_every": 2, "render": False, **fields}
    )


def loaded(root: Path, job: str) -> Codec:
    return Codec.load(local_context(root, "0" * 64).artifact(job, "codec.safetensors"))


def test_it_keeps_the_best_of_the_looks(home: tuple[Path, str]) -> None:
    root, data = home
    job = run_local("train", spec(data), root)
    context = local_context(root, "0" * 64)
    result = context.result(job)
    history = json.loads(context.artifact(job, "history.json").read_text())
    assert [entry["step"] for entry in history] == [0, 2, 4]
    best = min(history, key=lambda entry: entry["valid/l1_db"])
    assert result["best_step"] == best["step"]
    assert result["best_l1_db"] == best["valid/l1_db"] <= history[0]["valid/l1_db"]
    assert loaded(root, job).size == 16


def test_without_steps_it_returns_the_shipped_weights_at_that_size(home: tuple[Path, str]) -> None:
    root, data = home
    job = run_local("train", spec(data, steps=0), root)
    assert loaded(root, job).fingerprint == Codec.load().truncated(16).fingerprint


def test_a_ruinous_learning_rate_never_returns_worse_weights(home: tuple[Path, str]) -> None:
    root, data = home
    job = run_local("train", spec(data, lr=0.1, steps=2), root)
    result = local_context(root, "0" * 64).result(job)
    assert result["best_l1_db"] <= result["start_l1_db"]


def test_a_stopped_run_resumes_to_the_same_bytes(home: tuple[Path, str], tmp_path: Path) -> None:
    root, data = home
    wanted = loaded(root, run_local("train", spec(data), root)).fingerprint

    def context_at(folder: Path, stop_after: int | None) -> Context:
        context = local_context(folder, "a" * 64)
        context.store = local_context(root, "a" * 64).store
        calls = [0]

        def beat() -> None:
            calls[0] += 1
            if stop_after is not None and calls[0] > stop_after:
                raise Stopped

        context.beat = beat
        return context

    with pytest.raises(Stopped):
        train.run(spec(data), context_at(tmp_path / "first", 3))
    second = context_at(tmp_path / "second", None)
    found = second.resume(lambda folder: folder)
    assert found is not None
    assert json.loads((found / "state.json").read_text())["step"] == 3
    train.run(spec(data), second)
    assert Codec.load(second.out / "codec.safetensors").fingerprint == wanted

    # A newer checkpoint that loads half way and then fails leaves no trace in what goes on from the last.
    for name in ("best.safetensors", "history.json", "state.safetensors"):
        shutil.copyfile(found / name, tmp_path / name)
    foreign = json.loads((found / "state.json").read_text())
    del foreign["skipped"]
    bad = tmp_path / "bad"
    bad.mkdir()
    for name in ("best.safetensors", "history.json"):
        (tmp_path / name).replace(bad / name)
    tensors = load_file(tmp_path / "state.safetensors")
    save_file({k: v + 1 for k, v in tensors.items()}, bad / "state.safetensors")
    (bad / "state.json").write_text(json.dumps(foreign))
    second.save_checkpoint(bad, 4)
    said: list[str] = []
    third = context_at(tmp_path / "third", None)
    third.log = said.append
    train.run(spec(data), third)
    assert any("passed over: KeyError" in line for line in said) and "Resuming at step 3." in said
    assert Codec.load(third.out / "codec.safetensors").fingerprint == wanted


def test_scratch_starts_at_the_linear_optimum_of_the_data(home: tuple[Path, str]) -> None:
    root, data = home
    codec = loaded(root, run_local("train", spec(data, init="scratch", steps=0), root))
    assert codec.decoder.leave.weight.abs().max() == 0
    assert codec.fingerprint != Codec.load().truncated(16).fingerprint


def test_it_starts_from_another_train_job_and_refuses_one_too_small(home: tuple[Path, str]) -> None:
    root, data = home
    first = run_local("train", spec(data, steps=0), root)
    second = run_local("train", spec(data, steps=0, size=8, init=first), root)
    assert loaded(root, second).fingerprint == loaded(root, first).truncated(8).fingerprint
    with pytest.raises(InputError, match="16 dimensions, not 32"):
        run_local("train", spec(data, size=32, init=first), root)


def test_the_pool_of_a_data_set_gives_its_clips(home: tuple[Path, str]) -> None:
    from surco.codec.mel_pool import MelPool
    from surco.datasets import MusicDataset

    root, data = home
    clips = MusicDataset(local_context(root, "0" * 64).folder(data), "train")
    pool = MelPool.from_waves(clips[i][0] for i in range(len(clips)))
    codec = Codec.load()
    mels = train.whole(pool, codec, limit=100)
    assert mels.shape == (len(clips), 80, 431)
    vectors = codec.encode(torch.stack([clips[i][0] for i in range(len(clips))]), 32)
    coefficients = split(vectors)[1]
    assert torch.allclose(codec.encode_mel(mels)[:, : coefficients.shape[1]], coefficients, atol=1.0)
