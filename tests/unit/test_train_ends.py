"""When a train job ends by itself, flat or out of minutes, and that either can be had again byte for byte."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jobs import prepare, train
from jobs.context import Context, Stopped
from jobs.local import local_context, run_local
from surco.audio.io import write_wav
from surco.codec import Codec
from surco.codec.plateau import CUTS, verdict
from surco.errors import InputError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("ends")
    t = np.arange(6 * 22_050) / 22_050
    for i in range(6):
        folder = root / "music" / ("low" if i < 3 else "high")
        folder.mkdir(parents=True, exist_ok=True)
        wave = 0.2 * np.sin(2 * np.pi * 110 * (i + 1) * t) * (1 + np.sin(2 * np.pi * (i + 1) * t))
        write_wav(folder / f"{i}.wav", wave.astype(np.float32), 22_050)
    return root, run_local("prepare", prepare.Spec.of("folder", root / "music"), root)


def spec(data: str, **fields: object) -> train.Spec:
    fixed = {"dataset": data, "size": 8, "batch_size": 1, "look_every": 2, "patience": 2, "render": False}
    return train.Spec.model_validate({**fixed, **fields})


def ran(home: tuple[Path, str], job: str, wanted: train.Spec) -> tuple[dict[str, object], bytes]:
    context = context_at(home, home[0] / job, job)
    result = train.run(wanted, context)
    return result, (context.out / "codec.safetensors").read_bytes()


def context_at(home: tuple[Path, str], folder: Path, job: str) -> Context:
    context = local_context(folder, job * 64)
    context.store = local_context(home[0], job * 64).store
    return context


def a_second_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second whenever the job reads it."""
    clock = count()
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))


def test_it_ends_when_the_curve_is_flat(home: tuple[Path, str]) -> None:
    """At a rate too small to move a half-precision weight no look is better than the start."""
    result, _ = ran(home, "a", spec(home[1], lr=1e-12))
    assert (result["ended_by"], result["best_step"]) == ("flat", 0)
    assert result["last_step"] == 2 * (CUTS + 1)


def test_minutes_end_at_a_step_that_is_told_and_gives_the_same_bytes(
    home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as clock:
        a_second_a_look(clock)
        result, wanted = ran(home, "b", spec(home[1], minutes=0.2, patience=1000))
    step = result["last_step"]
    assert result["ended_by"] == "minutes" and isinstance(step, int) and step > 1
    again, found = ran(home, "c", spec(home[1], until=step, patience=1000))
    assert (again["ended_by"], again["last_step"]) == ("until", step)
    assert found == wanted


def test_whoever_takes_over_a_run_out_of_minutes_ends_at_its_step(
    home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first dies after its last checkpoint and before it publishes; minutes already spent count."""
    a_second_a_look(monkeypatch)
    wanted = spec(home[1], minutes=0.2, patience=1000)
    first = context_at(home, home[0] / "d", "d")

    def dies(*_: object) -> None:
        raise Stopped

    with monkeypatch.context() as fate:
        fate.setattr(train, "finish", dies)
        with pytest.raises(Stopped):
            train.run(wanted, first)
    history = json.loads((first.out / "history.json").read_text())
    second = context_at(home, home[0] / "e", "d")
    assert train.run(wanted, second)["last_step"] == history[-1]["step"] > 0
    assert (second.out / "codec.safetensors").read_bytes() == (first.out / "codec.safetensors").read_bytes()


def test_a_run_without_an_end_resumes_to_the_same_bytes(home: tuple[Path, str]) -> None:
    wanted = spec(home[1], lr=1e-12)
    _, whole = ran(home, "f", wanted)

    def stops_after(calls: int) -> Callable[[], None]:
        left = count(calls, -1)

        def beat() -> None:
            if next(left) <= 0:
                raise Stopped

        return beat

    first = context_at(home, home[0] / "g1", "1")
    first.beat = stops_after(4)  # right behind the first cut of the rate
    with pytest.raises(Stopped):
        train.run(wanted, first)
    second = context_at(home, home[0] / "g2", "1")
    result = train.run(wanted, second)
    assert result["last_step"] == 2 * (CUTS + 1)
    assert (second.out / "codec.safetensors").read_bytes() == whole


def test_a_larger_model_is_trained_from_scratch(home: tuple[Path, str]) -> None:
    result, _ = ran(home, "h", spec(home[1], init="scratch", model="large", steps=0))
    config = result["config"]
    assert isinstance(config, dict) and config["decoder_width"] > Codec.load().config.decoder_width
    with pytest.raises(InputError, match="from scratch"):
        ran(home, "i", spec(home[1], model="large", steps=0))


def test_looks_that_get_better_go_on() -> None:
    looks = [{"step": s, "e": 10.0 - s} for s in range(9)]
    assert verdict(looks, "e", [], 1) == "go on"
    assert verdict([*looks, {"step": 20, "e": 5.0}], "e", [], 12) == "cut"
    assert verdict([*looks, {"step": 20, "e": 5.0}], "e", [12], 12) == "go on"
