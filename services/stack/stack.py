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

import psutil

from services.errors import ServerDown
from services.settings import Settings, load_settings
from services.stack import orphans
from services.stack.plan import ALREADY_UP, LOCK, PLAN, SERVERS, STATE, WANTED, WORKER, write_private
from services.stack.process import last_line
from services.stack.repair import Repair, repair
from surco.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]
_SUPERVISOR = "services.stack.supervisor"
_UP, _DOWN = "start it with `surco stack up`", "stop it with `surco stack down`"


class StackEnds(ServerDown):
    """The stack that was waited for is going down."""


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
        deadline = time.monotonic() + timeout
        while self.running():
            if self._state().get("ending") or self.supervisor() is None:
                # It is on its way down, or the reaper of a dead one is at work: ours starts after that.
                if not self._changes(deadline):
                    raise ServerDown("The stack", str(self.folder), "does not stop", remedy=_DOWN)
                continue
            if not exist_ok:
                raise self._taken()
            for name in wanted:
                self._want(name, True)
            try:
                return self.wait(wanted, timeout=deadline - time.monotonic(), on_change=on_change)
            except StackEnds:
                continue
        try:
            return self._start(wanted, deadline - time.monotonic(), owner, on_change)
        except StackEnds:
            # Another process started one at the same moment.
            if not exist_ok:
                raise self._taken() from None
            left = deadline - time.monotonic()
            return self.up(wanted, timeout=left, exist_ok=True, owner=owner, on_change=on_change)

    def _start(
        self, wanted: list[str], timeout: float, owner: int, on_change: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        with self.log_path("supervisor").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", _SUPERVISOR, str(self.folder), str(owner), *wanted],
                env=_environment(),
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
        deadline = time.monotonic() + timeout
        pid = None
        while self.running() and time.monotonic() < deadline:
            if pid != (pid := self.supervisor()) and pid is not None:
                _signal(pid, signal.SIGTERM)  # a young one may not have said yet who it is
            time.sleep(0.02)
        if self.running():
            if pid:
                _signal(pid, signal.SIGKILL)  # the reaper takes the servers with it
            if not self._gone(10.0):
                raise ServerDown("The stack", str(self.folder), "does not stop", remedy=f"end process {pid}")
        return True

    def supervisor(self) -> int | None:
        """The process that runs this stack; None where it is dead or has not yet said who it is."""
        pid = self._state().get("pid")
        try:
            line = psutil.Process(pid).cmdline() if isinstance(pid, int) else []
        except psutil.Error:
            return None
        return pid if _SUPERVISOR in line and str(self.folder) in line else None

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
        found: dict[str, dict[str, Any]] = self._state().get("servers", {})
        up = self.running() and self.supervisor() is not None
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
            ours = self.supervisor() is not None if process is None else state.get("pid") == process.pid
            status = state.get("servers", {}) if ours else {}
            states = {name: server["state"] for name, server in status.items()}
            if states != seen:
                seen = states
                on_change(status)
            late = [n for n in names if states.get(n) != "ready"]
            if not late:
                return self.status()
            if process is None and (state.get("ending") or (not status and not self.running())):
                raise StackEnds("The stack", str(self.folder), "is being stopped", remedy=_UP)
            if process and process.poll() is not None:
                if process.returncode == ALREADY_UP:
                    raise StackEnds("The stack", str(self.folder), "is another's", remedy=_UP)
                log = self.log_path("supervisor")
                problem = f"did not start: {last_line(log)}"
                raise ServerDown("The stack", str(self.folder), problem, remedy=f"{log} says more")
            failed = next((n for n in late if states.get(n) == "failed"), None)
            if failed:
                server = status[failed]
                raise ServerDown(failed, server["address"], "does not start", remedy=server["error"])
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
        pid = int(self.status()[name]["pid"])
        os.killpg(pid, signal.SIGKILL)
        self._until(name, lambda server: server.get("pid") != pid, 10.0)
        return pid

    def repair(self) -> Repair:
        """Cut off what a damaged append-only file has behind its damage; see `services.stack.repair`."""
        return repair(self.folder)

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

    def _changes(self, deadline: float) -> bool:
        """Wait while the stack goes down or comes up; False where it does neither until the deadline."""
        while self.running() and (self._state().get("ending") or self.supervisor() is None):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

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


def _environment() -> dict[str, str]:
    """The supervisor's: ours with the checkout importable; a job that starts a stack is not part of it."""
    env = {name: value for name, value in os.environ.items() if name != orphans.MARK}
    path = env.get("PYTHONPATH")
    return {**env, "PYTHONPATH": os.pathsep.join([str(_ROOT), *([path] if path else [])])}


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
