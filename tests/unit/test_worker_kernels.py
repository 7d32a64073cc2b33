"""A worker's kernels: waited for with an end, and filled anew after a death in native code."""

import logging
import sys
from pathlib import Path

import pytest

from services.worker import kernels
from surco import kernel_cache, warm


@pytest.fixture(autouse=True)
def _nothing_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_renewing", [])


def test_a_death_in_native_code_renews_the_kernels_once_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    script = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    monkeypatch.setattr(kernels, "_command", lambda *options: [sys.executable, "-c", script, *options])
    assert not kernels.renew_kernels("its process died of SIGKILL (killed from outside)")
    assert kernels.renew_kernels("its process died of SIGSEGV (memory access in native code)")
    assert not kernels.renew_kernels("its process died of SIGABRT (native code gave up)")
    (renewing,) = kernels._renewing
    assert renewing.args[-1] == "--anew"  # type: ignore[index]
    gate.touch()
    assert renewing.wait(60) == 0
    assert kernels.renew_kernels("its process died of SIGABRT (native code gave up)")
    assert kernels._renewing[0].wait(60) == 0


def test_a_worker_does_not_wait_for_kernels_for_ever(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(kernels, "_command", lambda *options: sleeping)
    with caplog.at_level(logging.WARNING):
        kernels.warm_kernels(wait=0.2)
    assert "not compiled within" in caplog.text


def test_anew_fills_a_cache_that_is_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    compiled: list[int] = []
    monkeypatch.setattr(warm, "compile_all", lambda: compiled.append(1))
    for arguments, times in (([], 1), ([], 1), (["--anew"], 2)):
        monkeypatch.setattr(sys, "argv", ["warm", *arguments])
        assert warm.main() == 0
        assert len(compiled) == times
    assert kernel_cache.is_warm(kernel_cache.key())
