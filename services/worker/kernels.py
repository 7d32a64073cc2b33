"""The compiled kernels of a worker's children: compiled once before they start, anew after a native crash."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

log = logging.getLogger("surco.worker")

WAIT = 900.0  # s that a worker waits for kernels before it starts without them
_NATIVE = re.compile(r"\bSIG(SEGV|BUS|ABRT|ILL)\b")
_renewing: list[subprocess.Popen[bytes]] = []


def warm_kernels(wait: float = WAIT) -> None:
    """One process compiles what all children use; where that is done already it takes no time."""
    try:
        subprocess.run(_command(), env=with_code(), check=False, timeout=wait)
    except subprocess.TimeoutExpired:
        log.warning("The kernels were not compiled within %.0f s; jobs compile what they need.", wait)


def renew_kernels(reason: str) -> bool:
    """After a death in native code, throw the warm cache away, for it may be the cause, and fill it anew.

    That goes on beside the jobs, one renewal at a time; True if one was begun for this reason.
    """
    if not _NATIVE.search(reason) or any(process.poll() is None for process in _renewing):
        return False
    _renewing[:] = [subprocess.Popen(["nice", "-n", "10", *_command("--anew")], env=with_code())]
    log.warning("The cache of compiled kernels is filled anew, for a job died: %s.", reason)
    return True


def with_code() -> dict[str, str]:
    """The environment, with this checkout on the path of a child."""
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "surco.warm", *options]
