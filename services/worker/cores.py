"""How many jobs at a time: what GPUs and cores this process may use."""

import os
import shutil
import subprocess

from celery.utils.sysinfo import cpu_budget


def gpus() -> list[str]:
    """The GPUs this process may use: those it was given, else all that `nvidia-smi` lists."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [g for g in given.split(",") if g]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def shares(wanted: int = 0) -> tuple[int, int]:
    """Jobs at a time, one a core up to 4 if not given, and the threads that each of them may use.

    Cores are those this process may use: its affinity, and the quota of its cgroup, rounded up.
    """
    cores = cpu_budget().count
    jobs = wanted or min(cores, 4)
    return jobs, max(1, cores // jobs)
