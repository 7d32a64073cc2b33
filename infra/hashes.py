"""SHA-256 of every file of a pinned package, asked of the index that pip is configured with (PEP 691)."""

import json
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

ACCEPT = "application/vnd.pypi.simple.v1+json"


def index() -> str:
    """Address of the simple index: pip's configuration, else pip's own default."""
    from pip._internal.models.index import PyPI

    command = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return (found or PyPI.simple_url).rstrip("/")


def hashes_of(pins: Iterable[str]) -> dict[str, list[str]]:
    """By `name==version`, the hashes of its wheels and source archive; LookupError where there are none."""
    address = index()

    def ask(pin: str) -> tuple[str, list[str]]:
        name, _, version = pin.partition("==")
        with urlopen(Request(f"{address}/{name}/", headers={"Accept": ACCEPT}), timeout=60) as answer:
            files = json.load(answer)["files"]
        stem = name.replace("-", "_").lower()
        found = []
        for file in files:
            base = file["filename"].lower().replace("-", "_").replace(".", "_")
            wanted = f"{stem.replace('.', '_')}_{version.lower().replace('-', '_').replace('.', '_')}"
            if base == wanted + "_zip" or base.startswith((wanted + "_tar", wanted + "_py", wanted + "_cp")):
                found.append(file["hashes"]["sha256"])
        if not found:
            raise LookupError(f"The index {address} names no file of {pin}.")
        return pin, found

    with ThreadPoolExecutor(8) as pool:
        return dict(pool.map(ask, pins))
