"""The blind test of the listening page in headless Chromium, from its start to its score."""

import json

import pytest

from surco.page.listening_test import score_tests
from tests.e2e.page.steps import playing

MARKS = {"reference": 100, "ceiling": 80, "512": 60, "64": 30, "anchor": 20}


def take_test(page, listener: str, clips: int, marks: dict[str, int]) -> None:
    """Sit a blind test, marking each hidden condition as planned."""
    page.click("#tab-blind")
    page.fill("#listener", listener)
    page.fill("#count", str(clips))
    page.click("#begin")
    for _ in range(clips):
        mark_trial(page, marks)
        page.click("#next")


def mark_trial(page, marks: dict[str, int]) -> None:
    saved = page.evaluate("JSON.parse(localStorage.getItem('surco:test:0123456789abcdef'))")
    order = saved["trials"][saved["at"]]["order"]
    for i, condition in enumerate(order):
        page.keyboard.press(str(i + 1))
        page.locator(".sound input").nth(i).fill(str(marks[condition]))


def test_anchor_is_the_original_without_its_treble(tab) -> None:
    high, low = tab.evaluate(
        """() => [6000, 1000].map((hz) => {
          const x = Float32Array.from({ length: 8192 }, (_, i) => Math.sin(2 * Math.PI * hz * i / 22050));
          return Math.max(...surco.lowpass(x, 22050, 3500).slice(2000, 6000)); })"""
    )
    assert low == pytest.approx(1, abs=0.02) and high < 0.001


def test_blind_test_from_start_to_score(tab, tmp_path) -> None:
    take_test(tab, "Ana", 3, MARKS)
    with tab.expect_download() as got:
        tab.click("#save")
    path = tmp_path / "ana.json"
    got.value.save_as(path)
    found = score_tests([path])
    assert found.listeners == ["Ana"] and found.sweep == "0123456789abcdef"
    assert {c: o.mean for c, o in found.conditions.items()} == MARKS
    orders = [tuple(t["order"]) for t in json.loads(path.read_text())["trials"]]
    assert len(set(orders)) > 1, "the conditions are not shuffled"
    assert len({t["clip"] for t in json.loads(path.read_text())["trials"]}) == 3


def test_blind_test_tells_nothing_and_asks_for_every_mark(tab) -> None:
    tab.click("#tab-blind")
    tab.locator("#loop").check()
    tab.fill("#listener", "Ana")
    tab.click("#begin")
    tab.keyboard.press("1")
    playing(tab)
    words = tab.evaluate("document.body.innerText")
    assert not any(w in words for w in ("512", "64", "ceiling", "anchor", "ambient", "electronic"))
    tab.click("#next")
    assert "Listen to every sound" in tab.inner_text("#complaint")
    mark_trial(tab, {**MARKS, "reference": 90})
    tab.click("#next")
    assert "100" in tab.inner_text("#complaint")


def test_blind_test_is_resumed_after_closing_the_page(tab) -> None:
    tab.click("#tab-blind")
    tab.fill("#listener", "Ana")
    tab.fill("#count", "3")
    tab.click("#begin")
    mark_trial(tab, MARKS)
    tab.click("#next")
    before = tab.evaluate("localStorage.getItem('surco:test:0123456789abcdef')")
    tab.reload()
    tab.click("#tab-blind")
    tab.click("#resume")
    assert "2" in tab.inner_text("#blind h2")
    assert tab.evaluate("localStorage.getItem('surco:test:0123456789abcdef')") == before
