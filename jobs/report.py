"""Typeset the report on a sweep from what its jobs found.

Artifact: `report.pdf`. Jobs that failed or are missing leave a section that says so.
"""

import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.inputs import read_json
from jobs.kinds import EVERY, Input, JobKind, SweepPart, all_kinds, parse_spec
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from surco.metrics.choice import Rounds
    from surco.metrics.sweep_summary import Summary
    from surco.report.evidence import Evidence, Job

VERSIONS = ("surco", "torch", "numpy", "scikit-learn", "matplotlib", "typst")


class Spec(JobSpec):
    """The sweep's jobs, one list entry a size, and the language."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"dataset", "choose", "summary", "jobs"})

    name: str = Field("sweep", description="name of the sweep")
    sizes: list[int] = Field(min_length=1, description="dimensions of each vector, in the order of the jobs")
    dataset: JobId | None = Field(None, description="prepare job")
    choose: JobId | None = Field(None, description="choose job, which found the sizes of the second round")
    summary: JobId | None = Field(None, description="summary job, which proposes the smallest vector")
    jobs: dict[str, list[JobId | None]] = Field(
        default_factory=dict, description="by kind, the sweep's jobs, one a size where there is one"
    )
    language: Literal["en", "es"] = Field("en", description="of all text, numbers and labels")
    group: str = Field("", max_length=40, description="of those who hand it in, for the front page")
    authors: str = Field("", max_length=300, description="for the front page")
    course: str = Field("", max_length=120, description="for the front page")
    date: str = Field("", max_length=40, description="for the front page")
    scores: list[str] = Field([], description="saved listening tests, each the text of its JSON file")


def ask(**fields: Any) -> Spec:
    """A spec of these fields; listening tests that cannot be scored are refused here."""
    spec = Spec.model_validate(fields)
    if spec.scores:
        _tests(spec.scores)
    return spec


def run(spec: Spec, context: Context) -> Result:
    """Gather the evidence, write the PDF, log it."""
    from surco.report.report import write_report

    found = evidence(spec, context)
    missing = [f"{j.kind} {j.size or ''}".strip() for j in found.jobs if not j.done]
    context.progress(1, 3, "typesetting")
    path = write_report(found, context.out / "report.pdf", language=spec.language)
    context.tracker.artifact(path)
    return {"bytes": path.stat().st_size, "language": spec.language, "missing": missing}


def evidence(spec: Spec, context: Context) -> "Evidence":
    """What the sweep's jobs found, read from their artifacts."""
    from jobs.listen import read_rows
    from surco.report.evidence import Evidence

    manifest = _json(context, spec.dataset, "manifest.json")
    summary = _summary(context, spec.summary)
    told: dict[str, dict[int, Any]] = {}
    for name, kind in all_kinds().items():
        for part in kind.evidence:
            done = _done(spec, context, spec.jobs.get(name, []))
            found = {size: part.read(context, job) for size, job in done}
            told[part.name] = {size: value for size, value in found.items() if value}
    songs = told.get("songs", {})
    files = {
        row.name: context.artifact(job, row.wav)
        for size, job in _done(spec, context, spec.jobs.get("generate", []))
        for row in songs.get(size, [])
    }
    return Evidence(
        name=spec.name,
        id=context.sweep or context.job_id,
        front={k: v for k in ("group", "authors", "course", "date") if (v := getattr(spec, k))},
        sizes=spec.sizes,
        manifest=manifest,
        rounds=_rounds(context, spec.choose),
        smallest=summary.smallest if summary else None,
        genres={c["id"]: c["genre"] for c in manifest["clips"]} if manifest else {},
        sounds={
            row.id: {k: v for k, v in row.sounds.items() if isinstance(v, Path)}
            for row in read_rows(context, spec.jobs.get("evaluate", []))
        },
        song_files=files,
        tests=_tests(spec.scores) if spec.scores else None,
        jobs=list(_jobs(spec, context)),
        seed=spec.seed,
        versions=_versions(),
        **told,
    )


def _done(spec: Spec, context: Context, jobs: Sequence[JobId | None]) -> list[tuple[int, str]]:
    """Size and id of the jobs that are done."""
    return [(s, str(j)) for s, j in zip(spec.sizes, jobs, strict=False) if j and context.done(j) is not None]


def _json(context: Context, job: str | None, name: str) -> Any:
    """A JSON artifact, or None where the job is not done."""
    return None if job is None or context.done(job) is None else read_json(context, job, name)


def _rounds(context: Context, job: str | None) -> "Rounds | None":
    """What the first round proposed, None where that job is not done."""
    from surco.metrics.choice import Rounds

    return None if job is None or context.done(job) is None else Rounds.model_validate(context.result(job))


def _summary(context: Context, job: str | None) -> "Summary | None":
    """What the summary says, None where it is not done."""
    from surco.metrics.sweep_summary import Summary

    if job is None or context.done(job) is None:
        return None
    return Summary.load(context.artifact(job, "summary.json"))


def _jobs(spec: Spec, context: Context) -> "Iterator[Job]":
    from surco.report.evidence import Job

    listed: list[tuple[str, int | None, str]] = []
    if spec.dataset:
        listed.append(("prepare", None, spec.dataset))
    if spec.choose:
        listed.append(("choose", None, spec.choose))
    for kind, jobs in spec.jobs.items():
        listed += [(kind, size, job) for size, job in zip(spec.sizes, jobs, strict=False) if job]
    if spec.summary:
        listed.append(("summary", None, spec.summary))
    for kind, size, job in listed:
        done = context.done(job)
        if done is not None:
            yield Job(kind, job, size, True, done.get("result", {}), state="done")
            continue
        ended = _end(context, job)
        if ended:
            yield Job(kind, job, size, False, {}, ended["reason"], ended["state"])
        elif cause := _cause(context, job, set()):
            yield Job(kind, job, size, False, {}, _end(context, cause)["reason"], "skipped", cause)
        else:
            yield Job(kind, job, size, False)


def _end(context: Context, job: str) -> dict[str, Any]:
    """State and reason of a job that ended without being done; empty of any other."""
    data = context.store.get_bytes(f"jobs/{job}/ENDED.json")
    return dict(json.loads(data)) if data else {}


def _cause(context: Context, job: str, seen: set[str]) -> str:
    """The job for whose sake one was skipped: what it needs, or what that needs, and ended badly."""
    record = context.store.get_bytes(f"jobs/{job}/spec.json")
    if record is None or job in seen:
        return ""
    seen.add(job)
    told = json.loads(record)
    for need in parse_spec(told["kind"], told["spec"]).inputs(optional=False):
        if context.done(need) is None:
            if _end(context, need):
                return need
            if cause := _cause(context, need, seen):
                return cause
    return ""


def _tests(scores: list[str]) -> dict[str, Any]:
    """Means and intervals of saved listening tests."""
    import tempfile

    from surco.page.listening_test import score_tests

    with tempfile.TemporaryDirectory() as name:
        files = [Path(name) / f"test-{i + 1}.json" for i in range(len(scores))]
        for path, text in zip(files, scores, strict=True):
            path.write_text(text, encoding="utf-8")
        return score_tests(files).to_json()


def _versions() -> dict[str, str]:
    found = {}
    for package in VERSIONS:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


KIND = JobKind(
    name="report",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("report.pdf",),
    sweep=(
        SweepPart(
            section="report",
            round=2,
            inputs={
                "dataset": Input("data"),
                "choose": Input("choose"),
                "summary": Input("summary"),
                "jobs": EVERY,
            },
            values=lambda sweep, size: {"name": sweep.name, "sizes": list(sweep.sizes)},
        ),
    ),
    ask=ask,
    by_hand=False,
    on_sweep=True,
)
