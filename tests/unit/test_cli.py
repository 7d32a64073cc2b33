"""The command line: what it imports, that every verb is documented, and encode, decode and info."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import typer.main
from typer.testing import CliRunner

import surco
import surco.cli
from services.cli import VERBS as SERVICES
from surco.audio.io import write_wav

ROOT = Path(__file__).resolve().parents[2]
ALL = [*surco.cli.VERBS, *SERVICES]
HEAVY = {
    "torch", "numpy", "numba", "scipy", "sklearn", "librosa", "matplotlib", "pydantic", "yaml", "soundfile",
    "celery", "kombu", "redis", "minio", "mlflow", "urllib3", "psutil", "typst", "surco.codec", "jobs",
}  # fmt: skip


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout


def test_help_imports_nothing_heavy() -> None:
    listing = """
import sys, surco.cli
sys.argv = ["surco", "--help"]
try:
    surco.cli.main()
except SystemExit as end:
    assert end.code == 0
print("modules", *sys.modules)
"""
    shown, _, modules = python(listing).partition("modules ")
    assert not HEAVY & set(modules.split())
    for verb in ALL:
        assert re.search(rf"\b{verb.name}\b", shown)


@pytest.mark.slow
def test_importing_surco_is_light_and_its_names_are_there() -> None:
    said = python(
        "import sys, surco; print('torch' in sys.modules, surco.Codec.__name__, 'torch' in sys.modules)"
    )
    assert said.split() == ["False", "Codec", "True"]
    assert set(surco.__all__) <= set(dir(surco))
    assert all(hasattr(surco, name) for name in surco.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        surco.nothing  # noqa: B018
    assert (Path(surco.__file__).parent / "py.typed").exists()


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command, with the words that call it."""
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, f"{path} {name}")


@pytest.mark.parametrize("verb", ALL, ids=lambda v: v.name)
def test_every_verb_is_documented(verb: Any) -> None:
    target = verb.target()
    if not isinstance(target, typer.Typer):
        assert target.__doc__.splitlines()[0] == verb.help
    for path, command in leaves(verb.command(), verb.name):
        assert command.help, path
        for option in command.params:
            if option.name != "help":
                assert option.help, f"{path} {option.name}"


def test_docs_list_every_command() -> None:
    from infra.commands import page

    assert (ROOT / "docs" / "commands.md").read_text() == page(), "run `python -m infra.commands`"


def surco_cli(monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `surco ...`."""
    monkeypatch.setattr(sys, "argv", ["surco", *map(str, words)])
    code: Any = 0
    try:
        surco.cli.main()
    except SystemExit as end:
        code = end.code or 0
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_song_goes_through_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    t = np.arange(3 * 22_050) / 22_050
    write_wav("song.wav", 0.2 * np.sin(2 * np.pi * 330 * t))
    assert surco_cli(monkeypatch, capsys, "encode", "song.wav", "-o", "song.npy", "--size", 64)[0] == 0
    assert np.load("song.npy").shape == (1, 64)
    code, said, _ = surco_cli(monkeypatch, capsys, "info", "song.npy", "--json")
    facts = json.loads(said)
    assert code == 0 and (facts["vectors"], facts["dimensions"], facts["seconds"]) == (1, 64, 3.0)
    assert surco_cli(monkeypatch, capsys, "decode", "song.npy", "-o", "back.wav")[0] == 0
    assert soundfile.info("back.wav").frames == len(t)
    code, said, _ = surco_cli(monkeypatch, capsys, "encode", "song.wav", "-o", "song.surco", "--size", 64)
    assert code == 0 and "kb/s" in said
    assert Path("song.surco").stat().st_size * 2 < Path("song.npy").stat().st_size
    assert "seconds: 3.0" in surco_cli(monkeypatch, capsys, "info", "song.surco")[1]
    assert surco_cli(monkeypatch, capsys, "decode", "song.surco", "-o", "packed.wav")[0] == 0
    assert soundfile.info("packed.wav").frames == len(t)
    assert surco_cli(monkeypatch, capsys, "encode", "song.wav", "-o", "x.npy", "--step", 8)[0] == 2
    assert "2048" in surco_cli(monkeypatch, capsys, "info")[1]
    assert surco_cli(monkeypatch, capsys, "version")[1].strip() == surco.__version__


@pytest.mark.parametrize(
    "words",
    [("encode", "no.mp3", "-o", "out.npy"), ("decode", "no.npy", "-o", "out.wav"), ("info", "no.npy")],
)
def test_bad_input_is_one_sentence_and_code_2(
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, error = surco_cli(monkeypatch, capsys, *words)
    assert code == 2 and words[1] in error and len(error) < 300 and error.count("\n") == 1 and not out
    assert not list(tmp_path.iterdir())


def test_verbs_appear_where_their_packages_are_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(surco.cli, "EXTENSIONS", ("no_such_services.cli", "json"))
    monkeypatch.setattr("surco.cli.verbs.find_spec", lambda name: None)
    listed = CliRunner().invoke(surco.cli.application(), ["--help"]).output
    assert "encode" in listed and "watch" not in listed and "edit " not in listed


def test_a_missing_package_and_a_dead_server_are_told_and_a_bug_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import redis

    from services.errors import ServerDown

    def fails(error: Exception) -> tuple[int, str, str]:
        def raising() -> None:
            raise error

        monkeypatch.setattr("surco.cli.codec.version", raising)
        return surco_cli(monkeypatch, capsys, "version")

    for error, words in (
        (ModuleNotFoundError("no", name="librosa.core"), "needs the package librosa"),
        (ServerDown("Redis", "127.0.0.1:1"), "Redis at 127.0.0.1:1"),
        (redis.ConnectionError("gone"), "Redis went away"),
    ):
        code, _, said = fails(error)
        assert code == 2 and words in said
    with pytest.raises(ModuleNotFoundError):
        fails(ModuleNotFoundError("no", name="surco.codec.typo"))
    with pytest.raises(ZeroDivisionError):
        fails(ZeroDivisionError())
