"""The package as it is declared: what the codec needs, and that every dependency is explained."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement)[0]).lower()


def test_the_codec_needs_nothing_but_its_own_dependencies() -> None:
    """The packages of every extra are hidden from an interpreter that encodes and decodes."""
    core = {name_of(one) for one in PROJECT["dependencies"]}
    extra = {name_of(one) for name in PROJECT["optional-dependencies"].values() for one in name} - core
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if {name_of(owner) for owner in owners} & extra and module not in ("pydantic", "surco")
    ]
    assert {"librosa", "celery", "mlflow", "matplotlib", "torchaudio", "sklearn", "typst"} <= set(hidden)
    code = f"""
import sys
hidden = set({hidden!r}) | {{"jobs", "services"}}
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
assert __import__("importlib.util").util.find_spec("librosa") is None
import numpy, surco, surco.cli.codec
codec = surco.Codec.load()
vector = codec.encode(0.1 * numpy.sin(numpy.arange(50_000) / 9), 64)
assert codec.decode(vector, texture=surco.Texture.load()).shape == (110_250,)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_every_dependency_has_its_line() -> None:
    first, second = (ROOT / "docs" / "dependencies.md").read_text().split("| package | why |")[1:]

    def names(table: str) -> set[str]:
        rows = re.findall(r"^\| ([^|]+) \|", table, re.M)
        return {name_of(name.strip()) for row in rows for name in row.split(",")}

    extras = PROJECT["optional-dependencies"].values()
    rest = {name_of(one) for extra in extras for one in extra} - {"surco"}
    assert names(first) == {name_of(one) for one in PROJECT["dependencies"]}
    assert rest <= names(second), sorted(rest - names(second))
