"""The job that trains a prior: what it publishes, what it survives, how it goes on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from song_jobs import prior_spec, reader

from jobs import train_prior
from jobs.local import local_context
from surco.latents.vectors import VectorSet
from surco.prior.prior import Prior

pytest_plugins = ["song_jobs"]
pytestmark = pytest.mark.slow


def test_train_prior_publishes_a_prior_its_curve_and_its_comparison(folder: Path, prior_job: str) -> None:
    context = reader(folder)
    prior = Prior.load(context.artifact(prior_job, "prior.safetensors"))
    assert prior.size == 8 and prior.genres == ["folk", "jazz"]
    assert context.result(prior_job)["prior"] == prior.fingerprint
    told = train_prior.read_training(context, prior_job)
    (table,) = told.comparison.tables
    assert table.space == "vectors" and "Gaussian" in table.systems
    assert told.curve.step[0] == 0 and told.tuning.settings == told.comparison.settings == prior.settings
    assert {"figures/curve.png", "figures/tuning.png", "figures/comparison-vectors.png"} <= set(
        context.artifacts(prior_job)
    )


def test_one_test_track_of_one_clip_leaves_intervals_undefined_and_the_training_whole(
    folder: Path, prior_job: str
) -> None:
    held = VectorSet.load(reader(folder).artifact("e" * 64, "vectors.safetensors"))
    test = np.array(held.splits) == "test"
    folk, jazz = (np.flatnonzero(test & (np.array(held.genres) == g)) for g in ("folk", "jazz"))
    kept = held.rows(np.r_[np.flatnonzero(~test), folk[:5], jazz[:1]])
    tracks = [*kept.tracks[:-6], *["one track"] * 5, "another"]
    context = local_context(folder, "b" * 64)
    replace(kept, tracks=tracks).save(context.out / "vectors.safetensors")
    context.publish({})
    told: list[str] = []
    made = local_context(folder, "a" * 64)
    made.log = told.append
    result = train_prior.run(prior_spec(vectors="b" * 64, steps=1, patience=100), made)
    kad = result["systems"]["flow"]["kad"]
    assert kad["mean"] is not None and kad["low"] is None
    assert (made.out / "figures/comparison-vectors.png").is_file()
    assert not any("could not be drawn" in line for line in told)
    assert train_prior.LEARNED_NOTHING in told


def test_a_figure_that_fails_costs_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise TypeError("no such colour")

    monkeypatch.setattr("surco.prior.prior_figures.draw_comparison", broken)
    context = local_context(folder, "9" * 64)
    told: list[str] = []
    context.log = told.append
    result = train_prior.run(prior_spec(), context)
    assert result["prior"] and (context.out / "prior.safetensors").is_file()
    assert any("comparison-vectors could not be drawn (TypeError: no such colour)" in line for line in told)


def test_a_stopped_training_goes_on_from_its_checkpoint(folder: Path, prior_job: str, tmp_path: Path) -> None:
    class Halt(Exception):
        pass

    spec = prior_spec(checkpoint_seconds=1e-6)
    whole = Prior.load(reader(folder).artifact(prior_job, "prior.safetensors"))
    context = reader(folder)
    context.workdir = tmp_path

    def halt(done: float, total: float, note: str) -> None:
        if done == 200:
            raise Halt

    context.on_progress = halt
    with pytest.raises(Halt):
        train_prior.run(spec, context)
    context.on_progress = lambda done, total, note: None
    told: list[str] = []
    context.log = told.append
    train_prior.run(spec, context)
    assert "Resuming at step 100." in told
    assert Prior.load(context.out / "prior.safetensors").fingerprint == whole.fingerprint
