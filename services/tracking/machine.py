"""What a job's process and its machine use, measured by a thread that nothing stops."""

import logging
import sys
import threading
from collections.abc import Callable
from types import ModuleType

import psutil

log = logging.getLogger("surco.tracking")

SECONDS = 10.0


class Measuring(threading.Thread):
    """Gives `tell` a reading every 10 s until `stop` is set; a reading that fails is left out."""

    def __init__(self, tell: Callable[[dict[str, float]], None], seconds: float = SECONDS):
        super().__init__(name="system-metrics", daemon=True)
        self.tell, self.seconds = tell, seconds
        self.stop = threading.Event()
        self._complained = False

    def run(self) -> None:
        while not self.stop.wait(self.seconds):
            try:
                self.tell(reading())
            except Exception as error:  # whatever a driver or a library raises is no matter of the job's
                if not self._complained:
                    log.warning("A reading of the machine failed: %s: %s", type(error).__name__, error)
                self._complained = True


def reading() -> dict[str, float]:
    """What this process and its machine use now, under MLflow's names for system metrics."""
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    values = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 1e6,
        "system/system_memory_usage_percentage": memory.percent,
        "system/disk_usage_percentage": disk.percent,
        "system/process_memory_megabytes": psutil.Process().memory_info().rss / 1e6,
    }
    try:
        return {**values, **gpu()}
    except Exception as error:  # a driver without its counters: the rest is told all the same
        log.debug("The GPU was not read: %s", error)
        return values


def gpu() -> dict[str, float]:
    """Memory and use of the GPU that the job works on; empty before the job has begun to use one."""
    torch, cuda = imported("torch"), imported("torch.cuda")
    if torch is None or cuda is None or not cuda.is_initialized():
        return {}
    free, total = cuda.mem_get_info()
    used = {"system/gpu_0_memory_usage_megabytes": (total - free) / 1e6}
    try:
        return {**used, "system/gpu_0_utilization_percentage": float(cuda.utilization())}
    except Exception:  # needs the driver's own library, which may be missing
        return used


def imported(name: str) -> ModuleType | None:
    """A module that is loaded whole; None where it is not, or another thread is at importing it."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return None if spec is None or getattr(spec, "_initializing", False) else module
