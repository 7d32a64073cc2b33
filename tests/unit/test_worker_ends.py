"""A worker that hangs ends; a process that died by a signal is named; cores are those that may be used."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from billiard.common import human_status
from celery.utils import sysinfo

from services.queue.ledger import DEAD, QUEUED, RUNNING
from services.worker.cores import shares
from services.worker.deaths import explain, tell_death
from services.worker.ending import Ending
from tests.private_valkey import PrivateValkey
from tests.unit.test_worker_health import lost_message, make_client

HANGING = """
import ctypes, signal, subprocess, time
from services.worker.ending import Ending
Ending(0.1, lambda: 0, margin=0.5).watch()
signal.signal(signal.SIGTERM, lambda *_: None)
print(subprocess.Popen(["sleep", "1000"]).pid, flush=True)
{hang}
"""
HANGS = {
    "in Python": "while True: time.sleep(1)",
    # a mutex locked twice: pthread_mutex_lock is not interrupted by signals, so no handler runs
    "in C": "c, m = ctypes.CDLL(None), bytes(64); [c.pthread_mutex_lock(m) for _ in 'ab']",
}


@pytest.mark.parametrize("hang", HANGS)
def test_a_hanging_worker_ends_with_its_children_and_says_where_it_hung(hang: str) -> None:
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "REMAP_SIGTERM": "SIGQUIT"}
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING.format(hang=HANGS[hang])], env={**os.environ, **env},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "did not end within" in err and "Current thread" in err and "<module>" in err
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_a_warm_shutdown_waits_for_its_jobs_and_a_cold_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REMAP_SIGTERM", raising=False)
    jobs, left = [1], threading.Event()
    ending = Ending(0.0, lambda: jobs[0], margin=0.05, leave=left.set)
    ending.start()
    ending._writer.send(bytes([signal.SIGTERM]))
    assert not left.wait(1.5)
    jobs[0] = 0
    assert left.wait(30)

    jobs[0], left = 1, threading.Event()
    ending = Ending(0.0, lambda: jobs[0], margin=0.05, leave=left.set)
    ending.start()
    ending._writer.send(bytes([signal.SIGCHLD]))
    ending._writer.send(bytes([signal.SIGQUIT]))
    assert left.wait(30)


def test_the_reason_names_the_signal() -> None:
    assert "SIGSEGV (memory access" in explain(f"Worker exited prematurely: {human_status(-11)} Job: 3.")
    assert "SIGABRT" in explain(f"Worker exited prematurely: {human_status(-6)} Job: 3.")
    assert "SIGKILL" in explain(f"Worker exited prematurely: {human_status(-9)} Job: 3.")
    assert "exit code 7" in explain(f"Worker exited prematurely: {human_status(7)} Job: 3.")
    assert "lost" in explain("something else")


def test_a_death_fails_the_attempt_of_the_dead_process_and_no_other(valkey: PrivateValkey) -> None:
    client = make_client(valkey.settings())
    job = lost_message(client)
    assert client.claim(job, "host:7")
    assert tell_death(client, "host:8", "its process died of SIGSEGV") == ""
    assert client.ledger.get(job).state == RUNNING  # type: ignore[union-attr]
    assert tell_death(client, "host:7", "its process died of SIGSEGV") == QUEUED
    row = client.ledger.get(job)
    assert row is not None and row.reason == "its process died of SIGSEGV" and row.attempts == 1
    assert not client.ledger.redis.exists(f"surco:lease:{job}")  # any host may go on at once
    assert client.ledger.redis.llen("cpu") == 1
    assert tell_death(client, "host:7", "twice") == ""
    assert "Attempt 1: its process died of SIGSEGV." in list(client.ledger.log_lines(job))


def test_three_deaths_of_the_process_are_the_end(valkey: PrivateValkey) -> None:
    client = make_client(valkey.settings())
    job = lost_message(client)
    for attempt in range(3):
        assert client.claim(job, f"host:{attempt}")
        state = tell_death(client, f"host:{attempt}", "its process died of SIGABRT")
    assert state == DEAD


def cgroup(root: Path, monkeypatch: pytest.MonkeyPatch, proc: str, files: dict[str, str]) -> None:
    for name, text in {**files, "proc": proc}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(sysinfo, "CGROUP_ROOT", str(root))
    monkeypatch.setattr(sysinfo, "PROC_SELF_CGROUP", str(root / "proc"))


V1 = {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("affinity", "proc", "files", "wanted", "expected"),
    [
        (64, "0::/job\n", {"job/cpu.max": "400000 100000", "cpu.max": "max 100000"}, 0, (4, 1)),
        (64, "0::/job\n", {"job/cpu.max": "max 100000", "cpu.max": "150000 100000"}, 0, (2, 1)),
        (64, "0::/job\n", {"job/cpu.max": "1600000 100000"}, 2, (2, 8)),
        (64, "0::/job\n", {"job/cpu.max": "50000 100000"}, 0, (1, 1)),
        (64, "3:cpu:/\n", V1, 0, (2, 1)),
        (64, "0::/\n", {"cpu.max": "max 100000"}, 0, (4, 16)),
        (3, "0::/\n", {"cpu.max": "800000 100000"}, 0, (3, 1)),
        (3, "0::/\n", {}, 8, (8, 1)),
    ],
)
def test_cores_are_those_of_affinity_and_quota(
    affinity: int, proc: str, files: dict[str, str], wanted: int, expected: tuple[int, int],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cgroup(tmp_path, monkeypatch, proc, files)
    fake = SimpleNamespace(sched_getaffinity=lambda pid: set(range(affinity)), cpu_count=lambda: 999)
    monkeypatch.setattr(sysinfo, "os", fake)
    assert shares(wanted) == expected
