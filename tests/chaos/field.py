"""The field a campaign is fought on: servers behind proxies, two workers, and jobs without end."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from jobs.kinds import parse_spec
from jobs.prepare import Spec as Prepare
from jobs.spec import JobSpec
from services.queue.client import Client
from services.queue.ledger import ENDED, Job
from services.settings import Settings
from services.stack import Stack
from services.worker.health import workers as signed
from surco import kernel_cache
from surco.audio.io import write_wav
from tests.chaos.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
LEASE, RECONCILE = 6.0, 1.0  # seconds; short, so that what waits for them comes round often
STEPS = 40  # of a training
BALLAST = "ballast"
KERNELS = "kernels"  # of this campaign alone: a death in native code renews them
HOME_MB = 384  # size of a worker's disk where it can be a file system of its own


class Worker:
    """One worker on a home of its own, seeing the servers through the proxies."""

    def __init__(self, name: str, settings: Settings, home: Path, preload: Path | None):
        self.name, self.home = name, home
        self.settings = settings.model_copy(update={"home": home})
        self.log = home.parent / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.stopping_since: float | None = None
        home.mkdir(parents=True, exist_ok=True)
        self.small_disk = _mount(home)
        self.preload = preload
        self.clock = home.parent / f"{name}.clock" if preload else None

    def start(self) -> None:
        s = self.settings
        env = {k: v for k, v in os.environ.items() if not k.startswith("SURCO_")} | {
            "PYTHONPATH": str(ROOT), "SURCO_HOME": str(self.home), "OMP_NUM_THREADS": "1",
            "SURCO_REDIS_URL": s.redis_url, "SURCO_S3_ENDPOINT": s.s3_endpoint,
            "SURCO_S3_ACCESS_KEY": s.s3_access_key,
            "SURCO_S3_SECRET_KEY": s.s3_secret_key.get_secret_value(), "SURCO_S3_BUCKET": s.s3_bucket,
            "SURCO_MLFLOW_URL": s.mlflow_url, "SURCO_LEASE_SECONDS": str(LEASE),
            "SURCO_RECONCILE_SECONDS": str(RECONCILE), "REMAP_SIGTERM": "SIGQUIT",
            "NUMBA_CACHE_DIR": str(self.home.parent / KERNELS),
        }  # fmt: skip
        if self.clock:
            self.clock.write_text("0\n")
            env |= {"LD_PRELOAD": str(self.preload), "CHAOS_CLOCK": str(self.clock)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "worker", "--concurrency", "2"],
                env=env, cwd=self.home.parent, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.stopping_since = None

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal_all(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def stop_gently(self) -> None:
        if self.process is not None and self.alive:
            self.process.send_signal(signal.SIGTERM)
            self.stopping_since = time.monotonic()

    def kill(self) -> None:
        self.signal_all(signal.SIGCONT)
        self.signal_all(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(30)

    def children(self) -> list[int]:
        import psutil

        if self.process is None:
            return []
        with contextlib.suppress(psutil.Error):
            return [c.pid for c in psutil.Process(self.process.pid).children(recursive=True)]
        return []

    def unmount(self) -> None:
        if self.small_disk:
            subprocess.run(["umount", "-l", str(self.home)], check=False)


def settable_clock(folder: Path) -> Path | None:
    """The library that lets a worker's wall clock be set; None without a C compiler."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        return None
    library = folder / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def _mount(home: Path) -> bool:
    """A small file system for the home, so that its disk can be full; False where that is not allowed."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={HOME_MB}m", "surco-chaos", str(home)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@dataclass
class Field:
    """Servers, proxies, workers and jobs of one campaign."""

    folder: Path
    seed: int
    stack: Stack
    proxies: dict[str, Proxy]
    settings: Settings  # past the proxies: what a calm observer uses
    client: Client
    workers: list[Worker]
    music: Path
    expected: dict[str, bytes]  # weights of each training job, from a calm run
    trainings: list[JobSpec]
    submitted: dict[str, Job] = field(default_factory=dict)
    handed_in: int = 0
    wiped: bool = False  # Redis, and not rebuilt since

    @classmethod
    @contextlib.contextmanager
    def prepared(cls, folder: Path, seed: int, trainings: int) -> Iterator["Field"]:
        """Everything up; everything ended when the block is left."""
        folder.mkdir(parents=True, exist_ok=True)
        music = make_music(folder / "music")
        specs, expected = calm_run(folder / "calm", music, trainings)
        subprocess.run([sys.executable, "-m", "surco.warm"], check=False)  # or the workers wait for it
        if (warm := kernel_cache.root() / kernel_cache.WARM).is_dir():
            shutil.copytree(warm, folder / KERNELS / kernel_cache.WARM, dirs_exist_ok=True)
            (folder / KERNELS).chmod(0o700)
        stack = Stack(folder / "home" / "stack")
        stack.up(("redis", "s3", "mlflow"), owner=os.getpid(), timeout=300)
        settings = stack.settings(home=folder / "home", lease_seconds=LEASE, reconcile_seconds=RECONCILE)
        plain = {
            "redis": settings.redis_address, "s3": settings.s3_endpoint,
            "mlflow": settings.mlflow_url.removeprefix("http://"),
        }  # fmt: skip
        proxies = {
            name: Proxy(int(address.rpartition(":")[2]), host_header=name == "mlflow")
            for name, address in plain.items()
        }
        seen = settings.model_copy(
            update={
                "redis_url": settings.redis_url.replace(plain["redis"], proxies["redis"].address),
                "s3_endpoint": proxies["s3"].address,
                "mlflow_url": f"http://{proxies['mlflow'].address}",
            }
        )
        preload = settable_clock(folder)
        workers = [Worker(f"worker-{i}", seen, folder / f"worker-{i}", preload) for i in (1, 2)]
        one = cls(
            folder, seed, stack, proxies, settings, Client.open(settings), workers, music, expected, specs
        )
        try:
            for worker in workers:
                worker.start()
            one.await_workers()
            yield one
        finally:
            for worker in workers:
                worker.kill()
                worker.unmount()
            for proxy in proxies.values():
                proxy.close()
            stack.down()

    def await_workers(self, seconds: float = 600) -> None:
        """Return when every worker has signed the list; a campaign without workers would prove nothing."""
        end = time.monotonic() + seconds
        while len(signed(self.client.ledger.redis)) < len(self.workers):
            if time.monotonic() > end or not all(worker.alive for worker in self.workers):
                raise SystemExit(f"The workers do not start; see {self.workers[0].log}.")
            time.sleep(0.5)

    # -- work --------------------------------------------------------------------------------

    def feed(self, rng: random.Random, *, most: int = 12) -> None:
        """Keep some jobs under way: chains of empty ones, and the trainings, one after the other."""
        active = [j for j in self.rows() if j.state not in ENDED]
        if any(j.kind == "train" for j in active):
            kinds = ["noop"]
        else:
            kinds = ["noop", "train"] if self.trainings else ["noop"]
        for _ in range(most - len(active)):
            if "train" in kinds and self.trainings:
                self._submit("train", self.trainings.pop(0))
                kinds = ["noop"]
            else:
                after = [rng.choice(list(self.submitted))] if self.submitted and rng.random() < 0.4 else []
                fields = {"label": f"{self.seed}-{self.handed_in}", "seconds": rng.choice([0, 0.3, 1, 3])}
                self._submit("noop", parse_spec("noop", {**fields, "after": after}))

    def _submit(self, kind: str, spec: JobSpec) -> None:
        if kind == "train":
            data = self.client.submit("prepare", Prepare.of("folder", self.music))
            self.submitted[data.id] = data
        job = self.client.submit(kind, spec)
        self.submitted[job.id] = job
        self.handed_in += 1

    def rows(self) -> list[Job]:
        """The ledger's rows of what was submitted."""
        return self.client.ledger.many(list(self.submitted))

    def rebuild(self) -> None:
        """What a user does who finds the ledger empty; where a server is away, they do it again."""
        self.client.rebuild()
        self.wiped = False

    def mend(self) -> None:
        """Restart workers that ended."""
        for worker in self.workers:
            if not worker.alive:
                worker.start()

    def heal(self) -> None:
        """End every fault that lasts: network, servers, frozen processes, full disks, memory limit."""
        for proxy in self.proxies.values():
            proxy.heal()
        for name in ("redis", "s3", "mlflow"):
            self.stack.start_server(name, timeout=180)
        for worker in self.workers:
            worker.signal_all(signal.SIGCONT)
            (worker.home / BALLAST).unlink(missing_ok=True)
            if worker.clock:
                worker.clock.write_text("0\n")
        self.client.ledger.redis.config_set("maxmemory", "0")
        if self.wiped:
            self.rebuild()
        self.mend()


def make_music(root: Path) -> Path:
    """Two genres of eight short tracks, seeded."""
    rng = np.random.default_rng(0)
    t = np.arange(22_050 * 6) / 22_050
    for genre in ("tones", "noise"):
        for number in range(8):
            tone = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(100, 2000, 4)) / 8
            wave = 0.5 * (tone + rng.normal(0, 0.1, t.shape) * (genre == "noise"))
            path = root / genre / f"{genre}-{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, wave.astype(np.float32), 22_050)
    return root


def calm_run(folder: Path, music: Path, trainings: int) -> tuple[list[JobSpec], dict[str, bytes]]:
    """The trainings' specs, and by job id the weights that each gives when nothing disturbs it."""
    import torch

    from jobs.local import FolderStore, run_local

    torch.set_num_threads(1)  # as the workers have: sums in another order are other bytes
    data = run_local("prepare", Prepare.of("folder", music), folder)
    store = FolderStore(folder / "store")
    specs, expected = [], {}
    for seed in range(trainings):
        fields = {"steps": STEPS, "batch_size": 4, "look_every": 10, "checkpoint_seconds": 0.3}
        spec = parse_spec("train", {"dataset": data, "size": 48, "seed": seed, "render": False, **fields})
        job = run_local("train", spec, folder)
        specs.append(spec)
        expected[job] = published(store, job, "codec.safetensors")
    return specs, expected


def published(store: object, job: str, name: str) -> bytes:
    """A file that a done job published, b"" where it is not there."""
    import json

    done = json.loads(store.get_bytes(f"jobs/{job}/DONE.json") or b"{}")  # type: ignore[attr-defined]
    if name not in done.get("artifacts", []):
        return b""
    return store.get_bytes(f"{done['prefix']}/{name}") or b""  # type: ignore[attr-defined]
