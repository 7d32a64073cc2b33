"""Job kinds declare themselves: a new one shows up wherever kinds are listed, with no edit elsewhere."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import jobs
from jobs import docs
from jobs.graph import parse_sweep, plan
from jobs.kinds import all_kinds, find_kind, parse_spec
from jobs.local import local_context, run_local
from jobs.spec import JobSpec, job_id
from surco.errors import InputError

ROOT = Path(__file__).parents[2]

TOY = '''"""Count the letters of a word, once a size."""

from pydantic import Field

from jobs.kinds import Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec


class Spec(JobSpec):
    vectors: JobId = Field(description="embed job")
    word: str = Field("surco", description="whose letters are counted")


def run(spec, context):
    return {"letters": len(spec.word)}


KIND = JobKind(
    name="toy",
    spec=Spec,
    run=run,
    queue="cpu",
    sweep=(SweepPart(section="toy", per_size=True, inputs={"vectors": Input("embed")}),),
    columns={"letters": lambda result: result["letters"]},
)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module more in the package of jobs, and nothing else."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "toy.py").write_text(TOY)
    monkeypatch.setattr(jobs, "__path__", [*jobs.__path__, str(tmp_path / "more")])
    before = sys.modules.pop("services.cli.submit", None)
    all_kinds.cache_clear()
    yield
    for module in ("jobs.toy", "services.cli.submit"):
        sys.modules.pop(module, None)
    if before is not None:
        sys.modules["services.cli.submit"] = sys.modules["services.cli"].submit = before
    all_kinds.cache_clear()


def test_every_kind_declares_itself() -> None:
    for name, kind in all_kinds().items():
        assert kind.name == name and issubclass(kind.spec, JobSpec) and callable(kind.run)
        assert kind.queue in ("gpu", "cpu") and kind.about.endswith(".")
    with pytest.raises(InputError, match="no job kind 'nothing'"):
        find_kind("nothing")


@pytest.mark.usefixtures("toy")
def test_a_new_kind_is_in_the_plan_and_read_by_summary_and_report() -> None:
    nodes = plan(parse_sweep({"sizes": [64, 256], "toy": {"word": "hum"}}))
    made = [n for n in nodes if n.kind == "toy"]
    assert [n.label for n in made] == ["64", "256"] and [n.spec.word for n in made] == ["hum", "hum"]
    vectors = [n.id for n in nodes if n.kind == "embed"]
    assert [n.spec.inputs() for n in made] == [[v] for v in vectors]
    for kind in ("summary", "report"):
        last = next(n for n in nodes if n.kind == kind)
        assert last.spec.jobs["toy"] == [n.id for n in made]
        assert {n.id for n in made} <= set(last.spec.inputs(optional=True))


@pytest.mark.usefixtures("toy")
def test_a_new_kind_has_a_command_and_a_row_in_the_documentation() -> None:
    from services.cli.submit import app

    shown = CliRunner().invoke(app, ["toy", "--help"], env={"COLUMNS": "120"}).output
    assert "--vectors" in shown and "--word" in shown and "Count the letters" in shown
    assert "| `toy` | Count the letters of a word, once a size. | cpu | one a size | embed |" in docs.text()


@pytest.mark.usefixtures("toy")
def test_a_new_kind_has_its_column_in_the_summary(tmp_path: Path) -> None:
    toy = parse_spec("toy", {"vectors": "a" * 64})
    assert run_local("toy", toy, tmp_path) == job_id("toy", toy)
    spec = parse_spec(
        "summary", {"name": "x", "sizes": [64], "dataset": "b" * 64, "jobs": {"toy": [job_id("toy", toy)]}}
    )
    result = local_context(tmp_path, "c" * 64).result(run_local("summary", spec, tmp_path))
    assert result["rows"][0]["letters"] == 5 and "letters" in result["columns"]
    assert result["missing"] == []


def test_the_documentation_is_what_the_declarations_say() -> None:
    assert (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8") == docs.text()
