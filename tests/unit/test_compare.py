"""Comparing two sweeps: the verdicts, the table on the command line, and the page of both."""

import base64
import io
import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import evidence_material
import numpy as np
import pytest
import soundfile

from jobs.context import Context
from jobs.kinds import parse_spec
from jobs.local import local_context
from services.cli import compare as command
from services.queue.client import Client
from surco.audio.io import write_wav
from surco.errors import InputError
from surco.metrics.comparison import compare
from surco.metrics.scores import Scores
from tests.verbs import invoke

CLIPS = [c["id"] for c in evidence_material.CLIPS]


def scores(size: int, zimtohrli: float) -> Scores:
    return evidence_material.scores(size, zimtohrli=zimtohrli, structure=0.6, against=0.8)


def tone(hertz: float) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(11_025) / 22_050)).astype(np.float32)


def measured(queue: Client, name: str, sizes: dict[int, Scores], *, hertz: float = 400) -> str:
    """A sweep whose evaluate jobs are done and published; its id."""
    jobs = []
    for size, found in sizes.items():
        spec = parse_spec("evaluate", {"dataset": "d" * 64, "size": size, "seed": len(name)})
        job = queue.submit("evaluate", spec, label=str(size))
        context: Context = local_context(queue.store.root.parent, job.id)  # type: ignore[attr-defined]
        found.save(context.out / "scores.json")
        for clip in CLIPS[:2]:
            for kind, pitch in (("original", 300.0), ("ceiling", 310.0), (f"decoded-{size}", hertz + size)):
                (context.out / "listening" / clip).mkdir(parents=True, exist_ok=True)
                write_wav(context.out / "listening" / clip / f"{kind}.wav", tone(pitch), 22_050)
        context.publish({})
        queue.ledger.finish(job.id, {})
        jobs.append(job.id)
    identity = f"{len(name):08x}"
    queue.ledger.add_sweep(identity, name, {}, jobs)
    return identity


@pytest.fixture
def surco(queue: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `surco compare` on the queue; returns what it prints, raises what it raises."""
    monkeypatch.setattr(command, "_client", lambda: queue)
    monkeypatch.setattr(command.console, "width", 100)

    return partial(invoke, "compare")


def test_a_difference_on_the_same_clips_shows_what_the_means_hide() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 1, len(CLIPS))  # what is hard about a track is hard for both
    base = scores(64, 2.0)

    def with_values(values: np.ndarray, dataset: str = "ab" * 32) -> Scores:
        from surco.metrics.aggregate import by_track

        systems = {**base.systems, "decoded": {**base.systems["decoded"], "zimtohrli": values.tolist()}}
        estimate = by_track(values, evidence_material.TRACKS)
        aggregate = {**base.aggregate, "decoded": {**base.aggregate["decoded"], "zimtohrli": estimate}}
        return base.model_copy(update={"systems": systems, "aggregate": aggregate, "dataset": dataset})

    first = with_values(2 + hard)
    better = 2.1 + hard + rng.normal(0, 0.02, len(hard))
    row = compare({64: first}, {64: with_values(better)}, measures=["zimtohrli"]).rows[0]
    assert row.apart and row.difference is not None
    assert 0.05 < row.difference.low < 0.1 < row.difference.high < 0.15
    elsewhere = compare({64: first}, {64: with_values(better, "cd" * 32)}, measures=["zimtohrli"]).rows[0]
    assert elsewhere.apart is False and elsewhere.difference is None, "other clips: the intervals meet"
    far = compare({64: first}, {64: with_values(9 + hard, "cd" * 32)}, measures=["zimtohrli"]).rows[0]
    assert far.apart is True
    same = compare({64: first}, {64: first}, measures=["zimtohrli"]).rows[0]
    assert same.apart is False


def test_too_few_tracks_give_no_verdict() -> None:
    few = scores(64, 2.0)
    keep = 7
    short = few.model_copy(
        update={
            "clips": few.clips[:keep],
            "systems": {s: {m: v[:keep] for m, v in d.items()} for s, d in few.systems.items()},
        }
    )
    row = compare({64: short}, {64: few}, measures=["zimtohrli"]).rows[0]
    assert row.difference is None
    less = short.aggregate["decoded"]["zimtohrli"].__class__(2.0, 1.9, 2.1, keep, 0)
    short = short.model_copy(update={"aggregate": {"decoded": {"zimtohrli": less}}})
    assert compare({64: short}, {64: few}, measures=["zimtohrli"]).rows[0].apart is None


def test_the_table_names_both_with_n_and_verdict(queue: Client, surco: Any) -> None:
    measured(queue, "old", {64: scores(64, 2.0), 512: scores(512, 3.0)})
    measured(queue, "newer", {64: scores(64, 2.6), 128: scores(128, 2.8)})
    out = surco("old", "newer")
    row = next(line for line in out.splitlines() if "zimtohrli" in line)
    assert row.startswith("64") and " 20 " in row and row.rstrip().endswith("yes")
    assert "chroma ↑" in out and "log_mel_db ↓" in out
    assert "Only in old: 512." in out and "Only in newer: 128." in out and "20 clips that both" in out
    told = json.loads(surco("old", "newer", "--json"))
    first = told["rows"][0]
    assert told["sizes"] == [64] and first["measure"] == "zimtohrli" and first["apart"] is True
    assert first["difference"]["mean"] == pytest.approx(first["second"]["mean"] - first["first"]["mean"])


def test_the_page_has_the_same_clips_of_both(queue: Client, surco: Any, tmp_path: Path) -> None:
    measured(queue, "old", {64: scores(64, 2.0), 512: scores(512, 3.0)}, hertz=400)
    measured(queue, "newer", {64: scores(64, 2.6), 512: scores(512, 3.1)}, hertz=4000)
    page = tmp_path / "both.html"
    assert str(page.name) in surco("old", "newer", "-o", str(page))
    html = page.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])  # type: ignore[index]
    assert data["title"] == "old | newer" and data["views"] == ["listen", "blind"]
    assert data["columns"] == ["original", "ceiling", "512 · old", "512 · newer", "64 · old", "64 · newer"]
    assert [c["id"] for c in data["clips"]] == CLIPS[:2]
    clip = data["clips"][0]
    assert clip["scores"]["64 · newer"] > clip["scores"]["64 · old"]
    for column, hertz in (("64 · old", 464), ("64 · newer", 4064), ("original", 300)):
        found = re.search(rf'id="sound-{clip["sounds"][column]}" [^>]*>([^<]*)<', html)
        wave, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])))  # type: ignore[index]
        peak = np.argmax(np.abs(np.fft.rfft(wave))) * rate / len(wave)
        assert abs(peak - hertz) < 5, column


def test_what_cannot_be_compared_is_refused(queue: Client, surco: Any, tmp_path: Path) -> None:
    measured(queue, "old", {64: scores(64, 2.0)})
    measured(queue, "newer", {128: scores(128, 2.0)})
    queue.ledger.add_sweep("aaaa", "nothing measured", {}, [])
    with pytest.raises(InputError, match="Both are sweep"):
        surco("old", "old")
    with pytest.raises(InputError, match=r"no size in common \(old: 64; newer: 128\)"):
        surco("old", "newer", "-o", str(tmp_path / "p.html"))
    with pytest.raises(InputError, match="nothing measured has measured no size"):
        surco("old", "nothing measured")
    assert not (tmp_path / "p.html").exists()


def test_sweeps_of_other_music_have_a_table_and_no_page(queue: Client, surco: Any, tmp_path: Path) -> None:
    other = scores(64, 2.0).model_copy(update={"dataset": "ef" * 32})
    measured(queue, "old", {64: scores(64, 2.0)})
    measured(queue, "newer", {64: other})
    assert "They measured different clips" in surco("old", "newer")
    with pytest.raises(InputError, match="no clip in common"):
        surco("old", "newer", "-o", str(tmp_path / "p.html"))
    assert not (tmp_path / "p.html").exists()
