"""The examples and the README's Python, run on small music."""

import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from surco.audio.io import write_wav

ROOT = Path(__file__).resolve().parents[2]
RATE = 22_050


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two styles, low and high notes, of six tracks of 6 s each."""
    folder = tmp_path_factory.mktemp("music")
    t, rng = np.arange(6 * RATE) / RATE, np.random.default_rng(0)
    for i in range(12):
        style = folder / ("low" if i < 6 else "high")
        style.mkdir(exist_ok=True)
        wave = 0.2 * np.sin(2 * np.pi * 110 * (i + 1) * t) * (1 + np.sin(2 * np.pi * (i % 3 + 1) * t))
        write_wav(style / f"{i}.wav", wave + 0.01 * rng.normal(size=len(t)))
    return folder


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)

    def run(name: str, *words: object) -> str:
        """What an example prints, run in an empty folder."""
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(ROOT / "examples" / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def test_encode_decode(run: Callable[..., str], music: Path) -> None:
    assert "2 vectors of 2048 dimensions" in run("encode_decode", music / "low" / "0.wav")
    assert all(soundfile.info(f"back-{size}.wav").frames == 6 * RATE for size in (64, 256, 2048))
    assert np.load("song.npy").shape == (2, 2048)


def test_latents_to_sklearn(run: Callable[..., str], music: Path) -> None:
    said = run("latents_to_sklearn", music)
    assert "12 files, 2 styles" in said
    assert float(re.search(r"accuracy ([\d.]+)", said)[1]) > 0.5


@pytest.mark.slow
def test_fine_tune(run: Callable[..., str], music: Path) -> None:
    assert re.search(r"codec [0-9a-f]{16}: [\d.]+ dB on valid clips at step \d", run("fine_tune", music, 1))
    assert list(Path("runs").rglob("codec.safetensors"))


@pytest.mark.slow
def test_sweep(run: Callable[..., str], music: Path) -> None:
    errors = re.findall(r"(\d+) dimensions: ([\d.]+) dB", run("sweep", music))
    assert [int(size) for size, _ in errors] == [32, 128, 512]
    assert float(errors[0][1]) > float(errors[1][1]) > float(errors[2][1])


def test_edit_song(run: Callable[..., str], music: Path) -> None:
    assert "tempo" in run("edit_song", music / "low" / "0.wav")
    assert soundfile.info("edited.wav").duration == pytest.approx(6 / 1.2, abs=0.01)


def test_every_example_has_a_test() -> None:
    names = {f"test_{path.stem}" for path in (ROOT / "examples").glob("*.py")}
    assert names and names <= set(globals())


def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, music: Path) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.mp3", soundfile.read(music / "low" / "0.wav")[0], RATE)
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert snippets
    for snippet in snippets:
        exec(compile(snippet, "README.md", "exec"), {"__name__": "readme"})
    assert soundfile.info("back.wav").samplerate == RATE
