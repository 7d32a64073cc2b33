"""The jobs that make the page and the report, on artifacts in a folder store."""

import json
import re
from pathlib import Path
from typing import Any

import evidence_material
import numpy as np
import pytest
from safetensors.numpy import save_file

from jobs import listen, report
from jobs.context import Context
from jobs.graph import parse_sweep, plan
from jobs.kinds import ask_spec
from jobs.local import local_context
from jobs.spec import JobId
from surco.audio.io import write_wav
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.song_report import Songs

pytestmark = pytest.mark.slow

SIZES = (64, 512)
CLIPS = [c["id"] for c in evidence_material.CLIPS]
GENRES = [c["genre"] for c in evidence_material.CLIPS]


def publish(folder: Path, number: int, write: Any, result: dict[str, Any] | None = None) -> JobId:
    """Publish what `write(out)` writes as the artifacts of a job; its id."""
    job = JobId(f"{number:064x}")
    context = local_context(folder, job)
    write(context.out)
    context.publish(result or {})
    return job


def tone(hertz: float) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(11_025) / 22_050)).astype(np.float32)


def evaluate(folder: Path, size: int, number: int) -> JobId:
    scores = evidence_material.scores(size, zimtohrli=2 + size / 512, structure=0.6, against=0.8)

    def write(out: Path) -> None:
        scores.save(out / "scores.json")
        for i, clip in enumerate(CLIPS[:2]):
            for name in ("original", "ceiling", f"decoded-{size}"):
                (out / "listening" / clip).mkdir(parents=True, exist_ok=True)
                write_wav(out / "listening" / clip / f"{name}.wav", tone(300 + 50 * i), 22_050)

    return publish(folder, number, write)


def embed(folder: Path, size: int, number: int) -> JobId:
    vectors = np.random.default_rng(0).standard_normal((len(CLIPS), size)).astype(np.float32)
    tracks = [c["track"] for c in evidence_material.CLIPS]
    found = VectorSet(vectors, CLIPS, tracks, GENRES, ["train"] * len(CLIPS), "c" * 16, "d" * 64)
    return publish(folder, number, lambda out: found.save(out / "vectors.safetensors"))


def cluster(folder: Path, size: int, number: int) -> JobId:
    labels = [i % 2 for i in range(len(CLIPS))]
    found = evidence_material.study(size, labels=labels)
    return publish(folder, number, lambda out: found.save(out / "study.json"))


def generate(folder: Path, size: int, number: int) -> JobId:
    def write(out: Path) -> None:
        rows, vectors = [], {}
        for name, sources in (("new", []), ("walk", CLIPS[:2])):
            rows.append(evidence_material.song(name, sources=sources, size=size))
            vectors[name] = np.ones((2, size), np.float32)
            (out / "songs").mkdir(exist_ok=True)
            write_wav(out / "songs" / f"{name}.wav", tone(500), 22_050)
        Songs(size=size, songs=rows).save(out / "songs.json")
        save_file(vectors, out / "songs.safetensors")

    return publish(folder, number, write)


def edits(folder: Path, size: int, number: int) -> JobId:
    """A study of two edits, one of which lost its sounds."""
    rows = [evidence_material.judged("fade out", "yes"), evidence_material.judged("tempo", "partly")]
    study = evidence_material.edits(judged=rows).model_copy(update={"size": size})

    def write(out: Path) -> None:
        study.save(out / "edits.json")
        (out / "edits" / "fade-out").mkdir(parents=True)
        for i, version in enumerate(("unedited", "edited", "baseline")):
            write_wav(out / "edits" / "fade-out" / f"{version}.wav", tone(300 + 50 * i), 22_050)

    return publish(folder, number, write)


def sweep(folder: Path) -> dict[str, Any]:
    makers = {
        "evaluate": evaluate, "embed": embed, "cluster": cluster, "generate": generate, "edits": edits,
    }  # fmt: skip
    return {
        kind: [make(folder, size, 10 * k + i) for i, size in enumerate(SIZES)]
        for k, (kind, make) in enumerate(makers.items())
    }


def run_listen(folder: Path, **fields: Any) -> tuple[dict[str, Any], dict[str, Any], Context]:
    context = local_context(folder, "f" * 64)
    result = listen.run(listen.Spec(**fields), context)
    html = (context.out / "listen.html").read_text(encoding="utf-8")
    return result, json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1]), context


def test_page_holds_what_the_jobs_found(tmp_path) -> None:
    result, page, context = run_listen(tmp_path, name="two", **sweep(tmp_path))
    assert result["clips"] == 2 and result["points"] == len(CLIPS)
    assert result["songs"] == 2 and result["edits"] == 2 and result["sizes"] == [64, 512]
    assert page["columns"] == ["original", "ceiling", "512", "64"]
    assert page["map"]["clusters"]["64"][:4] == [0, 1, 0, 1]
    assert [len(p["sounds"]) for p in page["map"]["paths"]["512"]] == [2]
    assert page["clips"][0]["scores"]["512"] > page["clips"][0]["scores"]["64"]
    assert result["compared"] == 2
    (heard,) = page["compared"]["64"]  # one a size: the other edit has no sounds
    assert heard["edit"] == "fade out" and heard["amount"] == 6 and heard["unit"] == "dB"
    assert heard["answer"] == "yes" and heard["rival"] == "waves, encoded"
    assert (
        list(heard["sounds"]) == ["unedited", "edited", "baseline"]
        and len(set(heard["sounds"].values())) == 3
    )
    assert (tmp_path / "tracking" / ("f" * 64) / "artifacts" / "listen.html").exists()
    assert context.job_id.startswith(page["id"])


def test_page_does_without_the_jobs_that_failed(tmp_path) -> None:
    jobs = sweep(tmp_path)
    lost = JobId("e" * 64)
    result, page, _ = run_listen(
        tmp_path, evaluate=[jobs["evaluate"][0], lost], embed=[lost], generate=[lost]
    )
    assert result["points"] == 0 and page["columns"] == ["original", "ceiling", "64"]
    with pytest.raises(InputError, match="neither a listening set nor vectors"):
        run_listen(tmp_path, evaluate=[lost])


def test_report_is_written_from_what_is_there_and_names_the_rest(tmp_path) -> None:
    jobs = sweep(tmp_path)
    lost = JobId("e" * 64)
    listed = {"evaluate": jobs["evaluate"], "cluster": [lost, lost]}
    spec = report.Spec(sizes=list(SIZES), jobs=listed, language="es")
    context = local_context(tmp_path, "a" * 64)
    result = report.run(spec, context)
    assert result["missing"] == ["cluster 64", "cluster 512"] and result["language"] == "es"
    assert (context.out / "report.pdf").read_bytes()[:5] == b"%PDF-"


def test_a_report_in_another_language_or_with_listening_tests_is_asked_for_by_name() -> None:
    own = next(n for n in plan(parse_sweep({"sizes": [64], "seed": 5})) if n.kind == "report").spec
    spec = ask_spec("report", {**own.model_dump(mode="json"), "language": "es"})
    assert spec.sizes == [64] and spec.seed == 5 and spec.inputs() == own.inputs()
    assert spec.inputs(optional=False) == []
    with pytest.raises(InputError, match="not a listening test"):
        ask_spec("report", {**own.model_dump(mode="json"), "scores": ["{}"]})
    with pytest.raises(InputError, match="language"):
        ask_spec("report", {**own.model_dump(mode="json"), "language": "fr"})
