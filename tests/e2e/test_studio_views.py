"""The studio in Chromium: songs that are made, the map, and the edit by genre."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from surco.codec import Vectors
from tests.e2e.studio_browser import JAZZ, RATE, needs_browser, open_song, until

pytest_plugins = ["tests.e2e.studio_browser"]


LOUD = """() => {
  const sounding = new Float32Array(2048);
  studio.deck.analyser.getFloatTimeDomainData(sounding);
  return Math.max(...sounding);
}"""


def saved(page: Any, format: str, folder: Path) -> Path:
    with page.expect_download(timeout=120_000) as got:
        page.locator(f'[data-make="{format}"]').first.click()
    path = folder / got.value.suggested_filename
    got.value.save_as(path)
    return path


@needs_browser
def test_a_song_is_made_heard_saved_and_opened(tab: Any, tmp_path: Path) -> None:
    tab.click("#tab-make")
    tab.select_option("#make-genre", "folk")
    tab.select_option("#make-key", "A minor")
    tab.fill("#make-tempo", "100")
    tab.locator("#make-seconds").fill("10")
    tab.click("form.make button[type=submit]")
    until(tab, "document.querySelector('.made progress') !== null")
    until(tab, "document.querySelector('[data-make=wav]') !== null", seconds=200)
    tab.locator(".made button.main").click()
    until(tab, "studio.deck.playing && studio.deck.duration === 10")
    assert "A minor" in tab.inner_text("#now")
    tab.wait_for_timeout(700)
    until(tab, f"({LOUD})() > 0.01")
    wave, rate = soundfile.read(saved(tab, "wav", tmp_path), dtype="int16")
    assert rate == RATE and len(wave) == 10 * RATE
    flac = saved(tab, "flac", tmp_path)
    assert np.array_equal(soundfile.read(flac, dtype="int16")[0], wave)
    assert "A minor" in soundfile.SoundFile(io.BytesIO(flac.read_bytes())).title
    assert Vectors.load(saved(tab, "npy", tmp_path)).shape[1] == 2048
    tab.locator(".made button").last.click()
    until(tab, "!document.getElementById('studio').hidden && studio.deck.duration === 5")
    assert tab.evaluate("studio.state.song.made && studio.state.voices().includes('original')")


@needs_browser
def test_a_song_like_the_open_one_is_cancelled(tab: Any) -> None:
    open_song(tab, JAZZ.read_bytes(), JAZZ.name)
    tab.click("#tab-make")
    tab.check("#make-like")
    tab.locator("#make-seconds").fill("60")
    tab.click("form.make button[type=submit]")
    tab.locator(".made li button").click(timeout=60_000)
    until(tab, "document.querySelector('.made li')?.textContent.includes('cancelled')")
    assert tab.evaluate("studio.state.songs.length") == 1


@pytest.fixture
def atlas(tab: Any) -> Any:
    """The map with a song on it."""
    open_song(tab, JAZZ.read_bytes(), JAZZ.name)
    tab.click("#tab-map")
    until(tab, "studio.atlas.points.length > 300 && studio.atlas.star !== null", seconds=200)
    return tab


def spot(page: Any, index: int) -> tuple[float, float]:
    """Where a point of the map lies on the screen."""
    box = page.locator("#atlas").bounding_box()
    x, y = page.evaluate(f"studio.atlas.spot({index})")
    return box["x"] + x, box["y"] + y


# a point with nothing else near it, so that a click means it and no other
ALONE = """(() => {
  const a = studio.atlas, star = a.pixel(a.star);
  const gap = (i) => Math.min(Math.hypot(a.spot(i)[0] - star[0], a.spot(i)[1] - star[1]),
    a.nearest(...a.spot(i), (k) => k !== i).distance);
  return a.points.map((_, i) => i).sort((p, q) => gap(q) - gap(p));
})()"""


@needs_browser
def test_a_neighbour_is_heard_and_gives_its_harmony(atlas: Any) -> None:
    index = atlas.evaluate(ALONE)[0]
    before = atlas.evaluate_handle("studio.deck.buffer")
    atlas.mouse.click(*spot(atlas, index))
    until(atlas, "studio.deck.playing")
    for _ in range(600):
        if atlas.evaluate("(before) => studio.deck.buffer !== before", before):
            break
        atlas.wait_for_timeout(50)
    name = atlas.evaluate(f"studio.atlas.points[{index}].name")
    assert name in atlas.inner_text("#now") and name in atlas.inner_text("#map h2")
    assert not atlas.evaluate("studio.state.edited")
    atlas.click('[data-do="take.harmony"]')
    point = atlas.evaluate(f"studio.atlas.points[{index}].id")
    assert atlas.evaluate("studio.state.edit.others.harmony") == point
    until(atlas, "document.getElementById('now').textContent === 'Edited'")
    atlas.click("#tab-studio")
    assert atlas.input_value("#other") == point and atlas.input_value("#edit-harmony") == "1"


@needs_browser
def test_dragging_between_points_goes_on_the_way_and_the_star_follows(atlas: Any) -> None:
    start, end = atlas.evaluate(ALONE)[:2]
    (x, y), (to_x, to_y) = spot(atlas, start), spot(atlas, end)
    atlas.mouse.move(x, y)
    atlas.mouse.down()
    atlas.mouse.move(x + 0.2 * (to_x - x), y + 0.2 * (to_y - y), steps=3)
    atlas.mouse.move(x + 0.5 * (to_x - x), y + 0.5 * (to_y - y), steps=5)
    atlas.mouse.up()
    assert atlas.evaluate("studio.state.song.id") == atlas.evaluate(f"studio.atlas.points[{start}].id")
    between = atlas.evaluate("studio.state.edit.between")
    assert 0 < between["weight"] <= 1 and between["song"] != atlas.evaluate("studio.state.song.id")
    until(atlas, "studio.deck.buffer !== null && document.getElementById('now').textContent === 'Edited'")
    atlas.keyboard.press("z")
    assert atlas.evaluate("studio.state.edit.between") is None


@needs_browser
def test_the_map_by_keys_alone(atlas: Any) -> None:
    atlas.focus("#atlas")
    for key in ("ArrowRight", "ArrowDown"):
        atlas.keyboard.press(key)
    assert atlas.evaluate("studio.atlas.at") >= 0 and atlas.evaluate("studio.state.clip") == 0
    assert atlas.inner_text("#live") == atlas.inner_text("#map h2")
    atlas.keyboard.press("Enter")
    until(atlas, "studio.deck.playing")
    atlas.focus("#map-way")
    for _ in range(5):
        atlas.keyboard.press("ArrowRight")
    assert atlas.evaluate("studio.state.edit.between.weight") > 0
    assert atlas.evaluate("document.activeElement.id") == "map-way"


@needs_browser
def test_a_style_is_an_edit_like_any_other(tab: Any) -> None:
    open_song(tab, JAZZ.read_bytes(), JAZZ.name)
    tab.select_option("#style", "metal")
    tab.locator("#edit-style").fill("1")
    assert tab.evaluate("studio.state.edit.style") == {"genre": "metal", "weight": 1}
    until(tab, "document.getElementById('now').textContent === 'Edited'")
    tab.select_option("#style", "folk")
    assert tab.evaluate("studio.state.edit.style.genre") == "folk"
    tab.click("#undo")
    assert tab.evaluate("studio.state.edit.style.genre") == "metal" and tab.input_value("#style") == "metal"
    tab.click("#clear")
    assert not tab.evaluate("studio.state.edited")


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_map_and_where_songs_are_made(
    open_tab: Callable[..., Any], scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_tab(color_scheme=scheme, viewport={"width": 390, "height": 844})
    open_song(page)
    for view, ready in (("map", "studio.atlas.star !== null"), ("make", "true")):
        page.click(f"#tab-{view}")
        until(page, ready, seconds=200)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
