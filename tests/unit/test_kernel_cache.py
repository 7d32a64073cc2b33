"""Compiled kernels: many processes on one cache, none of them spoils it; two threads in ViSQOL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from surco import kernel_cache

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
# As librosa's `localmin`, which crashed where processes shared one folder: a kernel and its wrapper.
PEAKS = """
import numba
@numba.stencil
def kernel(x):
    return (x[0] > x[-1]) & (x[0] >= x[1])
@numba.guvectorize(["void(float64[:], bool_[:])"], "(n)->(n)", cache=True, nopython=True)
def peaks(x, y):
    y[:] = kernel(x)
"""
# Two processes, on an empty cache, in the order that spoils a shared one: both look, 0 saves its kernel, 1
# saves kernel and wrapper, 0 saves its wrapper. 1 has compiled more before: its kernel has another name.
SCRIPT = """
import pathlib, sys, time, numba, numpy as np
from numba.core.caching import IndexDataCacheFile as File
number, here = int(sys.argv[1]), pathlib.Path(sys.argv[2])
if sys.argv[3] == "ours":
    import surco
def wait(name):
    while not (here / name).exists():
        time.sleep(0.01)
load, save, saved = File.load, File.save, []
def slow_load(self, key):
    found = load(self, key)
    (here / f"looked{number}").touch()
    return found
def slow_save(self, key, data):
    saved.append(key)
    wait("looked1" if (number, len(saved)) == (0, 1) else "saved0" if number == 1 else "ended1")
    save(self, key, data)
    (here / f"saved{number}").touch()
if number < 2:
    File.load, File.save = slow_load, slow_save
for _ in range(number):
    numba.njit(lambda x: x + 1)(1.0)
sys.path.insert(0, str(here))
from peaks import peaks
(here / f"ended{number}").touch()
print(int(peaks(np.abs(np.sin(np.arange(400) / 7))).sum()), len(saved))
"""


def start(folder: Path, script: str, *args: str, **env: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(folder), **env}
    return subprocess.Popen(
        [sys.executable, "-c", script, *args], env=environment, text=True, stdout=subprocess.PIPE, cwd=ROOT
    )


def test_processes_that_start_together_on_an_empty_cache_do_not_spoil_it(tmp_path: Path) -> None:
    (tmp_path / "peaks.py").write_text(PEAKS)
    first = [start(tmp_path, SCRIPT, str(number), str(tmp_path), "ours") for number in range(2)]
    assert [process.communicate(timeout=240)[0].split() for process in first] == [["18", "2"]] * 2
    after = start(tmp_path, SCRIPT, "2", str(tmp_path), "ours")
    assert after.communicate(timeout=240)[0].split()[0] == "18"
    assert [process.returncode for process in (*first, after)] == [0, 0, 0]
    assert not list((tmp_path / kernel_cache.RUNS).iterdir()), "folders of ended processes are left"


def test_the_warm_cache_is_filled_once_and_appears_whole(tmp_path: Path) -> None:
    script = """
from surco import kernel_cache
def compile_all():
    from surco.audio import kernels
    kernels._over_length(3 + 4j)
print(kernel_cache.warm("key", compile_all), kernel_cache.is_warm("key"), kernel_cache.is_warm("another"))
"""
    both = [start(tmp_path, script) for _ in range(2)]
    said = sorted(process.communicate(timeout=240)[0].strip() for process in both)
    assert said == ["False True False", "True True False"]
    assert list((tmp_path / kernel_cache.WARM).rglob("*.nbc"))


def test_what_a_process_compiles_does_not_reach_the_warm_cache(tmp_path: Path) -> None:
    (tmp_path / kernel_cache.WARM / "sub").mkdir(parents=True)
    kept = tmp_path / kernel_cache.WARM / "sub" / "f.1.nbc"
    kept.write_bytes(b"warm")
    copy = tmp_path / "copy"
    kernel_cache._link(tmp_path / kernel_cache.WARM, copy)
    part = copy / "sub" / "part"
    part.write_bytes(b"own")
    part.replace(copy / "sub" / "f.1.nbc")  # as numba writes
    assert kept.read_bytes() == b"warm"


def test_a_dropped_cache_is_filled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert kernel_cache.warm("key", lambda: None)
    assert not kernel_cache.warm("key", lambda: None)
    kernel_cache.drop("key")
    assert not kernel_cache.is_warm("key")
    assert kernel_cache.warm("key", lambda: None)


def test_two_environments_of_a_user_do_not_renew_each_others_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    for key in ("one", "two"):
        assert kernel_cache.warm(key, lambda: None)
    assert kernel_cache.is_warm("one") and kernel_cache.is_warm("two")
    kernel_cache.drop("two")
    assert kernel_cache.is_warm("one")


def test_one_key_is_filled_while_another_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    filled: list[bool] = []
    assert kernel_cache.warm("one", lambda: filled.append(kernel_cache.warm("two", lambda: None)))
    assert filled == [True]


def test_the_oldest_warm_caches_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    for i in range(kernel_cache.KEPT + 2):
        kernel_cache.warm(str(i), lambda: None)
        os.utime(tmp_path / kernel_cache.WARM / str(i), (i, i))
    last = kernel_cache.KEPT + 1
    assert [i for i in range(last + 1) if kernel_cache.is_warm(str(i))] == list(range(2, last + 1))


def test_a_warm_cache_from_elsewhere_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "image"))
    kernel_cache.warm("key", lambda: None)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "volume"))
    assert not kernel_cache.is_warm("key")
    monkeypatch.setenv("NUMBA_WARM_CACHE_DIR", str(tmp_path / "image"))
    assert kernel_cache.is_warm("key") and not kernel_cache.is_warm("another")


def test_a_folder_that_may_not_be_written_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(blocked))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert kernel_cache.root() == tmp_path / "home" / "surco" / "kernels"


def test_threads_score_together_where_numba_has_no_thread_safe_layer(tmp_path: Path) -> None:
    pytest.importorskip("libsvm", reason="ViSQOL needs libsvm, which is left out where no compiler is")
    script = """
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from surco.metrics.listening import visqol
import numba
wave = np.random.default_rng(0).normal(0, 0.1, 48_000)
with ThreadPoolExecutor(4) as pool:
    scores = list(pool.map(lambda _: visqol(wave, wave), range(8)))
print(numba.threading_layer(), len(set(scores)))
"""
    one = start(kernel_cache.root(), script, NUMBA_THREADING_LAYER="workqueue", NUMBA_NUM_THREADS="2")
    assert one.communicate(timeout=280)[0].split() == ["workqueue", "1"]
    assert one.returncode == 0


def test_links_begin_again_where_the_warm_cache_is_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel of the old cache under a wrapper of the new one is the pair that jumps to address 0."""

    def fill(folder: Path, text: str) -> Path:
        (folder / "sub").mkdir(parents=True)
        for name in ("kernel.1.nbc", "wrapper.1.nbc"):
            (folder / "sub" / name).write_text(text)
        (folder / kernel_cache.KEY).write_text("key")
        return folder

    warm, taken = fill(tmp_path / kernel_cache.WARM, "old"), tmp_path / "taken"
    real, calls = kernel_cache._link_or_copy, []

    def replaced_after_the_first(source: Path, target: Path) -> None:
        real(source, target)
        calls.append(source)
        if len(calls) == 1:
            kernel_cache._replace(warm, fill(tmp_path / "fresh", "new"))

    monkeypatch.setattr(kernel_cache, "_link_or_copy", replaced_after_the_first)
    kernel_cache._take(warm, taken)
    assert len(calls) > 2, "the cache was never replaced in the middle"
    assert {p.read_text() for p in taken.rglob("*.nbc")} == {"new"}


def test_a_forked_child_neither_loads_nor_saves(tmp_path: Path) -> None:
    script = """
import os, surco, numpy as np
from surco import kernel_cache
from surco.audio import kernels
folder = kernel_cache.private_folder()
before = sorted(folder.rglob("*.nbc"))
child = os.fork()
if child == 0:
    kernels._over_length(np.complex64(3 + 4j))
    os._exit(0 if sorted(folder.rglob("*.nbc")) == before else 1)
assert os.waitpid(child, 0)[1] == 0, "the child wrote to its parent's folder"
kernels._over_length(np.complex64(3 + 4j))
print(len(sorted(folder.rglob("*.nbc"))) - len(before))
"""
    one = start(tmp_path, script)
    assert one.communicate(timeout=240)[0].split() == ["1"]


def test_a_folder_that_others_can_write_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(shared))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert kernel_cache.root() == tmp_path / "home" / "surco" / "kernels"


def test_another_processor_is_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """numba keeps code by processor: an image's cache from another one holds nothing that fits."""
    ours = kernel_cache.key()
    kernel_cache.key.cache_clear()
    monkeypatch.setattr(kernel_cache.llvm, "get_host_cpu_name", lambda: "another")
    theirs = kernel_cache.key()
    kernel_cache.key.cache_clear()
    assert ours != theirs
