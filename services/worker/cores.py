"""How many jobs at a time: what GPUs and cores this process may use."""

import os
import re
import shutil
import subprocess

from celery.utils.sysinfo import cpu_budget


def gpus() -> list[str]:
    """The GPUs this process may use: those it was given, else all that `nvidia-smi` lists.

    A GPU by its number; where one is partitioned (MIG), its parts by their UUIDs, the only name CUDA takes.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [g for g in given.split(",") if g]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    whole = [part for part in re.split(r"^(?=GPU \d)", listed, flags=re.M) if part.startswith("GPU ")]
    return [
        name
        for number, part in enumerate(whole)
        for name in re.findall(r"^\s+MIG .*\(UUID: (MIG-[^)]+)\)", part, re.M) or [str(number)]
    ]


def take_own_gpu() -> None:
    """In a child of the pool: see one GPU alone, the n-th of those given in the n-th child.

    A child that replaces a dead one has its number, and so its GPU.
    """
    from billiard.process import current_process

    index = int(getattr(current_process(), "index", 0) or 0)
    visible = [g for g in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if g]
    if visible:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[index % len(visible)]


def shares(wanted: int = 0) -> tuple[int, int]:
    """Jobs at a time, one a core up to 4 if not given, and the threads that each of them may use.

    Cores are those this process may use: its affinity, and the quota of its cgroup, rounded up.
    """
    cores = cpu_budget().count
    jobs = wanted or min(cores, 4)
    return jobs, max(1, cores // jobs)
