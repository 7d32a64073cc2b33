"""The studio records: Chromium plays a file to the page as if a microphone heard it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.e2e.studio_browser import CHROMIUM, RATE, Server, needs_browser, tabs, until

pytest_plugins = ["tests.e2e.studio_browser"]
HERTZ = 440


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Any]:
    """A browser whose microphone hears a tone of 440 Hz."""
    from playwright.sync_api import sync_playwright

    seconds = np.arange(48_000 * 6) / 48_000
    soundfile.write(
        tmp_path / "tone.wav", 0.4 * np.sin(2 * np.pi * HERTZ * seconds), 48_000, subtype="PCM_16"
    )
    arguments = [
        "--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={tmp_path / 'tone.wav'}",
    ]  # fmt: skip
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@needs_browser
def test_what_the_microphone_hears_is_opened_as_a_song(listening: Any, server: Server) -> None:
    with tabs(listening, server) as open_tab:
        page = open_tab()
        page.click("#record")
        until(page, "document.getElementById('record').getAttribute('aria-pressed') === 'true'")
        page.wait_for_timeout(4000)
        page.click("#record")
        until(page, "studio.state.songs.length === 1 && studio.deck.buffer !== null")
        song = page.evaluate("studio.state.song")
        assert song["name"] == "recording.wav" and song["original"] and 2 < song["seconds"] < 60
        page.click('[data-voice="original"]')
        until(
            page,
            "studio.state.voice === 'original' && document.getElementById('now').textContent === 'Original'",
        )
        page.wait_for_timeout(1500)
        wave = np.array(page.evaluate("[...studio.deck.buffer.getChannelData(0).slice(22050, 44100)]"))
        loudest = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() * RATE / len(wave)
        assert wave.std() > 0.02 and abs(loudest - HERTZ) < 3


@needs_browser
def test_without_a_microphone_the_page_says_so(tab: Any) -> None:
    tab.click("#record")
    until(tab, "document.getElementById('complaint').textContent.includes('microphone')")
    assert tab.get_attribute("#record", "aria-pressed") == "false"
