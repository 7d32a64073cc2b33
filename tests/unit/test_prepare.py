"""The prepare job: its spec, what it publishes, and how other jobs read it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from jobs.local import local_context, run_local
from jobs.prepare import Spec, dataset_folder
from jobs.spec import job_id
from surco.audio.io import write_wav
from surco.datasets import MusicDataset
from surco.errors import InputError

RATE = 8_000


@pytest.fixture
def music(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for genre in ("a", "b"):
        for i in range(3):
            write_wav(
                tmp_path / "music" / genre / f"{i}.wav", rng.uniform(-0.5, 0.5, RATE).astype(np.float32), RATE
            )
    (tmp_path / "music" / "b" / "bad.wav").write_bytes(b"no music")
    return tmp_path / "music"


def test_the_job_publishes_a_dataset(music: Path, tmp_path: Path) -> None:
    spec = Spec.of("folder", music, clip_seconds=0.5, sample_rate=RATE)
    job = run_local("prepare", spec, tmp_path / "here")
    context = local_context(tmp_path / "here", "0" * 64)
    result = context.result(job)
    assert result["clips"] == 12 and result["tracks"] == 6 and result["genres"] == ["a", "b"]
    assert result["splits"] == {"train": 4, "valid": 4, "test": 4}
    assert [s["name"] for s in result["skipped"]] == ["b/bad.wav"]
    assert sorted(context.artifacts(job)) == ["manifest.json", "shard-0000.safetensors"]
    dataset = MusicDataset(dataset_folder(context, job), verify=True)
    assert len(dataset) == 12 and dataset.fingerprint == result["fingerprint"]


def test_changed_music_is_another_job_and_not_prepared_by_the_old_one(music: Path, tmp_path: Path) -> None:
    old = Spec.of(str(music), clip_seconds=0.5, sample_rate=RATE)
    assert job_id("prepare", old) == job_id(
        "prepare", Spec.of("folder", music, clip_seconds=0.5, sample_rate=RATE)
    )
    (music / "b" / "bad.wav").unlink()
    new = Spec.of(str(music), clip_seconds=0.5, sample_rate=RATE)
    assert job_id("prepare", old) != job_id("prepare", new)
    with pytest.raises(InputError, match="has changed since it was submitted"):
        run_local("prepare", old, tmp_path / "here")


def test_spec_survives_json_and_refuses_what_it_does_not_know(music: Path) -> None:
    spec = Spec.of("demo", genres=["jazz"], seed=3)
    assert Spec.model_validate(json.loads(spec.model_dump_json())) == spec
    assert spec.config().genres == ["jazz"] and spec.config().seed == 3 and not spec.inputs()
    with pytest.raises(ValidationError, match="clip_second"):
        Spec.of("demo", clip_second=5)
    with pytest.raises(ValidationError, match="takes no path"):
        Spec.of("demo", music)
    with pytest.raises(InputError, match="needs the path"):
        Spec.of("folder")
    with pytest.raises(InputError, match="no such file or folder"):
        Spec.of("gtsan")


def test_submitting_does_not_load_torch() -> None:
    code = "import sys; from jobs.prepare import Spec; Spec.of('demo'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
