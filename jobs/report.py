"""Typeset the report on a sweep from what its jobs found.

Artifact: `report.pdf`. Jobs that failed or are missing leave a section that says so.
"""

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar, Literal

from pydantic import Field

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"
ON_SWEEP = True  # the report is logged on the sweep's own run
PARTS = ("train", "evaluate", "cluster", "edits", "prior", "generate", "outside")
KINDS = {"train_prior": "prior"}  # kinds of job whose field has another name
VERSIONS = ("surco", "torch", "numpy", "scikit-learn", "matplotlib", "typst")


class Spec(JobSpec):
    """The sweep's jobs, one list entry a size, and the language."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"dataset", "summary", *PARTS})

    name: str = Field("sweep", description="name of the sweep")
    sizes: list[int] = Field(min_length=1, description="floats of each vector, in the order of the jobs")
    dataset: JobId | None = Field(None, description="prepare job")
    summary: JobId | None = Field(None, description="summary job, which proposes the smallest vector")
    train: list[JobId] = Field([], description="train jobs")
    evaluate: list[JobId] = Field([], description="evaluate jobs")
    cluster: list[JobId] = Field([], description="cluster jobs")
    edits: list[JobId] = Field([], description="edits jobs")
    prior: list[JobId] = Field([], description="prior jobs")
    generate: list[JobId] = Field([], description="generate jobs")
    outside: list[JobId] = Field([], description="outside jobs")
    language: Literal["en", "es"] = Field("en", description="of all text, numbers and labels")
    scores: list[str] = Field([], description="saved listening tests, each the text of its JSON file")


def spec_of(
    name: str,
    jobs: list[tuple[str, str, dict[str, Any]]],
    *,
    lang: str = "en",
    scores: list[str] | None = None,
) -> Spec:
    """The spec of a report on a sweep's jobs, each (kind, id, spec); listening tests are checked here."""
    from jobs.kinds import parse_spec

    fields: dict[str, Any] = {"name": name, "language": lang, "scores": scores or [], "sizes": []}
    for kind, job, spec in jobs:
        part = KINDS.get(kind, kind)
        if part in PARTS:
            fields.setdefault(part, []).append(job)
        if kind == "train":
            fields["sizes"].append(int(spec["size"]))
            fields["dataset"] = spec["dataset"]
            fields["seed"] = spec.get("seed", 0)
        elif kind == "summary":
            fields["summary"] = job
    if scores:
        _tests(scores)
    found = parse_spec("report", fields)
    assert isinstance(found, Spec)
    return found


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Gather the evidence, write the PDF, log it."""
    from surco.report.report import write_report

    found = evidence(spec, context)
    missing = [f"{j.kind} {j.size or ''}".strip() for j in found.jobs if not j.done]
    context.progress(1, 3, "typesetting")
    path = write_report(found, context.out / "report.pdf", language=spec.language)
    context.tracker.artifact(path)
    return {"bytes": path.stat().st_size, "language": spec.language, "missing": missing}


def evidence(spec: Spec, context: Context) -> Any:
    """What the sweep's jobs found, read from their artifacts."""
    from jobs.listen import read_rows
    from surco.report.evidence import Evidence

    jobs = list(_jobs(spec, context))
    manifest = _json(context, spec.dataset, "manifest.json")
    summary = _json(context, spec.summary, "summary.json")
    scores = _by_size(spec, context, spec.evaluate, "scores.json")
    studies = _by_size(spec, context, spec.cluster, "study.json")
    priors = {
        size: {name: _json(context, job, f"{name}.json") for name in ("comparison", "tuning", "curve")}
        for size, job in _done(spec, context, spec.prior)
    }
    songs = {size: _json(context, job, "songs.json") for size, job in _done(spec, context, spec.generate)}
    files = {
        row["name"]: context.artifact(job, row["files"][0])
        for size, job in _done(spec, context, spec.generate)
        for row in songs[size]
    }
    studied = _by_size(spec, context, spec.edits, "edits.json")
    return Evidence(
        name=spec.name,
        id=context.job_id,
        sizes=spec.sizes,
        manifest=manifest,
        scores=scores,
        smallest=summary.get("smallest") if summary else None,
        studies=studies,
        genres={c["id"]: c["genre"] for c in manifest["clips"]} if manifest else {},
        outside=_by_size(spec, context, spec.outside, "outside.json"),
        priors=priors,
        songs=songs,
        edits={size: found["edits"] for size, found in studied.items()},
        judged={size: found["judged"] for size, found in studied.items() if found.get("judged")},
        trained={size: context.result(job) for size, job in _done(spec, context, spec.train)},
        sounds={row.id: row.sounds for row in read_rows(context, spec.evaluate)},
        song_files=files,
        tests=_tests(spec.scores) if spec.scores else None,
        jobs=jobs,
        seed=spec.seed,
        versions=_versions(),
    )


def _done(spec: Spec, context: Context, jobs: list[JobId]) -> list[tuple[int, str]]:
    """Size and id of the jobs that are done."""
    return [(s, str(j)) for s, j in zip(spec.sizes, jobs, strict=False) if context.done(j) is not None]


def _by_size(spec: Spec, context: Context, jobs: list[JobId], name: str) -> dict[int, Any]:
    return {size: _json(context, job, name) for size, job in _done(spec, context, jobs)}


def _json(context: Context, job: str | None, name: str) -> Any:
    """A JSON artifact, or None where the job is not done."""
    if job is None or context.done(job) is None:
        return None
    return json.loads(context.artifact(job, name).read_text(encoding="utf-8"))


def _jobs(spec: Spec, context: Context) -> Any:
    from surco.report.evidence import Job

    listed: list[tuple[str, int | None, str]] = []
    if spec.dataset:
        listed.append(("prepare", None, spec.dataset))
    for part in PARTS:
        listed += [(part, size, job) for size, job in zip(spec.sizes, getattr(spec, part), strict=False)]
    if spec.summary:
        listed.append(("summary", None, spec.summary))
    for kind, size, job in listed:
        done = context.done(job)
        ended = None if done else context.store.get_bytes(f"jobs/{job}/ENDED.json")
        reason = json.loads(ended)["reason"] if ended else ""
        yield Job(kind, job, size, done is not None, (done or {}).get("result", {}), reason)


def _tests(scores: list[str]) -> dict[str, Any]:
    """Means and intervals of saved listening tests."""
    import tempfile
    from pathlib import Path

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
