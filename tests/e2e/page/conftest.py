"""The listening page, built once, and a headless Chromium to open it in."""

import shutil
from pathlib import Path

import pytest
import report_material

from surco.page.page import build_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("page")
    build_page(report_material.page(), out / "listen.html")
    frame = '<iframe sandbox="allow-scripts" src="listen.html" width=1200 height=700></iframe>'
    (out / "frame.html").write_text(f"<!doctype html><title>frame</title>{frame}")
    return out


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("needs Debian's chromium: `apt install chromium` (or point PATH to one)")
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
