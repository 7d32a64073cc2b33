"""One supervised server: its own process group, a log file, restarts with backoff."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
STEADY_S = 30.0  # ready for so long, a server's next restart is prompt again
PROBE_EVERY_S, WATCH_EVERY_S = 0.1, 5.0
START_LIMIT_S = 300.0
SILENT_LIMIT_S = 120.0
LOG_LIMIT = 20 << 20


@dataclass(frozen=True)
class Launch:
    """How a server is started."""

    argv: list[str]
    env: dict[str, str]
    cwd: Path


@dataclass
class Server:
    """A server and its state: stopped, waiting, starting, ready, silent, backoff, failed or stopping.

    `prepare` writes the server's files and says how to start it; `probe` asks it for what it is
    there for and raises until it answers. Both are called again at each restart.
    """

    name: str
    address: str
    log: Path
    prepare: Callable[[], Launch]
    probe: Callable[[], None]
    needs: tuple[str, ...] = ()
    grace_s: float = 10.0  # between asking it to end and killing it
    incurable: Callable[[Path], str] = lambda log: ""  # what the log says that no restart mends
    mark: dict[str, str] = field(default_factory=dict)  # variables by which an orphan is known
    started: Callable[[int], None] = lambda group: None
    ended: Callable[[int], None] = lambda group: None

    state: str = "stopped"
    restarts: int = 0
    ready_since: float | None = None
    last_error: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _probing: "Future[None] | None" = None
    _next: float = 0.0
    _pause: float = FIRST_PAUSE_S
    _since: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def tick(self, pool: ThreadPoolExecutor, wanted: bool, others: dict[str, "Server"]) -> None:
        """Move one step towards what is wanted. Never blocks for long."""
        now = time.monotonic()
        if self._process and self._process.poll() is not None:
            self._died(now)
        if not wanted:
            if self._process and self.state != "stopping":
                self.terminate()
            elif self._process and now - self._since > self.grace_s:
                self._kill_group()
            elif not self._process:
                self.state = "stopped"
            return
        if self.state in ("stopped", "waiting", "backoff") and not self._process and now >= self._next:
            ready = all(others[n].ready_since for n in self.needs if n in others)
            self._start(now) if ready else self._be("waiting", now)
        elif self.state in ("starting", "ready", "silent"):
            self._watch(pool, now)

    def terminate(self) -> None:
        """Ask the leader to end, which tells its own children; `tick` kills a group that lingers."""
        if self._process:
            self._process.terminate()
            self._be("stopping", time.monotonic())

    def report(self) -> dict[str, Any]:
        return {
            "state": self.state, "address": self.address, "pid": self.pid, "restarts": self.restarts,
            "ready_since": self.ready_since, "log": str(self.log), "error": self.last_error,
        }  # fmt: skip

    def _start(self, now: float) -> None:
        try:
            launch = self.prepare()
            if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    launch.argv, env={**launch.env, **self.mark}, cwd=launch.cwd, stdin=subprocess.DEVNULL,
                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            self.last_error = f"{self.name} does not start: {error}"
            self._back_off(now)
            return
        self.started(self._process.pid)
        self._be("starting", now)

    def _watch(self, pool: ThreadPoolExecutor, now: float) -> None:
        if self._probing is None:
            if now >= self._next:
                self._probing = pool.submit(self.probe)
            return
        if not self._probing.done():
            return
        error = self._probing.exception()
        self._probing = None
        self._next = now + (WATCH_EVERY_S if self.state == "ready" else PROBE_EVERY_S)
        if error is None:
            if self.state != "ready":
                self.ready_since, self.last_error = time.time(), ""
                self._be("ready", now)
                self._next = now + WATCH_EVERY_S
            elif now - self._since > STEADY_S:
                self._pause = FIRST_PAUSE_S
            return
        self.last_error = str(error)[:300]
        if self.state == "ready":
            self._be("silent", now)
        elif now - self._since > (START_LIMIT_S if self.state == "starting" else SILENT_LIMIT_S):
            self._kill_group()

    def _died(self, now: float) -> None:
        assert self._process is not None
        code, wanted_end = self._process.returncode, self.state == "stopping"
        self._kill_group()  # what the leader left behind
        self.ended(self._process.pid)
        self._process = None
        if self._probing:
            self._probing.cancel()
            self._probing = None
        self.ready_since = None
        if wanted_end:
            self._be("stopped", now)
            self._next, self._pause = 0.0, FIRST_PAUSE_S
        elif cause := self.incurable(self.log):
            self.last_error = cause
            self._be("failed", now)
        else:
            self.restarts += 1
            self.last_error = f"ended with code {code}; last line: {last_line(self.log)}"
            self._back_off(now)

    def _back_off(self, now: float) -> None:
        self._be("backoff", now)
        self._next = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)

    def _be(self, state: str, now: float) -> None:
        if state != self.state:
            self.state, self._since = state, now

    def _kill_group(self) -> None:
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


def last_line(log: Path) -> str:
    """The last line a server wrote, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
