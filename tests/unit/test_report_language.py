"""The words of the report: numbers, names and sentences in both languages, citations."""

import re
import string
from pathlib import Path

import evidence_material as material
import numpy as np
import pytest

from surco.audio.io import read_audio, write_wav
from surco.datasets.unused import explained
from surco.errors import InputError
from surco.judgement import judgement
from surco.report import language as voice
from surco.report.citations import cited
from surco.report.document import Para, Table, markup, source
from surco.report.language import Language, escape, level, texts
from surco.report.report import compose


def test_numbers_are_written_as_the_language_writes_them() -> None:
    en, es = Language("en"), Language("es")
    assert en.number(12345.678, 1) == "12,345.7" and es.number(12345.678, 1) == "12\u202f345,7"
    assert en.number(-0.001) == "0.00" and en.number(-1.5, 1) == "−1.5"
    assert en.number(None) == en.number(float("nan")) == "–"
    estimate = {"mean": 2.0, "low": 1.5, "high": 2.5}
    assert en.interval(estimate, 1) == "2.0\u00a0[1.5,\u00a02.5]"
    assert es.interval(estimate, 1) == "2,0\u00a0[1,5;\u00a02,5]"
    assert en.listing(["a", "b", "c"]) == "a, b and c" and es.listing(["a", "b"]) == "a y b"


def test_both_languages_say_the_same_things_with_the_same_places() -> None:
    english, spanish = texts("en"), texts("es")
    assert set(english) == set(spanish)
    for name in english:
        places = [
            {f for _, f, _, _ in string.Formatter().parse(t) if f} for t in (english[name], spanish[name])
        ]
        assert places[0] == places[1], name


def test_no_sentence_stands_in_both_languages() -> None:
    same = [
        k
        for k, v in texts("en").items()
        if len(v.split()) > 4 and v == texts("es")[k] and "reference." not in k
    ]
    assert same == []


def test_every_text_asked_for_exists() -> None:
    asked = set()
    for path in sorted((voice.HERE).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r'(?:language|spoken)\.(?:say|plain)\(\s*"([\w.]+)"', source))
    assert len(asked) > 80
    assert asked <= set(texts("en"))


def test_why_a_file_was_left_out_is_told_in_spanish(tmp_path: Path) -> None:
    for name, data in {
        "a.txt": b"x",
        "b.mid": b"x",
        "c.wav": b"",
        "d.wav": b"RIFFx" * 9,
        "e.raw": b"x",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "f.wav").symlink_to(tmp_path / "nothing")
    write_wav(tmp_path / "g.wav", np.zeros(22_050, np.float32))
    said = {s.reason for s in explained(["a.txt", "b.mid", "f.wav", "g.wav"], tmp_path)}
    for name in ("c.wav", "d.wav", "e.raw", "f.wav", "g.wav"):
        with pytest.raises(InputError) as found:
            read_audio(tmp_path / name)
        said.add(str(found.value))
    assert len(said) == 9
    for reason in said:
        assert Language("en").reason(reason) == reason
        assert Language("es").reason(reason) != reason
    assert Language("es").reason("c.wav is empty; fetch or export it again.").startswith("c.wav está vacío")
    assert Language("es").reason("unheard of") == "unheard of"


def test_plain_text_cannot_become_markup() -> None:
    assert escape("#eval[*x*] $a_b$") == "\\#eval\\[\\*x\\*\\] \\$a\\_b\\$"
    page = source("t", "s", [Table(["#a"], [["$b$"]], "c")], Language("en"))
    assert "[*\\#a*]" in page and "[\\$b\\$]" in page


def test_limits_name_the_first_that_is_reached() -> None:
    heard = judgement().report.encoding.heard
    assert [level(v, heard) for v in (4.9, 4.5, 3.2, 2.4, 1.2, -3)] == [
        "transparent", "transparent", "good", "recognisable", "poor", "poor",
    ]  # fmt: skip


def test_styles_and_jobs_are_told_in_spanish_and_unknown_ones_kept() -> None:
    es = Language("es")
    assert es.style("electronic") == "electrónica" and es.style("zamba") == "zamba"
    assert es.name("job", "train_prior") == "entrenar la red generadora"
    from jobs.kinds import all_kinds

    for kind in all_kinds().values():
        if kind.sweep:
            assert es.has(f"job.{kind.name}"), kind.name


def test_references_are_numbered_where_they_are_used_and_no_other_is_listed() -> None:
    words = Language("en")
    blocks = cited([Para("a [[flow]] b [[vocos]]"), Table(["x"], [], "c [[flow]]")], words)
    assert blocks[0].text == "a\u00a0\\[1\\] b\u00a0\\[2\\]" and blocks[1].caption == "c\u00a0\\[1\\]"
    assert [item[:6] for item in blocks[-1].items] == ["\\[1\\] ", "\\[2\\] "]
    assert "Liu" in blocks[-1].items[0] and "Siuzdak" in blocks[-1].items[1]
    keys = {k for t in texts("en").values() for k in re.findall(r"\[\[(\w+)\]\]", t)}
    assert keys <= {k.removeprefix("reference.") for k in texts("en")}
    for name, text in texts("en").items():
        assert re.findall(r"\[\[\w+\]\]", text) == re.findall(r"\[\[\w+\]\]", texts("es")[name]), name


def test_short_tables_float_and_the_first_stays_below_the_title(tmp_path: Path) -> None:
    rows = [["a", "1"]]
    assert "placement: auto" in markup(Table(["x", "y"], rows, ""))
    assert "placement: none" in markup(Table(["x", "y"], rows, "", floats=False))
    assert "placement: none" in markup(Table(["x", "y"], rows * 11, ""))  # floats are never broken
    first = next(b for b in compose(material.evidence(), Language("en"), tmp_path) if isinstance(b, Table))
    assert not first.floats
