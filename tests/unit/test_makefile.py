"""The Makefile on a fresh clone, before anything is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", ["watch", "songs", "report", "listen", "deliver", "stack-down"])
def test_verbs_on_a_fresh_clone_say_what_to_run_first(tmp_path: Path, verb: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    ran = subprocess.run(["make", verb], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "run make setup first" in ran.stderr and "No such file" not in ran.stdout
    assert not (tmp_path / ".venv").exists()
