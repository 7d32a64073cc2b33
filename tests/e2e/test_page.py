"""The listening page in headless Chromium, as a user meets it: mouse, keys, a phone, a sandboxed frame."""

import functools
import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest
import report_material

from surco.page.listening_test import score_tests
from surco.page.page import build_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs Debian's chromium: `apt install chromium` (or point PATH to one)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page")
    build_page(report_material.page(), out / "listen.html")
    frame = '<iframe sandbox="allow-scripts" src="listen.html" width=1200 height=700></iframe>'
    (out / "frame.html").write_text(f"<!doctype html><title>frame</title>{frame}")
    return out


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def tab(browser, folder):
    """A fresh tab with the page open; it fails the test if the page complained or asked the network."""
    context = browser.new_context(viewport={"width": 1200, "height": 800}, accept_downloads=True)
    page, complaints = context.new_page(), []
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith(("file:", "data:")) else complaints.append(r.url))
    page.goto((folder / "listen.html").as_uri())
    yield page
    assert complaints == []
    context.close()


def cell(page, row: int, column: str):
    return page.locator(f'.grid button[data-row="{row}"][data-column="{column}"]')


def playing(page) -> None:
    page.wait_for_function("surco.player.playing")


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


def test_anchor_is_the_original_without_its_treble(tab) -> None:
    high, low = tab.evaluate(
        """() => [6000, 1000].map((hz) => {
          const x = Float32Array.from({ length: 8192 }, (_, i) => Math.sin(2 * Math.PI * hz * i / 22050));
          return Math.max(...surco.lowpass(x, 22050, 3500).slice(2000, 6000)); })"""
    )
    assert low == pytest.approx(1, abs=0.02) and high < 0.001


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


MARKS = {"reference": 100, "ceiling": 80, "512": 60, "64": 30, "anchor": 20}


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


def test_spanish_has_no_english_left(tab) -> None:
    tab.click("#language")
    assert tab.evaluate("document.documentElement.lang") == "es"
    for view in ("listen", "blind", "songs", "map"):
        tab.click(f"#tab-{view}")
        words = set(tab.evaluate("document.body.innerText.toLowerCase()").replace("\n", " ").split())
        assert not words & {"the", "play", "listen", "size", "clip", "loop", "cluster", "ceiling", "songs"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_themes_and_the_button_turns_them(browser, folder, scheme) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto((folder / "listen.html").as_uri())
    contrast = """() => { const s = getComputedStyle(document.documentElement);
      const light = (v) => { const h = s.getPropertyValue(v).trim().slice(1);
        const [r, g, b] = [0, 2, 4].map((i) => parseInt(h.slice(i, i + 2), 16) / 255)
          .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
      return [ratio('--ink', '--paper'), ratio('--soft', '--paper'), ratio('--on-accent', '--accent'),
        ratio('--warn', '--paper'), light('--paper')]; }"""
    *ratios, paper = page.evaluate(contrast)
    assert min(ratios) >= 4.5  # WCAG AA
    page.click("#theme")
    assert (page.evaluate(contrast)[-1] > 0.5) != (paper > 0.5)
    context.close()


def test_on_a_phone_nothing_overflows_and_a_tap_plays(browser, folder) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto((folder / "listen.html").as_uri())
    page.locator("#loop").check()
    cell(page, 0, "512").tap()
    playing(page)
    for column in ("original", "ceiling", "512", "64"):
        box = cell(page, 0, column).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, (
            "every size is reached without scrolling aside"
        )
        assert column in cell(page, 0, column).inner_text()
    for view in ("listen", "blind", "songs", "map"):
        page.tap(f"#tab-{view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_songs_are_a_list_of_players_with_names_for_people(tab) -> None:
    tab.click("#tab-songs")
    lines = tab.locator("#songs li")
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


@pytest.mark.parametrize(("locale", "spoken"), [("es-AR", "es"), ("en-GB", "en"), ("fr-FR", "en")])
def test_the_page_opens_in_the_language_of_the_browser(browser, folder, locale, spoken) -> None:
    context = browser.new_context(locale=locale)
    page = context.new_page()
    page.goto((folder / "listen.html").as_uri())
    assert page.evaluate("document.documentElement.lang") == spoken
    assert ("un modelo de oyente" if spoken == "es" else "a model of a listener") in page.inner_text(
        "#listen"
    )
    page.click("#language")
    page.reload()
    assert page.evaluate("document.documentElement.lang") == ("en" if spoken == "es" else "es"), (
        "what was chosen stays"
    )
    context.close()


def test_the_listening_set_uses_the_width(browser, folder) -> None:
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page = context.new_page()
    page.goto((folder / "listen.html").as_uri())
    assert page.evaluate("document.querySelector('.grid').clientWidth") > 1500
    context.close()


def test_in_a_sandboxed_frame_over_http(browser, folder) -> None:
    """As trackers show HTML artifacts: an opaque origin, no localStorage, no downloads."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = browser.new_context()
    page, errors = context.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/frame.html")
        frame = page.frames[1]
        frame.locator("#loop").check()
        frame.locator('.grid button[data-row="0"][data-column="512"]').click()
        frame.wait_for_function("surco.player.playing")
        frame.click("#tab-blind")
        assert "keep" in frame.inner_text("#blind")
        frame.fill("#listener", "Ana")
        frame.fill("#count", "1")
        frame.click("#begin")
        for i in range(5):
            frame.locator(".sound button").nth(i).click()
            frame.locator(".sound input").nth(i).fill("100")
        frame.click("#next")
        assert json.loads(frame.input_value("#results"))["trials"][0]["marks"]["reference"] == 100
        assert errors == []
    finally:
        server.shutdown()
        context.close()


def test_inside_mlflow(browser, folder, mlflow_stack) -> None:
    """The page, logged on a run, plays and switches within MLflow's own view of it."""
    from mlflow import MlflowClient

    url = mlflow_stack.settings().mlflow_url
    client = MlflowClient(tracking_uri=url)
    experiment = client.create_experiment("listening page")
    run = client.create_run(experiment).info.run_id
    client.log_artifact(run, str(folder / "listen.html"))
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    page = context.new_page()
    try:
        page.goto(f"{url}/#/experiments/{experiment}/runs/{run}/artifacts/listen.html", timeout=90_000)
        frame = page.frame_locator("iframe").first
        frame.locator("#loop").check(timeout=90_000)  # the clips are short
        frame.locator('.grid button[data-row="0"][data-column="512"]').click()
        frame.locator('.grid button[data-row="0"][data-column="512"][aria-pressed=true]').wait_for()
        frame.locator('.grid button[data-row="0"][data-column="64"]').click()
        frame.locator("#now", has_text=report_material.page().rows[0].id).wait_for()
        frame.locator("#tab-map").click()
        frame.locator("#atlas").wait_for()
    finally:
        context.close()
