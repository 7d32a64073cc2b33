"""The listening page where it is opened: languages, themes, a phone, a sandboxed frame, MLflow."""

import functools
import http.server
import json
import threading

import pytest
import report_material

from tests.e2e.page.steps import cell, playing


def test_spanish_has_no_english_left(tab) -> None:
    tab.click("#language")
    assert tab.evaluate("document.documentElement.lang") == "es"
    for view in ("listen", "blind", "songs", "map"):
        tab.click(f"#tab-{view}")
        words = set(tab.evaluate("document.body.innerText.toLowerCase()").replace("\n", " ").split())
        assert not words & {"the", "play", "listen", "size", "clip", "loop", "cluster", "ceiling", "songs"}


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
