from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.context import Stopped
from jobs.local import local_context, run_local
from jobs.prepare import Spec as PrepareSpec
from jobs.train_vocoder import Spec, run
from surco.audio.io import write_wav
from surco.codec.vocoder import Vocoder
from surco.errors import InputError

pytestmark = pytest.mark.slow


def dataset(folder: Path, rate: int = 22_050) -> str:
    """Id of a prepare job of four short tracks, under `folder`."""
    t = np.arange(rate) / rate
    for i in range(4):
        wave = 0.3 * np.sin(2 * np.pi * (150 + 90 * i) * t) * np.exp(-2 * t)
        write_wav(folder / "music" / "a" / f"{i}.wav", wave.astype(np.float32), rate)
    spec = PrepareSpec.of("folder", folder / "music", clip_seconds=0.5, sample_rate=rate)
    return run_local("prepare", spec, folder)


def test_a_stopped_job_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    job = dataset(tmp_path)
    spec = Spec(dataset=job, init="shipped", steps=4, batch_size=2, crop_seconds=0.2, look_every=2)
    whole = local_context(tmp_path, "1" * 64)
    result = run(spec, whole)
    calls = []

    def stop_at_third() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(spec, replace(local_context(tmp_path, "2" * 64), beat=stop_at_third))
    resumed = local_context(tmp_path, "2" * 64)
    assert resumed.resume(lambda folder: folder) is not None
    assert run(spec, resumed) == result
    for name in ("vocoder.safetensors", "history.json"):
        assert (resumed.out / name).read_bytes() == (whole.out / name).read_bytes()
    assert result["best_log_mel_db"] <= result["start_log_mel_db"]
    assert Vocoder.load(whole.out / "vocoder.safetensors").config == Vocoder.load().config
    assert sorted(p.name for p in (whole.tracker.root / "artifacts" / "audio").iterdir()) == [
        "original.wav",
        "vocoded.wav",
    ]


def test_another_sample_rate_is_refused(tmp_path: Path) -> None:
    job = dataset(tmp_path, 8_000)
    with pytest.raises(InputError, match="22050"):
        run(Spec(dataset=job), local_context(tmp_path, "3" * 64))
