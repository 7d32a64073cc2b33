"""The stack's own process: `python -m services.stack.supervisor <folder> <owner> <server>...`.

It holds the folder's lock, ends what an earlier stack left behind there, starts the servers and restarts
those that die, follows `wanted.json` and tells what is in `state.json`. A small reaper process holds the
same lock and a pipe (`services.stack.reaper`).
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from services.stack import mlflow, orphans, seaweed, valkey, worker
from services.stack.plan import ALREADY_UP, LOCK, PLAN, STATE, WANTED, WORKER, Plan, write_private
from services.stack.process import Server
from services.stack.reaper import Reaper

_TICK_S = 0.05


def build(folder: Path, plan: Plan, reaper: Reaper) -> dict[str, Server]:
    """The servers in the order they start; MLflow needs the bucket, the worker the queue and the bucket."""
    modules: dict[str, Any] = {"redis": valkey, "s3": seaweed, "mlflow": mlflow, "worker": worker}
    needs = {"mlflow": ("s3",), "worker": ("redis", "s3")}
    return {
        name: Server(
            name=name,
            address=plan.address(name),
            log=folder / "logs" / f"{name}.log",
            prepare=partial(module.prepare, folder, plan),
            probe=partial(module.probe, plan),
            needs=needs.get(name, ()),
            grace_s=40.0 if name == WORKER else 10.0,  # a worker first parks its job: 30 s
            incurable=getattr(module, "incurable", lambda log: ""),
            mark=orphans.marked(folder),
            started=reaper.watch,
            ended=reaper.forget,
        )
        for name, module in modules.items()
    }


class Supervisor:
    """The loop: one thread starts and reaps, others only probe.

    With an `owner` (a process id, 0 for none) the stack ends when that process does.
    """

    def __init__(self, folder: Path, owner: int, wanted: list[str]) -> None:
        self.folder = folder
        self.owner = owner
        self.ending = False
        self._seen: tuple[int, int] | None = None
        self._wanted = set(wanted)
        self._state = ""

    def run(self) -> int:
        lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        if not _locked(lock):
            return ALREADY_UP
        (self.folder / STATE).unlink(missing_ok=True)
        reaper = Reaper(self.folder, lock)
        left = orphans.end(self.folder)
        if left:
            print(
                f"ended {left} processes that an earlier stack had left behind", file=sys.stderr, flush=True
            )
        write_private(self.folder / WANTED, json.dumps(sorted(self._wanted)))
        plan = (Plan.load(self.folder / PLAN) or Plan.draw()).with_free_ports()
        plan.save(self.folder / PLAN)
        servers = build(self.folder, plan, reaper)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with ThreadPoolExecutor(len(servers), thread_name_prefix="probe") as pool:
            while not self.ending and (not self.owner or Path(f"/proc/{self.owner}").exists()):
                self._read_wanted()
                reaper.tend()
                for name, server in servers.items():
                    server.tick(pool, name in self._wanted, servers)
                self._tell(servers)
                time.sleep(_TICK_S)
            self.ending = True
            # The worker hands its jobs back, then MLflow: it writes through to S3 to the last.
            for names in (("worker",), ("mlflow",), ("s3", "redis")):
                while any(servers[n].pid for n in names):
                    for name in names:
                        servers[name].tick(pool, False, servers)
                    self._tell(servers)
                    time.sleep(_TICK_S)
        for server in servers.values():
            server.state = "stopped"
        self._tell(servers)
        seaweed.remove_sockets(plan)
        return 0

    def _end(self, number: int, frame: object) -> None:
        self.ending = True

    def _read_wanted(self) -> None:
        path = self.folder / WANTED
        try:
            stat = path.stat()
            if (stat.st_mtime_ns, stat.st_ino) != self._seen:
                self._wanted = set(json.loads(path.read_text()))
                self._seen = (stat.st_mtime_ns, stat.st_ino)
        except (OSError, ValueError):
            pass

    def _tell(self, servers: dict[str, Server]) -> None:
        report = {name: server.report() for name, server in servers.items()}
        text = json.dumps({"pid": os.getpid(), "ending": self.ending, "servers": report}, indent=1)
        if text != self._state:
            with contextlib.suppress(OSError):  # a full disk is no reason to end the servers
                write_private(self.folder / STATE, text)
                self._state = text


def _locked(lock: int) -> bool:
    """Take the folder's lock; whoever asks whether a stack is up holds it for an instant as well."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


if __name__ == "__main__":
    sys.exit(Supervisor(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]).run())
