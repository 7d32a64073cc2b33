"""The studio as a process, and tabs of headless Chromium on it; a complaint on a console fails the test."""

import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from surco.studio.opening import DEMO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: `apt install chromium` (or point PATH to one)"
)
JAZZ = next((DEMO / "jazz").glob("*.ogg"))
RATE = 22_050


class Server:
    """`surco studio` as a process, with temporary files in a folder of its own.

    options, settings : of the command line, and variables beside those of this process
    """

    def __init__(self, folder: Path, options: Sequence[str] = (), settings: Mapping[str, str] | None = None):
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "surco.cli", "studio", "--port", "0", "--no-browser", *options],
            env={**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1", **(settings or {})},
            stdout=subprocess.PIPE, stderr=(folder / "errors").open("wb"), text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, (folder / "errors").read_text()
        self.url = found[0]

    def files(self) -> list[Path]:
        """What of songs lies on disk."""
        return [p for p in self.temporary.rglob("*") if p.suffix in (".pcm", ".f32") or "upload" in p.name]

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("studio"))
    yield started
    started.end()
    assert not list(started.temporary.glob("surco-studio-*")), "its folder outlives the server"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_tab(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """A function that opens the studio; a tab whose console complained fails the test."""
    with tabs(browser, server) as opened:
        yield opened


@contextmanager
def tabs(browser: Any, server: Server) -> Iterator[Callable[..., Any]]:
    """The same of any browser and server."""
    contexts, complaints = [], []

    def opened(**how: Any) -> Any:
        context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **how}
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if complains(m) else None)
        page.on("pageerror", lambda e: complaints.append(str(e)))
        page.on(
            "request", lambda r: None if r.url.startswith((server.url, "blob:")) else complaints.append(r.url)
        )
        page.goto(server.url)
        page.wait_for_selector("body[data-ready]")
        return page

    def complains(message: Any) -> bool:
        # the browser notes an upload that is refused by itself; the page tells it to the user
        url = message.location["url"]
        refused = "status of 422" in message.text and ("/api/songs" in url or "/api/watch" in url)
        return message.type in ("error", "warning") and not refused

    try:
        yield opened
    finally:
        for context in contexts:
            context.close()
    assert complaints == []


@pytest.fixture
def tab(open_tab: Callable[..., Any]) -> Any:
    return open_tab()


def until(page: Any, condition: str, *, seconds: float = 60) -> None:
    """Wait for a condition; Playwright's own way needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"never: {condition}"
        page.wait_for_timeout(50)


def steady(seconds: float = 12.0) -> bytes:
    """A WAV without a pause: chords under a broad noise, so that any gap would be heard."""
    rng = np.random.default_rng(3)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = sum(np.sin(2 * np.pi * f * t) for f in (220, 277, 330, 2200)) * 0.06 + rng.normal(0, 0.08, len(t))
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def drop(page: Any, data: bytes, name: str) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([text, name]) => {
          const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], name));
          const how = { dataTransfer: data, bubbles: true, cancelable: true };
          document.dispatchEvent(new DragEvent("drop", how));
        }""",
        [base64.b64encode(data).decode(), name],
    )


def open_song(page: Any, data: bytes | None = None, name: str = "chords.wav") -> None:
    before = page.evaluate("studio.state.songs.length")
    drop(page, steady() if data is None else data, name)
    until(page, f"studio.state.songs.length === {before + 1} && studio.deck.buffer !== null")
