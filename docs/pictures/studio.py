"""Make docs/pictures/studio.png: the studio with two shipped clips, one of them edited, playing.

python docs/pictures/studio.py    # needs chromium and playwright
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PICTURE = Path(__file__).with_suffix(".png")
SIZE = {"width": 1280, "height": 960}


def until(page: Any, condition: str) -> None:
    """Wait for a condition in the page; its policy forbids the `eval` of Playwright's own way."""
    for _ in range(1200):
        if page.evaluate(f"Boolean({condition})"):
            return
        time.sleep(0.1)
    sys.exit(f"never: {condition}")


def main() -> None:
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "surco.cli", "studio", "--port", "0", "--no-browser"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://\S+", server.stdout.readline())
        assert address is not None
        with sync_playwright() as play:
            browser = play.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )  # fmt: skip
            page = browser.new_page(viewport=SIZE, locale="en-GB", color_scheme="light")
            page.goto(address[0])
            page.wait_for_selector("body[data-ready]")
            for count, name in enumerate(("rock", "jazz"), 1):
                page.get_by_role("button", name=name, exact=True).click()
                until(page, f"studio.state.songs.length === {count} && studio.deck.buffer")
            page.locator("#edit-rhythm").fill("0.8")
            page.locator("#edit-treble").fill("-4")
            until(page, "document.querySelector('[data-measure=chroma]').textContent !== '–'")
            page.click("#toggle")
            until(page, "studio.deck.share > 0.55 && !document.querySelector('#measures.old')")
            page.mouse.move(0, 0)
            page.screenshot(path=PICTURE)
            browser.close()
    finally:
        server.terminate()
        server.wait()
    print(PICTURE)


if __name__ == "__main__":
    main()
