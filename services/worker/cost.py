"""What a job costs its process: processor time, and the most memory it held at once."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROC = Path("/proc/self")


class Meter:
    """Measures from its making on; where the peak of memory cannot be set back, it is the whole life's."""

    def __init__(self) -> None:
        self._before = os.times()
        with suppress(OSError):
            (_PROC / "clear_refs").write_text("5")  # Linux: the peak begins anew

    def read(self) -> dict[str, Any]:
        """`cpu` in seconds and `memory` in bytes, 0 where it is not known."""
        now = os.times()
        cpu = sum(now[:4]) - sum(self._before[:4])
        return {"cpu": round(cpu, 1), "memory": peak_memory()}


def peak_memory() -> int:
    """The most bytes that this process held at once, since its peak was last set back."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", (_PROC / "status").read_text(), re.M)
        return 1024 * int(found[1]) if found else 0
    except OSError:
        import resource

        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
