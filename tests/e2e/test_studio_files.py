"""Hostile files, long ones, pages that are left, and many clients at once."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import soundfile

from surco.audio.io import write_wav
from surco.codec import Codec
from tests.e2e.studio_browser import JAZZ, Server, drop, needs_browser, open_song, steady, until

pytest_plugins = ["tests.e2e.studio_browser"]


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
