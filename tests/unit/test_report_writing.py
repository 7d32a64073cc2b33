"""The report: sentences follow the numbers, what is missing is said, Spanish is Spanish, the PDF is one."""

import re
from pathlib import Path

import evidence_material as material
import numpy as np
import pytest

from surco.edits.judgement import Answer
from surco.errors import InputError
from surco.latents.study import Medoid, Study
from surco.metrics.aggregate import Estimate
from surco.metrics.choice import Rounds, choose_smallest
from surco.report.document import Bullets, Missing, Para, Picture, Table
from surco.report.evidence import Job
from surco.report.language import Language, texts
from surco.report.report import compose, write_report
from surco.report.sections.codec import CARD, SHOWN, parameters, shipped_curve
from surco.report.sections.edits import copied

pytestmark = pytest.mark.slow


def told(found, folder: Path, language: str = "en") -> str:
    """All that the report says in running text."""
    parts = []
    for block in compose(found, Language(language), folder):
        match block:
            case Para() | Missing():
                parts.append(block.text)
            case Bullets():
                parts += block.items
    return "\n".join(parts)


def key(name: str, language: str = "en") -> str:
    """The longest part of a text that holds no place to fill."""
    return max(re.split(r"\{\w+\}| ?\[\[\w+\]\]", texts(language)[name]), key=len)


# -- sentences follow the numbers ------------------------------------------------------------------


def test_encoding_says_where_linear_is_beaten_and_where_not(tmp_path) -> None:
    text = told(material.evidence(), tmp_path)
    assert Language("en").say("encoding.linear_better", sizes="512") in text
    assert Language("en").say("encoding.linear_worse", sizes="64") in text
    assert Language("en").say("encoding.bits_hidden", sizes="64", limit="2\u00a0%") in text
    assert key("encoding.heard_good") in text and key("encoding.heard_poor") not in text
    assert Language("en").say("encoding.structure_from", size="512", share="85\u00a0%") in text
    assert key("encoding.texture_helps") in text and key("encoding.texture_none") not in text


def test_no_size_is_claimed_where_none_holds(tmp_path) -> None:
    poor = {
        s: material.scores(s, zimtohrli=2.0, structure=0.3, against=1.0, textured=12.0) for s in (64, 512)
    }
    text = told(material.evidence(scores=poor, smallest=choose_smallest(poor)), tmp_path)
    assert key("encoding.smallest_not_passed") in text
    assert key("encoding.smallest_passed") not in text
    assert key("encoding.linear_equal") in text
    assert key("encoding.texture_none") in text


def test_study_says_what_vectors_know_and_what_size_changes(tmp_path) -> None:
    halves = [i % 2 for i in range(20)]
    none, sure = Estimate(0.2, 0.1, 0.3, 20, 0), Estimate(0.6, 0.5, 0.7, 20, 0)
    knows = material.study(512, labels=halves, genre_map=sure, accuracy=0.9)
    not_so = material.study(64, genre_map=none, accuracy=0.45, others=[512])
    text = told(material.evidence(studies={64: not_so, 512: knows}), tmp_path)
    assert key("study.ami_strong") in text
    assert key("study.stable") in text and key("study.neighbours") in text and key("study.probe") in text
    assert Language("en").say("study.size_helps", a="45\u00a0%", b="90\u00a0%") in text
    assert key("study.no_clusters") not in text and "clip.00002" in text
    poor = told(material.evidence(studies={64: not_so}), tmp_path)
    assert Language("en").say("study.no_clusters", size=64) in poor
    assert key("study.neighbours_chance") in poor and key("study.probe_chance") in poor


def test_a_study_is_read_back_as_it_was_written_and_an_old_one_is_refused_in_one_sentence(tmp_path) -> None:
    found = material.study(64, labels=[0, 1] * 10, track_map=Estimate(np.nan, np.nan, np.nan, 0, 20))
    path = found.save(tmp_path / "study.json")
    again = Study.load(path)
    assert again.model_dump_json() == found.model_dump_json() and again.clustering() == found.clustering()
    assert "NaN" not in path.read_text() and np.isnan(again.neighbours[0].track_map.mean)
    path.write_text('{"size": 64, "clusters": [{"description": "raw", "k": 2, "labels": [0, 1]}]}')
    with pytest.raises(InputError, match=r"no Study of this version .*run its job again\.$") as refused:
        Study.load(path)
    assert len(str(refused.value).replace(str(tmp_path), "")) < 300


@pytest.mark.parametrize("answer", ["yes", "partly", "no"])
def test_verdict_on_outside_music_is_that_of_the_run(tmp_path, answer) -> None:
    text = told(material.evidence(outside={512: material.outside(answer)}), tmp_path)
    assert [a for a in ("yes", "partly", "no") if key(f"short.outside_{a}") in text] == [answer]
    assert Language("en").say("outside.stress_fails", names="white noise and click") in text
    assert Language("en").say("outside.blind", names="click") in text


def test_judged_edits_are_the_answer_of_their_section(tmp_path) -> None:  # type: ignore[no-untyped-def]
    answers: dict[str, Answer] = {"brightness": "yes", "tempo": "partly", "between, aligned": "too few"}
    rows = [material.judged(name, answer) for name, answer in answers.items()]
    text = told(material.evidence(edits={512: material.edits(judged=rows)}), tmp_path)
    words = Language("en")
    assert words.say("edits.judged_answer", yes=1, all=3, n=40) in text
    assert words.say("edits.judged_partly", names="tempo") in text
    assert words.say("short.edits", yes=1, all=3) in text


@pytest.mark.parametrize(("answer", "says"), [("too few", "untold"), ("no", "none")])
def test_no_yes_is_claimed_of_edits_that_gave_none(tmp_path, answer, says) -> None:  # type: ignore[no-untyped-def]
    rows = [material.judged(name, answer) for name in ("brightness", "tempo")]
    for language in ("en", "es"):
        text = told(material.evidence(edits={512: material.edits(judged=rows)}), tmp_path, language)
        words = Language(language)
        assert words.say(f"edits.judged_{says}", all=2, n=40) in text
        assert words.say(f"short.edits_{says}", all=2) in text
        assert words.say("edits.judged_answer", yes=0, all=2, n=40) not in text


def test_edits_are_counted(tmp_path) -> None:
    rows = [material.move("genre by means", 0.4, "yes"), material.move("extrapolation", 0.01, "no")]
    text = told(material.evidence(edits={512: material.edits(rows)}), tmp_path)
    n = rows[0].measured.gain.tracks
    assert Language("en").say("edits.verdict_some", yes=1, all=2, n=n) in text
    assert Language("en").say("edits.moved", moved=1, all=2, n=n) in text
    none = told(material.evidence(edits={512: material.edits(rows[1:])}), tmp_path)
    assert Language("en").say("edits.verdict_none", all=1, n=n) in none


@pytest.mark.parametrize(
    ("difference", "p", "verdict"), [(-5.0, 0.001, "better"), (5.0, 0.001, "worse"), (-5.0, 0.4, "equal")]
)
def test_generation_is_judged_against_the_gaussian(tmp_path, difference, p, verdict) -> None:
    found = {512: material.prior(kad_difference=difference, p=p, copies=0.2)}
    text = told(material.evidence(priors=found), tmp_path)
    assert [v for v in ("better", "worse", "equal") if key(f"generation.flow_{v}") in text] == [verdict]
    assert key("generation.copies") in text and "clip.00001" in text


def test_listeners_enter_the_report(tmp_path) -> None:
    opinion = {"mean": 95.0, "low": 92.0, "high": 98.0, "marks": 10}
    tests = {"conditions": {"reference": opinion, "512": opinion}, "listeners": ["Ana"], "excluded": {}}
    assert key("encoding.tests_missing") in told(material.evidence(), tmp_path)
    text = told(material.evidence(tests=tests), tmp_path)
    assert Language("en").say("encoding.tests", listeners=1, excluded=0) in text
    assert key("encoding.reference_known") in text
    assert key("limits.ears") not in text


# -- what is missing -------------------------------------------------------------------------------


def test_every_missing_run_leaves_a_section_that_says_so_and_a_command(tmp_path) -> None:
    empty = material.Evidence("none", "0" * 64, [])
    blocks = compose(empty, Language("en"), tmp_path)
    missing = [b for b in blocks if isinstance(b, Missing)]
    assert len(missing) >= 7
    assert all(b.command.startswith("surco ") for b in missing)
    assert not [b for b in blocks if isinstance(b, Picture)]
    for part in ("encoding", "study", "outside", "edits", "generation"):
        assert key(f"short.{part}_missing") in told(empty, tmp_path)


def test_lost_jobs_are_named_with_their_reason(tmp_path) -> None:
    assert "making songs 64: no room" in told(material.evidence(), tmp_path)


@pytest.mark.parametrize("state", ["dead", "cancelled", "skipped", "unfinished"])
def test_a_section_without_findings_says_how_its_job_ended_and_what_mends_it(tmp_path, state) -> None:
    """A prior that was trained and died of a figure is not told as never trained."""
    cause = "c" * 64 if state == "skipped" else ""
    job = Job("train_prior", "d" * 64, 512, False, {}, "the figure cannot be drawn.", state, cause)
    found = material.evidence(jobs=[job])
    blocks = compose(found, Language("en"), tmp_path)
    mended = [b for b in blocks if isinstance(b, Missing) and "training the prior 512" in b.text]
    assert len(mended) == 1 and ("the figure cannot be drawn" in mended[0].text) == (state != "unfinished")
    command = {"unfinished": "surco show dddddddddddd", "skipped": "surco retry cccccccccccc"}
    assert mended[0].command == command.get(state, "surco retry dddddddddddd")
    text = told(found, tmp_path)
    assert key("generation.missing") not in text and key("short.generation_missing") not in text
    assert "*Generation.* This is missing" in text


def test_fewer_than_eight_tracks_give_no_interval() -> None:
    en = Language("en")
    assert en.interval(Estimate(0.03, 0.03, 0.03, 2, 0)) == "0.03"
    assert en.interval(Estimate(0.5, 0.4, 0.6, 8, 0)) == "0.50\u00a0[0.40,\u00a00.60]"
    assert en.interval({"mean": 0.5, "low": 0.4, "high": 0.6, "tracks": 7}) == "0.50"


def test_a_reader_that_cannot_read_real_clips_is_not_quoted(tmp_path) -> None:
    blind, sharp = (
        material.prior(kad_difference=-5.0, p=0.001, copies=0.0, reads_real=share) for share in (0.19, 0.8)
    )
    text = told(material.evidence(priors={512: blind}), tmp_path)
    assert key("generation.style_unread") in text and "19\u00a0%" in text
    assert key("generation.style_heard") not in text and key("generation.style_unheard") not in text
    tables = [b for b in compose(material.evidence(priors={512: blind}), Language("en"), tmp_path)
              if isinstance(b, Table)]  # fmt: skip
    assert not any("style accuracy" in t.header for t in tables)
    text = told(material.evidence(priors={512: sharp}), tmp_path)
    assert key("generation.style_heard") in text and key("generation.style_unread") not in text


def test_a_difference_inside_the_intervals_is_told_as_none(tmp_path) -> None:
    halves = [i % 2 for i in range(20)]

    def text(ours: Estimate, theirs: Estimate) -> str:
        found = material.study(512, labels=halves, genre_map=ours)
        row = found.neighbours[0].model_copy(update={"description": "MFCC statistics", "genre_map": theirs})
        found = found.model_copy(update={"neighbours": [*found.neighbours, row]})
        return told(material.evidence(studies={512: found}), tmp_path)

    assert key("study.like_mfcc") in text(Estimate(0.31, 0.2, 0.4, 20, 0), Estimate(0.35, 0.23, 0.49, 20, 0))
    assert key("study.below_mfcc") in text(Estimate(0.2, 0.1, 0.3, 20, 0), Estimate(0.6, 0.5, 0.7, 20, 0))
    assert key("study.like_mfcc") in text(Estimate(0.2, 0.1, 0.3, 5, 0), Estimate(0.6, 0.5, 0.7, 5, 0))


def test_front_page_names_the_sweep_and_who_hands_it_in(tmp_path) -> None:
    found = material.evidence(front={"group": "07", "authors": "Ana, Luis"})
    text = told(found, tmp_path)
    assert "Group: 07" in text and "Authors: Ana, Luis" in text
    rounds = Rounds(asked=(64, 1024), smallest=512, passed=True, studied=(256, 512, 1024))
    text = told(material.evidence(rounds=rounds), tmp_path)
    assert (
        Language("en").say("report.rounds", asked="64 and 1024", size=512, studied="256, 512 and 1024")
        in text
    )


def test_the_faults_of_the_data_stand_before_the_results(tmp_path) -> None:
    titles = [b.text for b in compose(material.evidence(), Language("en"), tmp_path) if hasattr(b, "level")]
    words = Language("en")
    assert titles.index(words.plain("data.title")) < titles.index(words.plain("encoding.title"))


def test_an_edit_that_stays_near_its_own_source_is_no_copy() -> None:
    assert copied(material.song("a", sources=["rock.1"], copies=["rock.1", "jazz.2"])) == ["jazz.2"]


# -- the PDF ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "es"])
def test_pdf_is_written_whole_and_the_same_twice(tmp_path, language) -> None:
    found = material.evidence(
        outside={512: material.outside("no")},
        edits={512: material.edits([material.move("extrapolation", 0.1, "no")])},
    )
    paths = [write_report(found, tmp_path / f"{i}.pdf", language=language) for i in range(2)]
    assert paths[0].read_bytes()[:5] == b"%PDF-" and paths[0].stat().st_size > 30_000
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert not list(tmp_path.glob("*.part"))


def test_unknown_language_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="'fr'"):
        write_report(material.evidence(), tmp_path / "r.pdf", language="fr")
    assert list(tmp_path.iterdir()) == []


def test_clusters_are_told_with_every_k_and_why(tmp_path) -> None:
    found = material.study(512, labels=[i % 2 for i in range(20)])
    row = found.clusters[0]
    scan = [
        one.model_copy(
            update={"silhouette": 0.3 / one.k, "v_measure": 0.2, "homogeneity": 0.2, "completeness": 0.2}
        )
        for one in row.scan
    ]
    heart = Medoid(
        cluster=0, file="m.wav", clip="rock.00001", genre="rock", clips=12, genres={"rock": 9, "jazz": 3}
    )
    rows = [row.model_copy(update={"scan": scan}), *found.clusters[1:]]
    study = found.model_copy(update={"clusters": rows, "medoids": [heart]})
    blocks = compose(material.evidence(studies={512: study}), Language("en"), tmp_path)
    table = next(b for b in blocks if isinstance(b, Table) and "homogeneity" in b.header)
    assert [r[1] for r in table.rows] == ["2", "3"] and table.rows[0][-1] == "chosen"
    contents = next(b for b in blocks if isinstance(b, Table) and "contents by style" in b.header)
    assert contents.rows[0][2] == "rock 9 and jazz 3" and contents.rows[0][3] == "75\u00a0%"
    text = told(material.evidence(studies={512: study}), tmp_path)
    assert Language("en").say("clusters.why_no_elbow", size=512, k=2, silhouette="0.15") in text


def test_every_size_says_which_bound_it_fails(tmp_path) -> None:
    blocks = compose(material.evidence(), Language("en"), tmp_path)
    table = next(b for b in blocks if isinstance(b, Table) and b.header[-1] == "holds")
    assert "listening" in table.rows[0][-1] and "> 0.50" in table.rows[0][-1] and table.rows[1][-1] == "yes"


def test_the_curve_of_the_shipped_weights_is_that_of_their_card() -> None:
    steps, errors = shipped_curve(CARD.read_text(encoding="utf-8"))
    assert steps[0] == 0 and steps == sorted(steps) and len(steps) >= 5
    assert set(SHOWN) <= set(errors) and all(v[0] > v[-1] for v in errors.values())
    assert shipped_curve("no table") == ([], {})


def test_the_parameters_of_every_part_are_counted() -> None:
    counts = parameters()
    assert set(counts) == {"transform", "encoder", "decoder", "size_embedding", "vocoder"}
    assert min(counts.values()) > 1000 and sum(counts.values()) > 4_000_000
