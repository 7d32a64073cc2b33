"""One supervised process: its states, its backoff, and its group's end."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from services.stack.plan import Plan
from services.stack.ports import GRPC_OFFSET, free_ports, is_free
from services.stack.process import Launch, Server, last_line


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def server(folder: Path, code: str, probe: Callable[[], None] = lambda: None, **options: object) -> Server:
    launch = Launch([sys.executable, "-c", code], dict(os.environ), folder)
    return Server("thing", "127.0.0.1:1", folder / "log", lambda: launch, probe, **options)  # type: ignore[arg-type]


def drive(one: Server, pool: ThreadPoolExecutor, wanted: bool, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, f"it stays {one.state}: {one.last_error}"
        one.tick(pool, wanted, {one.name: one})
        time.sleep(0.01)


def test_it_is_ready_when_it_answers_and_not_before(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    answers = iter([False, False, True])

    def probe() -> None:
        if not next(answers, True):
            raise ConnectionError("not yet")

    one = server(tmp_path, "import time; time.sleep(60)", probe)
    drive(one, pool, True, lambda: bool(one.last_error))
    assert one.state == "starting" and one.last_error == "not yet" and one.ready_since is None
    drive(one, pool, True, lambda: one.state == "ready")
    assert one.restarts == 0 and one.last_error == ""
    drive(one, pool, False, lambda: one.state == "stopped")
    assert one.pid is None


def test_it_backs_off_twice_as_long_each_time_and_says_the_last_line(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    one = server(tmp_path, "print('no room'); raise SystemExit(7)", lambda: None)
    pauses = []
    for restart in (1, 2, 3):
        drive(one, pool, True, lambda restart=restart: one.restarts == restart)
        pauses.append(one._pause)
        assert one.state == "backoff" and "code 7" in one.last_error and "no room" in one.last_error
    assert pauses == [0.5, 1.0, 2.0]
    drive(one, pool, False, lambda: one.state == "stopped")


def test_program_that_is_not_there_is_told(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    launch = Launch([str(tmp_path / "missing")], {}, tmp_path)
    one = Server("thing", "nowhere", tmp_path / "log", lambda: launch, lambda: None)
    drive(one, pool, True, lambda: one.state == "backoff")
    assert "thing does not start" in one.last_error and "missing" in one.last_error


def test_it_waits_for_what_it_needs(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    other = server(tmp_path, "")
    one = server(tmp_path, "import time; time.sleep(60)", needs=("other",))
    one.tick(pool, True, {"other": other})
    assert one.state == "waiting" and one.pid is None
    other.ready_since = time.time()
    one.tick(pool, True, {"other": other})
    assert one.state == "starting" and one.pid
    drive(one, pool, False, lambda: one.state == "stopped")


def test_a_deaf_group_is_killed_whole(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    groups: list[int] = []
    one = server(tmp_path, code, grace_s=0.2, started=groups.append, ended=groups.remove)
    drive(one, pool, True, lambda: last_line(tmp_path / "log").isdigit())
    child = psutil.Process(int(last_line(tmp_path / "log")))
    assert groups == [one.pid]
    drive(one, pool, False, lambda: one.state == "stopped")
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert groups == []


def test_ports_are_free_apart_and_leave_room_for_grpc() -> None:
    plan = Plan.draw()
    assert len(set(plan.ports())) == len(plan.ports()) == 12
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not is_free(taken.getsockname()[1])
    (port,) = free_ports(1, with_grpc=True)
    with socket.create_server(("127.0.0.1", port + GRPC_OFFSET)):
        assert is_free(port) and not is_free(port + GRPC_OFFSET)
    assert free_ports(20, taken={port}).count(port) == 0
