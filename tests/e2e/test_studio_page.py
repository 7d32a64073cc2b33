"""The studio in Chromium without a mouse, in both themes and languages, at the width of a phone."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.studio_browser import needs_browser, open_song, until

pytest_plugins = ["tests.e2e.studio_browser"]


@needs_browser
def test_keyboard_alone(tab: Any) -> None:
    open_song(tab)
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press(" ")
    until(tab, "studio.deck.playing")
    tab.keyboard.press("1")
    assert tab.evaluate("studio.state.voice") == "original"
    tab.keyboard.press("3")
    tab.keyboard.press("-")
    assert tab.evaluate("studio.state.size") == 256
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("studio.state.clip") == 1
    tab.focus("#edit-pitch")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("studio.state.edit.amounts.pitch") > 0 and tab.evaluate("studio.state.clip") == 1
    tab.keyboard.press("z")
    assert not tab.evaluate("studio.state.edited")
    tab.focus('[data-voice="plain"]')
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate("studio.state.voice") == "ceiling"
    assert tab.evaluate("document.activeElement.dataset.voice") == "ceiling"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "size"


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-GB", "es-ES"])
def test_axe_finds_nothing_to_complain_of(open_tab: Callable[..., Any], scheme: str, language: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = open_tab(color_scheme=scheme, locale=language)
    assert page.evaluate("document.documentElement.lang") == language[:2]
    for _ in range(2):  # empty, and with a song that is edited
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        open_song(page)
        page.locator("#edit-brightness").fill("3")
        until(page, "document.querySelector('[data-measure=chroma]').textContent !== '–'")
        until(page, "!document.getElementById('measures').classList.contains('old')")


@needs_browser
def test_spanish_has_no_english_left(open_tab: Callable[..., Any]) -> None:
    page = open_tab()
    open_song(page)
    page.click("#language")
    assert page.evaluate("document.documentElement.lang") == "es"
    words = set(page.evaluate("document.body.innerText.toLowerCase()").replace("\n", " ").split())
    assert not words & {
        "the",
        "hear",
        "dimensions",
        "make",
        "map",
        "edit",
        "save",
        "undo",
        "ceiling",
        "decoded",
        "choose",
        "song",
    }


@needs_browser
def test_on_a_phone_nothing_overflows(open_tab: Callable[..., Any]) -> None:
    page = open_tab(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    open_song(page)
    page.locator("#edit-brightness").fill("3")
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.tap("#language")
    page.tap("#toggle")
    until(page, "studio.deck.playing")
