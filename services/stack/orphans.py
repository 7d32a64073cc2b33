"""Servers of a stack whose supervisor and reaper were both killed: they hold ports and data of the next one.

Every process that a supervisor starts, and every child of one, carries the stack's folder in its environment.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "_SURCO_STACK"  # no SURCO_ variable, for those are settings


def marked(folder: Path) -> dict[str, str]:
    """The variable that says to which stack a process belongs."""
    return {MARK: str(folder)}


def find(folder: Path) -> list[psutil.Process]:
    """Living processes of this folder's stack, but for this one and those that started it."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in ours and process.environ().get(MARK) == str(folder):
                found.append(process)
        except psutil.Error:
            continue  # gone, or another user's
    return found


def end(folder: Path, *, grace_s: float = 5.0) -> int:
    """End them, those that do not listen with SIGKILL; returns how many there were.

    To be called by whoever holds the folder's lock: then no supervisor is there to whom they belong.
    """
    found = find(folder)
    for process in found:
        _unless_gone(process.terminate)
    _, deaf = psutil.wait_procs(found, timeout=grace_s)
    # A process that was told to end may have started another meanwhile.
    for process in {*deaf, *find(folder)}:
        _unless_gone(process.kill)
    psutil.wait_procs(deaf, timeout=grace_s)
    return len(found)


def _unless_gone(call: Callable[[], object]) -> None:
    with suppress(psutil.Error):
        call()
