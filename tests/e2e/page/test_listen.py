"""The listening page in headless Chromium, as a user meets it: mouse, keys, map and songs."""

from dataclasses import replace

import pytest
import report_material

from surco.page.page import Page, build_page
from tests.e2e.page.steps import cell, playing


def test_a_click_plays_and_another_column_goes_on_at_the_same_instant(tab) -> None:
    tab.locator("#loop").check()
    cell(tab, 1, "original").click()
    playing(tab)
    first = tab.evaluate("surco.player.id")
    assert cell(tab, 1, "original").get_attribute("aria-pressed") == "true"
    tab.wait_for_function("surco.player.position > 0.3")
    jump = tab.evaluate(
        """async (first) => {
          const p = surco.player, before = p.position, start = performance.now();
          document.querySelector('.grid button[data-row="1"][data-column="64"]').click();
          while (p.id === first) await new Promise((r) => setTimeout(r, 5));
          const waited = (performance.now() - start) / 1000;
          const gone = (p.position - before + p.duration) % p.duration;
          return Math.abs(gone - waited);
        }""",
        first,
    )
    assert jump < 0.15, "the other column does not go on where the first one stood"
    assert cell(tab, 1, "64").get_attribute("aria-pressed") == "true"
    assert cell(tab, 1, "original").get_attribute("aria-pressed") == "false"


def test_what_plays_is_the_sound_of_the_cell(tab) -> None:
    tab.locator("#loop").check()
    levels = []
    for column in ("original", "64"):
        cell(tab, 0, column).click()
        playing(tab)
        levels.append(
            tab.evaluate(
                """async () => (await surco.sound(surco.player.id)).getChannelData(0)
                     .reduce((a, x) => a + x * x, 0)"""
            )
        )
    wave = report_material.page().rows[0].sounds["original"]
    assert levels[0] == pytest.approx(float((wave**2).sum()), rel=0.1)
    assert levels[0] != levels[1]


def test_keyboard_alone(tab) -> None:
    tab.focus("#loop")
    tab.keyboard.press(" ")  # or the short clip ends between two keys
    tab.keyboard.press("1")
    playing(tab)
    assert cell(tab, 0, "original").get_attribute("aria-pressed") == "true"
    tab.keyboard.press("4")
    tab.wait_for_selector('.grid button[data-row="0"][data-column="64"][aria-pressed=true]')
    tab.keyboard.press("ArrowDown")
    tab.wait_for_selector('.grid button[data-row="1"][data-column="64"][aria-pressed=true]')
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_selector('.grid button[data-row="1"][data-column="512"][aria-pressed=true]')
    tab.keyboard.press(" ")
    tab.wait_for_function("!surco.player.playing")
    at = tab.evaluate("surco.player.position")
    tab.keyboard.press(" ")
    playing(tab)
    assert tab.evaluate("surco.player.position") >= at
    tab.focus("#tab-listen")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("#blind").is_visible() and not tab.locator("#listen").is_visible()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement !== document.body")


def test_every_control_has_a_name(tab) -> None:
    for view in ("listen", "blind", "songs", "map"):
        tab.click(f"#tab-{view}")
        nameless = tab.evaluate(
            """() => [...document.querySelectorAll('button, input, canvas[tabindex], textarea')]
                 .filter((e) => e.checkVisibility())
                 .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length))
                 .map((e) => e.outerHTML)"""
        )
        assert nameless == []


def test_spectrogram_is_drawn_and_the_playhead_moves_and_seeks(tab) -> None:
    tab.locator("#loop").check()
    cell(tab, 0, "original").click()
    playing(tab)
    tab.wait_for_timeout(150)
    colours = tab.evaluate(
        """() => { const c = document.getElementById('spectrogram');
          const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
          const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(d[i] >> 4);
          return seen.size; }"""
    )
    assert colours > 6
    tab.locator("#toggle").click()
    box = tab.locator("#spectrogram").bounding_box()
    tab.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + 20)
    assert tab.evaluate("surco.player.position / surco.player.duration") == pytest.approx(0.75, abs=0.02)
    tab.focus("#spectrogram")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("surco.player.position / surco.player.duration") < 0.5


def test_map_click_plays_the_clip_and_the_size_switch_moves_it(tab) -> None:
    tab.locator("#loop").check()
    tab.click("#tab-map")
    tab.wait_for_function("surco.views.map.spot('jazz.00002')")
    x, y = tab.evaluate("surco.views.map.spot('jazz.00002')")
    box = tab.locator("#atlas").bounding_box()
    tab.mouse.click(box["x"] + x, box["y"] + y)
    playing(tab)
    assert "jazz.00002" in tab.inner_text("#now")
    number = next(
        c["sounds"]["original"]
        for c in tab.evaluate("JSON.parse(document.getElementById('data').textContent).clips")
        if c["id"] == "jazz.00002"
    )
    assert tab.evaluate("surco.player.id") == number
    tab.locator("input[name=size][value='64']").check(force=True)
    assert tab.evaluate("surco.views.map.spot('jazz.00002')") != [x, y]
    tab.locator("input[name=colour][value=cluster]").check(force=True)
    tab.wait_for_function("document.querySelector('.legend').innerText.trim().startsWith('1')")


def test_edits_play_step_by_step_and_songs_sound(tab) -> None:
    tab.click("#tab-map")
    tab.locator(".side button", has_text="A to B").click()
    tab.wait_for_function("document.getElementById('where').textContent.startsWith('2 / 3')", timeout=10_000)
    tab.locator(".side button", has_text="Ambient 2").click()
    tab.wait_for_function("document.getElementById('now').textContent.includes('Ambient 2')")
    tab.focus("#atlas")
    tab.keyboard.press("ArrowLeft")
    assert tab.inner_text("#live")
    tab.keyboard.press("Enter")
    tab.wait_for_function("!document.getElementById('now').textContent.includes('Ambient 2')")


def test_an_edit_is_heard_beside_the_unedited_song_and_the_baseline(tab) -> None:
    tab.click("#tab-songs")
    line = tab.locator("#songs .compared li")
    assert line.count() == 1 and line.locator("strong").inner_text() == "fade out"
    assert line.locator("small").inner_text() == "4 s · does it do what was asked: yes"
    unedited, edited, baseline = line.locator("button").all()
    assert [b.inner_text() for b in (unedited, edited, baseline)] == ["unedited", "edited", "filter, encoded"]
    unedited.click()
    playing(tab)
    tab.wait_for_function("surco.player.position > 0.3")
    edited.click()  # goes on where the other was
    tab.wait_for_function("document.querySelectorAll('.compared [aria-pressed=true]').length === 1")
    assert edited.get_attribute("aria-pressed") == "true" and tab.evaluate("surco.player.position") > 0.3
    assert tab.inner_text("#now") == "fade out: edited"
    tab.click("#language")
    assert line.locator("strong").inner_text() == "fundido final"


def test_songs_are_a_list_of_players_with_names_for_people(tab) -> None:
    tab.click("#tab-songs")
    lines = tab.locator("#songs ul:not(.compared) li")
    assert lines.count() == 6, "two songs and one edit at each of two sizes"
    assert "Ambient 2" in lines.nth(1).inner_text() and "drawn by the network" in lines.nth(1).inner_text()
    button = lines.nth(1).locator("button")
    assert "512 dimensions" in button.get_attribute("aria-label")
    button.click()
    playing(tab)
    assert button.get_attribute("aria-pressed") == "true" and "Ambient 2" in tab.inner_text("#now")
    tab.wait_for_function("document.querySelectorAll('#songs progress')[1].value > 0.05")
    edit = lines.nth(2)
    edit.locator("button").click()
    tab.wait_for_function("document.querySelectorAll('#songs progress')[2].value > 0.4", timeout=10_000)
    assert "from one song to another" in edit.inner_text()


def test_nothing_stands_where_no_sound_was_chosen_yet(tab) -> None:
    assert tab.locator("#spectrogram").is_hidden()
    cell(tab, 0, "original").click()
    playing(tab)
    assert tab.locator("#spectrogram").is_visible()


def test_a_page_of_two_sweeps_has_the_columns_of_both_and_no_empty_tabs(browser, tmp_path) -> None:
    rows = [
        replace(row, sounds={"original": row.sounds["original"], "64 · old": row.sounds["64"],
                             "64 · new": row.sounds["512"]}, scores={"64 · old": 2.0, "64 · new": 3.0})
        for row in report_material.page().rows
    ]  # fmt: skip
    both = Page(
        "0123456789abcdef", "old | new", rows, columns=list(rows[0].sounds), views=("listen", "blind")
    )
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    page.goto(build_page(both, tmp_path / "both.html").as_uri())
    assert page.locator("[role=tab]").count() == 2
    page.locator("#loop").check()
    cell(page, 0, "64 · new").click()
    playing(page)
    assert "64 · new" in page.inner_text("#where")
    page.focus("#tab-listen")
    page.keyboard.press("ArrowRight")
    assert page.locator("#blind").is_visible()
    context.close()
    assert errors == []
