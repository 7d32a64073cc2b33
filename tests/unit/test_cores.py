"""Which GPU a child of the worker sees, in a real pool of processes, by what `nvidia-smi` lists."""

import os
import signal
import time
from pathlib import Path

import pytest
from billiard.pool import Pool

from services.worker.cores import gpus, take_own_gpu

PARTS = """  MIG 3g.40gb     Device  0: (UUID: MIG-1111)
  MIG 3g.40gb     Device  1: (UUID: MIG-2222)
"""
LISTED = """GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-cccc)
GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-dddd)
"""


def driver_lists(text: str, folder: Path) -> None:
    script = folder / "nvidia-smi"
    script.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\n")
    script.chmod(0o755)


@pytest.fixture
def three_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver_lists(LISTED, tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_all_gpus_that_the_driver_lists_or_those_that_were_given(
    three_gpus: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gpus() == ["0", "1", "2"]
    first, rest = LISTED.split("GPU 1", 1)
    driver_lists(f"{first}{PARTS}GPU 1{rest}", tmp_path)
    assert gpus() == ["MIG-1111", "MIG-2222", "1", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-cccc,GPU-dddd")
    assert gpus() == ["GPU-cccc", "GPU-dddd"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # none: jobs run on the cores
    assert gpus() == []


def _seen(seconds: float) -> tuple[int, str]:
    time.sleep(seconds)
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]


def _busy(folder: Path) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(2)


def test_each_child_sees_a_gpu_of_its_own_and_its_successor_the_same(
    three_gpus: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", ",".join(gpus()))
    pool = Pool(3, initializer=take_own_gpu, lost_worker_timeout=0.5)
    try:
        before = dict(_of_all(pool))
        assert sorted(before.values()) == ["0", "1", "2"]
        lost = next(pid for pid, gpu in before.items() if gpu == "1")
        # Killed at work: one of the idle children holds the lock of the queue, and would take it along.
        begun = tmp_path / "begun"
        begun.mkdir()
        for _ in before:
            pool.apply_async(_busy, (begun,))
        while {path.name for path in begun.iterdir()} != set(map(str, before)):
            time.sleep(0.01)
        os.kill(lost, signal.SIGKILL)
        while lost in {worker.pid for worker in pool._pool}:
            time.sleep(0.05)
        after = dict(_of_all(pool))
        assert sorted(after.values()) == ["0", "1", "2"]
        assert lost not in after and {p for p, g in after.items() if g != "1"} <= set(before)
    finally:
        pool.terminate()
        pool.join()


def _of_all(pool: Pool) -> set[tuple[int, str]]:
    """What each of the three children sees; asked until every one has answered."""
    found: set[tuple[int, str]] = set()
    while len(found) < 3:
        found |= set(pool.map(_seen, [0.2] * 3, chunksize=1))
    return found
