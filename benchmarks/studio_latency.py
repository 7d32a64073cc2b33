"""The studio's answers over HTTP, beside a Gradio app on the same codec: `make bench-studio`.

Two questions, asked in turn of both so that whatever else the machine does meets both alike:

- a clip is sent, encoded and decoded, and the sound comes back;
- the slider moves: a clip that is open is decoded at another size.

Gradio is installed for this alone (`pip install gradio`); without it, the studio is measured alone.
Every sound is checked to last 5 s. The studio is also asked by several clients at once.
"""

import argparse
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmarks import machine
from surco.codec.streaming import SAMPLES
from surco.datasets.sources import DEMO
from surco.files import write_bytes

BLOCK = 10  # questions to one side before the other is asked
RESULTS = Path(__file__).parent / "results"


class Studio:
    """`surco studio` as a process, and a page's session on it."""

    name = "Surco studio"

    def __init__(self, command: list[str]) -> None:
        import httpx2

        self.process, line = started([sys.executable, "-m", "surco.cli", "studio", "--port", "0", *command])
        self.http = httpx2.Client(base_url=line, timeout=120)
        session = self.http.post("api/session", headers={"x-surco-session": "new"}).json()["id"]
        self.headers = {"x-surco-session": session, "x-surco-name": "clip.ogg"}
        self.songs: list[str] = []

    def code(self, clip: Path, size: int) -> bytes:
        """Send a clip, hear it."""
        if self.songs:
            self.http.delete(f"api/songs/{self.songs.pop()}", headers=self.headers)
        answer = self.http.post("api/songs", content=clip.read_bytes(), headers=self.headers)
        self.songs.append(answer.json()["id"])
        return self.slide(size)

    def slide(self, size: int) -> bytes:
        """Hear the open clip at a size."""
        answer = self.http.post(
            f"api/songs/{self.songs[-1]}/sound", json={"size": size}, headers=self.headers
        )
        answer.raise_for_status()
        return answer.content


class Gradio:
    """The same in a Gradio app, asked by Gradio's own client."""

    name = "Gradio"

    def __init__(self) -> None:
        from gradio_client import Client

        self.process, line = started([sys.executable, "-m", "benchmarks.studio_gradio"])
        self.client: Any = Client(line, verbose=False)

    def code(self, clip: Path, size: int) -> bytes:
        from gradio_client import handle_file

        return Path(self.client.predict(handle_file(str(clip)), size, api_name="/code")).read_bytes()

    def slide(self, size: int) -> bytes:
        return Path(self.client.predict(size, api_name="/slide")).read_bytes()


def started(command: list[str]) -> tuple[subprocess.Popen[str], str]:
    """A server as a process, and the address that it prints."""
    options = ["--no-browser"] if "surco.cli" in command else []
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://[\w.:/]+", line):
            return process, found[0]
    raise SystemExit(f"{command[-1]} did not start.")


def timed(ask: Callable[[], bytes]) -> float:
    """Milliseconds until a sound of 5 s is there."""
    start = time.perf_counter()
    data = ask()
    passed = 1000 * (time.perf_counter() - start)
    seconds = soundfile.info(io.BytesIO(data)).duration
    assert abs(seconds - 5) < 0.01, f"a sound of {seconds} s"
    return passed


def spread(times: list[float]) -> dict[str, float]:
    return {name: float(np.percentile(times, p)) for name, p in (("median", 50), ("p95", 95), ("worst", 100))}


def crowd(studio: Studio, clients: int, each: int, size: int) -> dict[str, float]:
    """Clips of 5 s decoded a second for so many clients at once, and how long each waits."""
    with ThreadPoolExecutor(clients) as pool:
        start = time.perf_counter()
        times = list(pool.map(lambda i: timed(lambda: studio.slide(size + i % 7)), range(clients * each)))
        return {
            "clients": clients,
            "a second": clients * each / (time.perf_counter() - start),
            **spread(times),
        }


def parts(size: int, rounds: int = 30) -> dict[str, float]:
    """Milliseconds of processor time (median) of what a worker does for an answer."""
    from surco.studio import material, sounds
    from surco.studio.asks import Sound, parse

    material.start()
    codec = material.codec()
    vector = codec.encode(soundfile.read(next(DEMO.rglob("*.ogg")), dtype="float32")[0][:SAMPLES], size)
    wave = codec.decode(vector)
    steps: dict[str, Callable[[], Any]] = {
        "question checked": lambda: parse(Sound, json.loads(b'{"size": 512}')),
        "decoded": lambda: codec.decode(vector),
        "written as WAV": lambda: sounds.wav(wave),
    }
    found = {}
    for name, step in steps.items():
        times = []
        for _ in range(rounds):
            start = time.process_time()
            step()
            times.append(1000 * (time.process_time() - start))
        found[name] = float(np.median(times))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100, help="questions of each kind to each side")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--out", type=Path, default=RESULTS / "studio.md")
    options = parser.parse_args()
    clips = sorted(DEMO.rglob("*.ogg"))
    sides: list[Any] = [Studio([])]
    missing = "" if find_spec("gradio") else "Gradio is not installed (`pip install gradio`): it is left out."
    if not missing:
        sides.append(Gradio())
    found: dict[str, Any] = {}
    try:
        for side in sides:  # warm
            for clip in clips[:4]:
                side.code(clip, options.size)
        for what in ("code", "slide"):
            times: dict[str, list[float]] = {side.name: [] for side in sides}
            for block in range(options.count // BLOCK):
                for side in sides:
                    for i in range(block * BLOCK, (block + 1) * BLOCK):
                        clip, size = clips[i % len(clips)], options.size - i % 5
                        ask = partial(side.code, clip, size) if what == "code" else partial(side.slide, size)
                        times[side.name].append(timed(ask))
            found[what] = {name: spread(t) for name, t in times.items()}
        found["crowd"] = [crowd(sides[0], n, max(2, 24 // n), options.size) for n in (1, 2, 4)]
        found["parts"] = parts(options.size)
    finally:
        for side in sides:
            side.process.terminate()
            side.process.wait()
    text = report(found, options, missing)
    print(text)
    write_bytes(options.out, text.encode())
    facts = {**found, "machine": machine.kind(), "commit": machine.commit()}
    write_bytes(options.out.with_suffix(".json"), json.dumps(facts, indent=1).encode())


def report(found: dict[str, Any], options: argparse.Namespace, missing: str) -> str:
    """The results as Markdown."""
    command = f"python -m benchmarks.studio_latency --count {options.count} --size {options.size}"
    lines = [
        "# The studio over HTTP", "",
        f"`{command}`; commit {machine.commit()}; {machine.kind()}.", "",
        missing or "Milliseconds until the sound of a 5-second clip is there, both sides asked in turn.", "",
        "| question | side | median | 95 % within | worst |", "|---|---|---|---|---|",
    ]  # fmt: skip
    words = {"code": "clip sent, encoded, decoded", "slide": f"open clip at about {options.size} dimensions"}
    for what, told in words.items():
        for name, t in found[what].items():
            lines.append(f"| {told} | {name} | {t['median']:.0f} | {t['p95']:.0f} | {t['worst']:.0f} |")
    told = ", ".join(f"{name} {ms:.1f}" for name, ms in found["parts"].items())
    lines += ["", f"Of an answer, in milliseconds of processor time in the worker (median): {told}."]
    lines += [
        "",
        "| clients of the studio at once | clips a second | median ms | 95 % within |",
        "|---|---|---|---|",
    ]
    for c in found["crowd"]:
        lines.append(f"| {c['clients']} | {c['a second']:.1f} | {c['median']:.0f} | {c['p95']:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
