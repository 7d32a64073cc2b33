"""Jobs without servers: identity, inputs, publishing by fence, checkpoints, the graph of a sweep."""

import json
import re
from pathlib import Path

import pytest
from pydantic import Field

from jobs.context import Context
from jobs.graph import SWEEPS, SweepSpec, parse_sweep, plan, read_sweep
from jobs.kinds import parse_spec
from jobs.local import FolderStore, local_context, run_local
from jobs.spec import JobId, JobSpec, canonical, job_id
from surco.errors import InputError

A, B = JobId("a" * 64), JobId("b" * 64)


class Reads(JobSpec):
    OPTIONAL = frozenset({"maybe"})
    one: JobId
    many: list[JobId] = Field([])
    maybe: JobId | None = None


def test_a_spec_names_the_jobs_it_reads() -> None:
    spec = Reads(one=A, many=[B, A], maybe=B)
    assert spec.inputs() == [A, B]
    assert spec.inputs(optional=True) == [B]
    assert spec.inputs(optional=False) == [A, B]
    assert Reads.model_validate(spec.model_dump(mode="json")).inputs() == [A, B]


def test_the_same_question_is_the_same_job() -> None:
    first = parse_spec("noop", {"label": "x", "seed": 1})
    again = parse_spec("noop", {"seed": 1, "label": "x"})
    other = parse_spec("noop", {"label": "x", "seed": 2})
    assert job_id("noop", first) == job_id("noop", again) != job_id("noop", other)
    assert canonical({"b": 1, "a": "ñ"}) == '{"a":"ñ","b":1}'.encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"labl": 1}, "'labl' is not a known key"),
        ({"seed": -1}, "seed = -1"),
        ({"after": ["short"]}, "after"),
    ],
)
def test_a_bad_spec_is_refused_by_name(data: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_spec("noop", data)


def test_a_job_is_run_once(tmp_path: Path) -> None:
    spec = parse_spec("noop", {"label": "once"})
    job = run_local("noop", spec, tmp_path)
    marker = tmp_path / "store" / "jobs" / job / "DONE.json"
    before = marker.stat().st_mtime_ns
    assert run_local("noop", spec, tmp_path) == job
    assert marker.stat().st_mtime_ns == before
    assert json.loads(marker.read_text())["result"] == {"label": "once", "fence": 1}


def attempt(folder: Path, fence: int) -> Context:
    context = local_context(folder, "c" * 64)
    context.fence = fence
    context.workdir = folder / f"work-{fence}"
    return context


def test_a_stale_fence_neither_publishes_nor_spoils(tmp_path: Path) -> None:
    stale, fresh = attempt(tmp_path, 1), attempt(tmp_path, 2)
    (stale.out / "song.txt").write_text("stale")
    (fresh.out / "song.txt").write_text("fresh")
    assert fresh.publish({"by": 2})
    assert not stale.publish({"by": 1})
    reader = attempt(tmp_path, 3)
    assert reader.result("c" * 64) == {"by": 2}
    assert reader.artifact("c" * 64, "song.txt").read_text() == "fresh"


def test_a_folder_store_writes_if_absent(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.put_bytes("a/b", b"1", if_absent=True)
    assert not store.put_bytes("a/b", b"2", if_absent=True)
    assert store.get_bytes("a/b") == b"1"
    assert store.keys("a/") == ["a/b"]
    store.delete("a/b")
    assert store.get_bytes("a/b") is None


def test_a_sweep_is_a_graph_whose_jobs_come_after_their_needs() -> None:
    nodes = plan(parse_sweep({"sizes": [256, 64], "name": "two"}))
    seen: set[str] = set()
    for node in nodes:
        assert set(node.spec.inputs()) <= seen
        seen.add(node.id)
    assert [n.label for n in nodes if n.kind == "train"] == ["64", "256"]
    assert len(seen) == len(nodes)
    summary = next(n for n in nodes if n.kind == "summary")
    assert summary.spec.inputs(optional=False) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"sizs": [1]}, "'sizs' is not a known key"),
        ({"sizes": [0]}, "size 0 is not between 2 and 2048"),
        ({"sizes": [4096]}, "size 4096"),
        ({"sizes": []}, "sizes"),
        ({"name": "../up"}, "name"),
        ({"dataset": "gtzn"}, "dataset"),
    ],
)
def test_a_bad_sweep_is_refused_by_name(data: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse_sweep(data)


def test_a_section_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(InputError, match=r"train spec, 'stepz' is not a known key"):
        plan(parse_sweep({"train": {"stepz": 3}}))


def test_a_sweep_file_is_read_and_a_bad_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("name: mine\nsizes: [32, 64]\ntrain: {steps: 5}\n")
    assert read_sweep(path).sizes == (32, 64)
    path.write_text("name: [unclosed")
    with pytest.raises(InputError, match="no valid YAML"):
        read_sweep(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path / "none.yaml")


@pytest.mark.parametrize("path", sorted(SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sweeps_that_come_along_can_be_planned(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("surco.datasets.sources.source_fingerprint", lambda source: "0" * 64)
    sweep = read_sweep(Path(path.stem))
    assert sweep == read_sweep(path) and sweep.name == path.stem
    assert {node.kind for node in plan(sweep)} >= {
        "prepare",
        "train",
        "evaluate",
        "generate",
        "summary",
        "report",
    }


def test_the_sizes_of_a_sweep_stand_in_one_place() -> None:
    default = list(SweepSpec().sizes)
    assert read_sweep(Path("demo")).sizes == tuple(default)
    makefile = (SWEEPS.parent / "Makefile").read_text()
    assert re.search(r"^SIZES \?=$", makefile, re.MULTILINE)
