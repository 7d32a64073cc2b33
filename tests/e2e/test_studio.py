"""The studio in headless Chromium against the real server: heard, edited, saved; mouse, keys, phone."""

import base64
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from surco.audio.io import write_wav
from surco.codec import Codec
from surco.studio.opening import DEMO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: `apt install chromium` (or point PATH to one)"
)
JAZZ = next((DEMO / "jazz").glob("*.ogg"))
RATE = 22_050


class Server:
    """`surco studio` as a process, with temporary files in a folder of its own."""

    def __init__(self, folder: Path):
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "surco.cli", "studio", "--port", "0", "--no-browser"],
            env={**os.environ, "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"},
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
        refused = "status of 422" in message.text and "/api/songs" in message.location["url"]
        return message.type in ("error", "warning") and not refused

    yield opened
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


# What sounds, in pieces of 10 ms, while something is done; the answer holds levels and the largest step.
LISTEN = """async ([actions, wait]) => {
  const analyser = studio.deck.analyser, rate = analyser.context.sampleRate;
  analyser.fftSize = 8192;
  const heard = [];
  let last = analyser.context.currentTime, jump = 0;
  const take = () => {
    const now = analyser.context.currentTime;
    const count = Math.min(8192, Math.round((now - last) * rate));
    if (count < 1) return;
    last = now;
    const data = new Float32Array(8192);
    analyser.getFloatTimeDomainData(data);
    const fresh = data.subarray(8192 - count);
    for (let i = 1; i < fresh.length; i++) jump = Math.max(jump, Math.abs(fresh[i] - fresh[i - 1]));
    for (let i = 0; i + 220 <= fresh.length; i += 220) {
      let sum = 0;
      for (let k = i; k < i + 220; k++) sum += fresh[k] ** 2;
      heard.push(Math.sqrt(sum / 220));
    }
  };
  const timer = setInterval(take, 15);
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  await pause(300);
  const buffers = new Set([studio.deck.buffer]);
  const size = document.getElementById("size");
  const set = (value) => {
    size.value = value;
    size.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const value of actions) {
    const before = studio.deck.buffer;
    set(value - 0.125); // superseded by what follows at once
    set(value);
    for (let i = 0; i < 600 && studio.deck.buffer === before; i++) await pause(20);
    buffers.add(studio.deck.buffer);
    await pause(150);
  }
  await pause(wait);
  buffers.add(studio.deck.buffer);
  clearInterval(timer);
  return { heard, jump, buffers: buffers.size, playing: studio.deck.playing };
}"""


@needs_browser
def test_the_size_moves_while_it_plays_without_a_gap_or_a_click(tab: Any) -> None:
    open_song(tab)
    tab.click("#toggle")
    until(tab, "studio.deck.playing")
    tab.wait_for_timeout(300)
    alone = tab.evaluate(LISTEN, [[], 2000])
    moved = tab.evaluate(LISTEN, [[8, 6, 5, 11, 7], 500])
    assert moved["playing"] and moved["buffers"] >= 6, "the sound did not change while the slider moved"
    levels, usual = np.array(moved["heard"]), np.median(alone["heard"])
    assert len(levels) > 100 and levels.min() > usual / 8, "there is a gap"
    assert moved["jump"] < 2 * alone["jump"], "there is a click"


@needs_browser
def test_another_voice_goes_on_at_the_same_instant(tab: Any) -> None:
    open_song(tab)
    tab.click("#toggle")
    until(tab, "studio.deck.playing && studio.deck.share > 0.1")
    off = tab.evaluate(
        """async () => {
          const { deck } = studio, first = deck.buffer, before = deck.share, start = performance.now();
          document.querySelector('[data-voice="original"]').click();
          while (deck.buffer === first) await new Promise((r) => setTimeout(r, 5));
          const gone = (deck.share - before + 1) % 1;
          return Math.abs(gone * deck.duration - ((performance.now() - start) / 1000) % deck.duration);
        }"""
    )
    assert off < 0.15


@needs_browser
def test_measures_follow_the_size(tab: Any) -> None:
    open_song(tab, JAZZ.read_bytes(), JAZZ.name)
    value = "Number(document.querySelector('[data-measure=log_mel_db]').textContent)"
    until(tab, f"{value} > 0")
    before = tab.evaluate(value)
    tab.locator("#size").fill("5")
    until(tab, f"{value} > {before}")
    assert tab.inner_text("#sized") == "32 numbers"


@needs_browser
def test_edit_compare_undo(tab: Any) -> None:
    open_song(tab)
    open_song(tab, JAZZ.read_bytes(), JAZZ.name)
    tab.locator("#edit-tempo").fill("0.5")
    until(tab, "Math.abs(studio.deck.duration - 5 / Math.SQRT2) < 0.01")
    assert [tab.locator(f'[data-voice="{v}"]').count() for v in ("unedited", "processed", "mixed")] == [
        1,
        1,
        0,
    ]
    tab.locator("#edit-rhythm").fill("1")
    tab.locator('[data-voice="mixed"]').click()
    until(tab, "studio.deck.duration === 5")
    tab.locator('[data-voice="unedited"]').click()
    tab.locator('[data-voice="plain"]').click()
    until(tab, "studio.deck.duration < 4")
    tab.click("#undo")
    assert tab.evaluate("Object.keys(studio.state.edit.amounts)") == ["tempo"]
    tab.click("#undo")
    until(tab, "studio.deck.duration === 5")
    assert not tab.evaluate("studio.state.edited") and tab.locator("#undo").is_disabled()
    tab.click("#redo")
    until(tab, "studio.deck.duration < 4")


@needs_browser
def test_numbers_are_drawn_with_the_mouse_and_with_keys(tab: Any) -> None:
    open_song(tab)
    until(tab, "document.querySelectorAll('#parts li').length === 5")
    first = tab.evaluate_handle("studio.deck.buffer")
    tab.locator("#numbers").scroll_into_view_if_needed()
    box = tab.locator("#numbers").bounding_box()
    tab.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 20)
    tab.mouse.down()
    tab.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] - 20, steps=4)
    tab.mouse.up()
    assert tab.evaluate("Object.keys(studio.state.edit.drawn).length") >= 8
    until(tab, "studio.deck.buffer !== null")
    for _ in range(100):
        if tab.evaluate("(first) => studio.deck.buffer !== first", first):
            break
        tab.wait_for_timeout(100)
    else:
        pytest.fail("what was drawn is not heard")
    tab.click("#undo")
    assert tab.evaluate("Object.keys(studio.state.edit.drawn).length") == 0
    tab.focus("#numbers")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        tab.keyboard.press(key)
    assert tab.evaluate("Object.keys(studio.state.edit.drawn).length") == 1
    assert re.match(r"number \d+ of 512, \w+: ", tab.get_attribute("#numbers", "aria-valuetext"))


@needs_browser
def test_what_is_saved_decodes_to_the_same_bytes(tab: Any, tmp_path: Path) -> None:
    open_song(tab)
    tab.locator("#edit-brightness").fill("3")
    for format in ("wav", "npy", "flac", "surco", "studio", "html"):
        with tab.expect_download(timeout=120_000) as got:
            tab.click(f'[data-format="{format}"]')
        assert got.value.suggested_filename == f"chords.{format}"
        got.value.save_as(tmp_path / f"chords.{format}")
    Codec.load().decode_file(tmp_path / "chords.npy", tmp_path / "again.wav")
    assert (tmp_path / "again.wav").read_bytes() == (tmp_path / "chords.wav").read_bytes()
    drop(tab, (tmp_path / "chords.studio").read_bytes(), "chords.studio")
    until(tab, "studio.state.songs.length === 2")
    assert tab.evaluate("studio.state.edit.amounts.brightness") == 3


@needs_browser
def test_hostile_files_are_told_as_text_and_the_page_goes_on(tab: Any, server: Server) -> None:
    tab.context.clear_cookies()
    name = "<img src=x onerror=document.title='hit'>.wav"
    tab.evaluate("addEventListener('unhandledrejection', (e) => { throw e.reason; })")
    with tab.expect_response(lambda r: r.url.endswith("/api/songs")) as answer:
        drop(tab, b"RIFF" + bytes(500), name)
    assert answer.value.status == 422
    until(tab, "document.getElementById('complaint').textContent.length > 10")
    assert "<img" in tab.inner_text("#complaint") and tab.title() == "Surco studio"
    open_song(tab, JAZZ.read_bytes(), name.replace(".wav", ".ogg"))
    assert tab.locator("#songs img").count() == 0 and tab.title() == "Surco studio"
    assert tab.inner_text("#complaint") == ""


@needs_browser
def test_a_song_of_ten_minutes(tab: Any) -> None:
    open_song(tab, steady(600), "long.wav")
    assert tab.locator("#strip button").count() == 127
    tab.locator("#strip button").last.click()
    until(tab, "studio.state.clip === 126")
    tab.locator('[data-voice="original"]').click()
    until(
        tab, "studio.deck.buffer.getChannelData(0).slice(-10000).every((x) => x === 0)"
    )  # it ends before 5 s


@needs_browser
def test_a_page_that_is_left_takes_its_songs_along(tab: Any, server: Server) -> None:
    before = len(server.files())
    open_song(tab)
    assert len(server.files()) == before + 2
    tab.goto("about:blank")
    end = time.monotonic() + 20
    while len(server.files()) > before and time.monotonic() < end:
        time.sleep(0.1)
    assert len(server.files()) == before


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
        "numbers",
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


# -- many at once ----------------------------------------------------------------------------------


def test_twenty_clients_at_once_and_one_that_leaves(server: Server) -> None:
    import httpx2

    def client(number: int) -> int:
        with httpx2.Client(base_url=server.url, timeout=280) as http:
            session = http.post("api/session", headers={"x-surco-session": "new"}).json()["id"]
            headers = {"x-surco-session": session, "x-surco-name": f"{number}.ogg"}
            song = http.post("api/songs", content=JAZZ.read_bytes(), headers=headers).json()["id"]
            if number == 0:  # asks, and hangs up
                with pytest.raises(httpx2.TimeoutException):
                    http.post(
                        f"api/songs/{song}/sound", json={"kind": "textured"}, headers=headers, timeout=0.01
                    )
                http.delete("api/session", headers=headers)
                return 0
            heard = {
                http.post(f"api/songs/{song}/sound", json={"size": size}, headers=headers).content
                for size in (32, 64, 128, 512)
            }
            http.delete("api/session", headers=headers)
            return len(heard)

    before = len(server.files())
    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(client, range(20))) == [0] + [4] * 19
    assert len(server.files()) == before
    assert server.process.poll() is None


def test_the_sound_of_the_page_is_that_of_the_command_line(server: Server, tmp_path: Path) -> None:
    import httpx2

    wave = soundfile.read(io.BytesIO(steady()), dtype="float32")[0]
    write_wav(tmp_path / "song.wav", wave)
    codec = Codec.load()
    codec.decode_file(codec.encode_file(tmp_path / "song.wav", 512), tmp_path / "back.wav")
    with httpx2.Client(base_url=server.url, timeout=280) as http:
        session = http.post("api/session", headers={"x-surco-session": "new"}).json()["id"]
        headers = {"x-surco-session": session, "x-surco-name": "song.wav"}
        data = (tmp_path / "song.wav").read_bytes()
        song = http.post("api/songs", content=data, headers=headers).json()["id"]
        answer = http.post(f"api/songs/{song}/file", json={"format": "wav"}, headers=headers)
        http.delete("api/session", headers=headers)
    assert answer.content == (tmp_path / "back.wav").read_bytes()
