"""The studio in Chromium: what is heard while the slider moves, edited, drawn, saved."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from surco.codec import Codec
from tests.e2e.studio_browser import JAZZ, drop, needs_browser, open_song, until

pytest_plugins = ["tests.e2e.studio_browser"]


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
    assert tab.inner_text("#sized") == "32 dimensions"


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
def test_dimensions_are_drawn_with_the_mouse_and_with_keys(tab: Any) -> None:
    open_song(tab)
    until(tab, "document.querySelectorAll('#parts li').length === 5")
    first = tab.evaluate_handle("studio.deck.buffer")
    tab.locator("#dimensions").scroll_into_view_if_needed()
    box = tab.locator("#dimensions").bounding_box()
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
    tab.focus("#dimensions")
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        tab.keyboard.press(key)
    assert tab.evaluate("Object.keys(studio.state.edit.drawn).length") == 1
    assert re.match(r"dimension \d+ of 512, \w+: ", tab.get_attribute("#dimensions", "aria-valuetext"))


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
