"""A study of edits that was cut off goes on after the rows that it has."""

import math
from pathlib import Path

import evidence_material
import numpy as np

from jobs.edits import Found, file_name
from jobs.local import local_context
from surco.metrics.aggregate import Estimate


def test_what_a_study_found_outlives_its_attempt(tmp_path: Path) -> None:
    job = "a" * 64
    first = local_context(tmp_path, job)
    assert first.resume(Found.load) is None
    few = evidence_material.judged("between, aligned", "too few")
    few = few.model_copy(update={"broken_db": Estimate(0.2, math.nan, math.nan, 7, 0)})
    found = Found(evidence_material.edits(judged=[evidence_material.judged("tempo", "yes")]), {})
    found.sounds["tempo/edited.wav"] = np.linspace(-1, 1, 50, dtype=np.float32)
    found.keep(first)
    found.study.judged.append(few)
    found.keep(first)
    again = local_context(tmp_path, job).resume(Found.load)
    assert again is not None and [r.edit for r in again.study.judged] == ["tempo", "between, aligned"]
    assert again.study.model_dump_json() == found.study.model_dump_json()
    assert again.study.judged[1].broken_db is not None and math.isnan(again.study.judged[1].broken_db.low)
    np.testing.assert_array_equal(again.sounds["tempo/edited.wav"], found.sounds["tempo/edited.wav"])


def test_names_of_edits_are_names_of_files() -> None:
    assert file_name("between, aligned/edited.wav") == "between-aligned/edited.wav"
