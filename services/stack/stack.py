"""The embedded stack as its users see it: up, down, status, and single servers for the tests."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.errors import ServerDown
from services.settings import Settings, load_settings
from services.stack.plan import ALREADY_UP, LOCK, PLAN, SERVERS, STATE, WANTED, WORKER, write_private
from services.stack.process import last_line
from surco.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]


class Stack:
    """The servers under one folder, usually `.surco/stack`.

    Nothing here keeps state: any process may look at or stop a stack that another one started.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def up(
        self,
        servers: Iterable[str] = SERVERS,
        *,
        timeout: float = 300.0,
        exist_ok: bool = False,
        owner: int = 0,
        on_change: Callable[[dict[str, Any]], None] = lambda servers: None,
    ) -> dict[str, Any]:
        """Start a detached supervisor and wait until the named servers answer.

        `on_change` is called with the servers' status whenever it changes, for a display. With an
        `owner` (a process id) the stack ends with that process. Raises `InputError` where a stack
        is up in this folder already (unless `exist_ok`), `ServerDown` where a server is not ready
        in time; then nothing is left running.
        """
        wanted = sorted(_known(servers))
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        if self.running():
            if not exist_ok:
                raise self._taken()
            for name in wanted:
                self._want(name, True)
            return self.wait(wanted, timeout=timeout, on_change=on_change)
        with self.log_path("supervisor").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.stack.supervisor", str(self.folder), str(owner), *wanted],
                env={**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH"))},
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            return self.wait(wanted, timeout=timeout, on_change=on_change, process=process)
        except BaseException:
            if process.poll() != ALREADY_UP:
                process.terminate()
                self.down()
            raise

    def down(self, *, timeout: float = 70.0) -> bool:
        """Stop the servers and their supervisor; False where none was up."""
        if not self.running():
            return False
        pid = self._state().get("pid")
        if pid:
            _signal(pid, signal.SIGTERM)
        if not self._gone(timeout):
            if pid:
                _signal(pid, signal.SIGKILL)  # the reaper takes the servers with it
            if not self._gone(10.0):
                raise ServerDown("The stack", str(self.folder), "does not stop", remedy=f"end process {pid}")
        return True

    def running(self) -> bool:
        """Whether a supervisor (or its reaper, still at work) holds this folder."""
        try:
            lock = os.open(self.folder / LOCK, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def status(self) -> dict[str, dict[str, Any]]:
        """Per server: state, address, pid, restarts, uptime_s, log, error."""
        found = self._state().get("servers", {})
        up = self.running()
        for server in found.values():
            since = server.pop("ready_since")
            server["uptime_s"] = round(time.time() - since, 1) if up and since else None
            if not up:
                server.update(state="stopped", pid=None)
        return found

    def settings(self, **given: Any) -> Settings:
        """Settings that point at this stack, whatever the environment says."""
        held = json.loads((self.folder / PLAN).read_text())["settings"]
        return load_settings(**{"home": self.folder.parent, **held, **given})

    def wait(
        self,
        servers: Iterable[str] = SERVERS,
        *,
        timeout: float = 120.0,
        on_change: Callable[[dict[str, Any]], None] = lambda servers: None,
        process: subprocess.Popen[bytes] | None = None,
    ) -> dict[str, Any]:
        """Wait until the named servers are ready; `ServerDown` names the one that is not."""
        names = sorted(_known(servers))
        deadline = time.monotonic() + timeout
        seen: dict[str, Any] = {}
        while True:
            state = self._state()
            ours = process is None or state.get("pid") == process.pid
            status = state.get("servers", {}) if ours else {}
            states = {name: server["state"] for name, server in status.items()}
            if states != seen:
                seen = states
                on_change(status)
            late = [n for n in names if states.get(n) != "ready"]
            if not late:
                return self.status()
            if process and process.poll() is not None:
                if process.returncode == ALREADY_UP:
                    raise self._taken()
                log = self.log_path("supervisor")
                problem = f"did not start: {last_line(log)}"
                raise ServerDown("The stack", str(self.folder), problem, remedy=f"{log} says more")
            if time.monotonic() > deadline:
                server = status.get(late[0], {})
                raise ServerDown(
                    late[0], server.get("address", "no address yet"),
                    f"was not ready within {timeout:.0f} s ({server.get('error') or 'no answer'})",
                    remedy=f"{self.log_path(late[0])} says more",
                )  # fmt: skip
            time.sleep(0.05)

    def stop_server(self, name: str, *, timeout: float = 30.0) -> None:
        """Stop one server in good order and keep it stopped."""
        self._want(name, False)
        self._until(name, lambda server: server.get("state") == "stopped", timeout)

    def start_server(self, name: str, *, timeout: float = 60.0) -> None:
        """Start one server that was stopped and wait until it answers."""
        self._want(name, True)
        self.wait([name], timeout=timeout)

    def kill_server(self, name: str) -> int:
        """kill -9 a server's whole group, as a crash would; the supervisor restarts it."""
        pid = self.status()[name]["pid"]
        os.killpg(pid, signal.SIGKILL)
        self._until(name, lambda server: server.get("pid") != pid, 10.0)
        return pid

    def log_path(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _taken(self) -> InputError:
        return InputError(
            f"A stack is already up in {self.folder}; use it, or stop it first with `surco stack down`."
        )

    def _want(self, name: str, wanted: bool) -> None:
        _known([name])
        path = self.folder / WANTED
        names = set(json.loads(path.read_text()))
        write_private(path, json.dumps(sorted(names | {name} if wanted else names - {name})))

    def _until(self, name: str, done: Callable[[dict[str, Any]], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not done(self._state().get("servers", {}).get(name, {})):
            if time.monotonic() > deadline:
                raise ServerDown(name, str(self.folder), remedy=f"{self.log_path(name)} says more")
            time.sleep(0.02)

    def _state(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / STATE).read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _gone(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def _known(names: Iterable[str]) -> set[str]:
    found = set(names)
    for name in found - {*SERVERS, WORKER}:
        raise InputError(f"There is no server {name}; the stack has {', '.join(SERVERS)}.")
    return found


def _with_root(path: str | None) -> str:
    return os.pathsep.join([str(_ROOT), *([path] if path else [])])


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
