"""The listening page as a file: what is in it, what it weighs, and what it refuses."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import report_material
import soundfile
from scipy.signal import correlate

from surco.errors import InputError
from surco.page import bundle, sounds
from surco.page.map_layout import SizeVectors, layouts
from surco.page.page import Atlas, Page, Row, build_page

RATE = 22_050


def data_of(html: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.S)[1])


def wave_of(html: str, number: int) -> np.ndarray:
    found = re.search(rf'id="sound-{number}" data-samples="(\d+)">([^<]*)<', html)
    wave, rate = soundfile.read(io.BytesIO(base64.b64decode(found[2])))
    assert rate == RATE
    return wave


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def html(tmp_path_factory) -> str:
    out = build_page(report_material.page(), tmp_path_factory.mktemp("page") / "listen.html")
    return out.read_text(encoding="utf-8")


def test_every_sound_named_is_there_and_is_that_sound(html) -> None:
    data = data_of(html)
    assert data["columns"] == ["original", "ceiling", "512", "64"]
    for clip, row in zip(data["clips"], report_material.page().rows, strict=True):
        for name, number in clip["sounds"].items():
            wave = np.asarray(row.sounds[name])
            got = wave_of(html, number)
            lag = np.argmax(correlate(got[: len(wave)], wave[:-2000], method="fft")) - (len(wave) - 2001)
            got = got[max(lag, 0) :][: len(wave) - 2000]
            assert np.corrcoef(got, wave[: len(got)])[0, 1] > 0.9, (clip["id"], name)


def test_nothing_is_fetched(html) -> None:
    code = re.sub(r'<script type="text/plain".*?</script>', "", html, flags=re.S)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", code)
    assert not re.findall(r"\bimport\s*[\"'({]|@import|\bfetch\(|XMLHttpRequest|https?://", code)


def test_map_has_a_place_for_everything(html) -> None:
    data = data_of(html)["map"]
    for places in data["layouts"].values():
        for size in ("64", "512"):
            assert len(places[size]["clips"]) == len(data["clips"]) == 16
            assert len(places[size]["songs"]) == len(data["songs"][size]) == 2
            assert [len(p) for p in places[size]["paths"]] == [len(p["sounds"]) for p in data["paths"][size]]
            assert 0 <= np.min(places[size]["clips"]) <= np.max(places[size]["clips"]) <= 1
    assert all(clip["sound"] is not None for clip in data["clips"])


def test_rate_is_the_best_that_fits_and_forty_clips_by_seven_sizes_fit() -> None:
    assert sounds.best_rate([5.0] * 40, 14e6) == 64
    rate = sounds.best_rate([5.0] * 40 * 9, 14e6)
    assert rate >= 32
    assert len(sounds.encode_mp3(tone(440, 5.0), RATE, rate)) * 4 / 3 < sounds.weight(5.0, rate)
    with pytest.raises(InputError, match="smaller listening set"):
        sounds.best_rate([5.0] * 4000, 14e6)


def test_previews_give_way_to_the_limit(tmp_path) -> None:
    page = report_material.page()
    shelf = sum(sounds.weight(1.2, 16) for _ in range(60))
    limit = int(260_000 + 90 * 16 * 2 + shelf)
    out = build_page(page, tmp_path / "small.html", limit=limit)
    data = data_of(out.read_text())["map"]
    assert out.stat().st_size <= limit
    assert {c["id"] for c in data["clips"] if c["sound"] is not None} >= {r.id for r in page.rows}


def test_titles_cannot_break_out_of_the_data(tmp_path) -> None:
    rows = [Row("</script><b>", "rock", "t", {"original": tone(440), "64": tone(450)})]
    html = build_page(Page("x", "</script>", rows), tmp_path / "p.html").read_text()
    assert "</script><b>" not in html
    assert data_of(html)["clips"][0]["id"] == "</script><b>"


def test_undefined_scores_are_left_out(tmp_path) -> None:
    rows = [Row("a", "rock", "t", {"original": tone(440), "64": tone(450)}, {"64": float("nan")})]
    assert (
        data_of(build_page(Page("x", "t", rows), tmp_path / "p.html").read_text())["clips"][0]["scores"] == {}
    )


def test_refusals_leave_no_file(tmp_path) -> None:
    out = tmp_path / "p.html"
    for page, words in (
        (Page("x", "t"), "neither a listening set nor vectors"),
        (replace(report_material.page(), language="fr"), "fr"),
    ):
        with pytest.raises(InputError, match=words):
            build_page(page, out)
    assert list(tmp_path.iterdir()) == []


def test_same_page_same_bytes(tmp_path) -> None:
    rows = [Row("a", "rock", "t", {"original": tone(440), "64": tone(450)})]
    a, b = (build_page(Page("x", "t", rows), tmp_path / f"{i}.html").read_bytes() for i in range(2))
    assert a == b


# -- the bundle and the layout -------------------------------------------------------------------


def test_modules_come_after_what_they_import() -> None:
    order = bundle.modules()
    assert order[-1] == "main.js"
    assert {p.name for p in bundle.PAGE.glob("*.js")} == set(order)
    for name in order:
        for needed in re.findall(r'from "\./([\w-]+\.js)"', (bundle.PAGE / name).read_text()):
            assert order.index(needed) < order.index(name)


def test_modules_share_no_top_level_name() -> None:
    names = re.findall(r"^(?:const|let|async function|function|class)\s+(\w+)", bundle.script(), re.M)
    assert len(names) == len(set(names)) > 20
    assert not re.search(r"^(?:import|export)\b", bundle.script(), re.M)


def test_circular_modules_are_refused(tmp_path) -> None:
    (tmp_path / "main.js").write_text('import { a } from "./b.js";\n')
    (tmp_path / "b.js").write_text('import { c } from "./main.js";\nexport const a = 1;\n')
    with pytest.raises(ValueError, match="circle"):
        bundle.script(tmp_path)


def test_both_languages_have_every_text() -> None:
    source = (bundle.PAGE / "texts.js").read_text()
    english, spanish = (set(re.findall(r'"([\w.]+)": "', part)) for part in source.split("  es: {"))
    assert english == spanish
    used = set(re.findall(r'\btext\("([\w.]+)"', bundle.script())) | set(
        re.findall(r'data-(?:text|label)="([\w.]+)"', (bundle.PAGE / "index.html").read_text())
    )
    assert used <= english


def test_sizes_that_say_the_same_are_drawn_the_same() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(c, 0.3, (12, 8)) for c in (0, 6, 12)]).astype(np.float32)
    mirrored = x.copy()
    mirrored[:, 1:] *= -1
    for name, places in layouts({8: SizeVectors(x), 4: SizeVectors(mirrored)}).items():
        a, b = (np.array(places[s]["clips"]) for s in ("8", "4"))
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9, name


def test_songs_stand_by_the_clips_they_equal() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(c, 0.2, (12, 8)) for c in (0, 8, 16)]).astype(np.float32)
    for name, places in layouts({8: SizeVectors(x, x[[0, 20, 30]])}).items():
        clips, songs = np.array(places["8"]["clips"]), np.array(places["8"]["songs"])
        nearest = np.argmin(((songs[:, None] - clips[None]) ** 2).sum(-1), axis=1) // 12
        assert nearest.tolist() == [0, 1, 2], name


def test_empty_map_is_drawn_as_empty(tmp_path) -> None:
    rows = [Row("a", "rock", "t", {"original": tone(440), "64": tone(450)})]
    html = build_page(Page("x", "t", rows, Atlas()), tmp_path / "p.html").read_text()
    assert data_of(html)["map"]["sizes"] == []
