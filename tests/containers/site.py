"""The Compose file, up under a project name and secrets of its own, and what tests do to it."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis

from services.queue.client import Client
from services.queue.ledger import Job
from services.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
OVERRIDE = Path(__file__).with_name("override.yml")
PROJECT = "surco-test"
WORKER = "worker-cpu"


def why_not() -> str:
    """Why no container can be run here; "" where an engine and Compose answer."""
    for command in (
        ["docker", "version", "--format", "{{.Server.Version}}"],
        ["docker", "compose", "version"],
    ):
        try:
            asked = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        except FileNotFoundError:
            return "docker is not installed"
        if asked.returncode:
            said = (asked.stderr or asked.stdout).strip().splitlines()
            return f"`{' '.join(command[:2])}` does not answer: {said[-1] if said else 'no reason given'}"
    return ""


def free_port(address: str) -> int:
    with socket.socket() as one:
        one.bind((address, 0))
        return int(one.getsockname()[1])


def reachable_address() -> str:
    """An address of this machine that a container outside of the project's networks reaches too."""
    asked = ["docker", "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"]
    found = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    try:
        free_port(found)
        return found
    except OSError:  # an engine in a machine of its own
        return "127.0.0.1"


class Site:
    """A project of Compose with its `.env` in `folder`, which is also where the command line is called."""

    def __init__(self, folder: Path, project: str = PROJECT, **variables: str):
        self.folder, self.project = folder, project
        self.address = reachable_address()
        self.env = folder / ".env"
        if self.env.exists():
            self.values = _read(self.env.read_text())
        else:
            self.values = self._drawn() | variables
            (folder / "data").mkdir(parents=True, exist_ok=True)
            self.env.touch(0o600)
            self.env.write_text("".join(f"{name}={value}\n" for name, value in self.values.items()))
        self.files = [*os.environ.get("COMPOSE_FILE", "docker-compose.yml").split(":"), str(OVERRIDE)]
        self._client: Client | None = None

    def _drawn(self) -> dict[str, str]:
        """The variables of `.env.example`: every secret drawn, every port a free one."""
        values = {
            n: v or secrets.token_hex(16) for n, v in _read((ROOT / ".env.example").read_text()).items()
        }
        ports = {f"{name}_PORT": str(free_port(self.address)) for name in ("REDIS", "S3", "MLFLOW")}
        data = {"DATA_FOLDER": str(self.folder / "data"), "WORKER_MEMORY": "6g"}
        if not _is_minio(values["MINIO_IMAGE"]):  # another store behind that name has no users to make
            values |= {"S3_ROOT_USER": values["S3_ACCESS_KEY"], "S3_ROOT_PASSWORD": values["S3_SECRET_KEY"]}
        return values | ports | data | {"LISTEN_ADDRESS": self.address}

    # -- Compose ---------------------------------------------------------------------------------

    def compose(self, *args: str, timeout: float = 900, check: bool = True) -> str:
        """Run `docker compose`; its standard output."""
        command = ["docker", "compose", "--project-directory", str(ROOT), "--project-name", self.project]
        command += [word for file in self.files for word in ("--file", str(ROOT / file))]
        command += ["--env-file", str(self.env), *args]
        env = {key: value for key, value in os.environ.items() if key not in self.values}
        env.pop("COMPOSE_FILE", None)
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"compose {' '.join(args)}: exit {done.returncode}\n{done.stderr[-3000:]}")
        return done.stdout

    def up(self, *args: str) -> None:
        """Bring up and wait until every health check is green.

        Compose's own `--wait` gives up once a check fails too often, as one may on a machine with other work.
        """
        self.compose("up", "--detach", *args)
        self.until("every container is healthy", self.healthy)

    def healthy(self) -> bool:
        """Whether no container that runs has a health check that is not green."""
        found = self.compose("--profile", "small", "ps", "--quiet").split()
        health = "{{if .State.Health}}{{.State.Health.Status}}{{end}}"
        return bool(found) and all(inspect(one, health) in ("", "healthy") for one in found)

    def containers(self, service: str, *, running: bool = True) -> list[str]:
        """Ids of a service's containers."""
        return self.compose("ps", "--quiet", *([] if running else ["--all"]), service).split()

    def kill_worker(self, container: str) -> None:
        """kill -9 of all that a container runs; the engine restarts it, as after any death."""
        docker("exec", container, "sh", "-c", "kill -9 -1", check=False)

    @contextlib.contextmanager
    def away(self, *services: str, seconds: float) -> Iterator[None]:
        """Servers that are stopped for so long; what the body does happens meanwhile."""
        self.compose("stop", *services)
        began = time.monotonic()
        try:
            yield
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        finally:
            self.up("--no-deps", "--no-recreate", *services)

    @contextlib.contextmanager
    def cut(self, server: str, *, seconds: float) -> Iterator[None]:
        """No way from the worker to a server ("redis", "s3" or "mlflow") for so long."""
        network = f"{self.project}_to-{server}"
        (worker,) = self.containers(WORKER)
        docker("network", "disconnect", network, worker)
        began = time.monotonic()
        try:
            yield
            time.sleep(max(0.0, seconds - (time.monotonic() - began)))
        finally:
            docker("network", "connect", network, worker)

    # -- Surco -----------------------------------------------------------------------------------

    def surco(self, *args: str, code: int = 0, timeout: float = 900) -> str:
        """Run the command line as a user of these containers; its standard output."""
        env = {
            **os.environ, "PYTHONPATH": str(ROOT), "SURCO_SERVERS": "compose",
            "SURCO_HOME": str(self.folder / "home"),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", *args],
            cwd=self.folder, env=env, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{args}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def client(self) -> Client:
        """A client of these containers, as the command line makes it."""
        if self._client is None:
            with contextlib.chdir(self.folder):
                os.environ["SURCO_SERVERS"] = "compose"
                try:
                    settings = load_settings(home=self.folder / "home")
                finally:
                    del os.environ["SURCO_SERVERS"]
            self._client = Client.open(settings)
        return self._client

    def job(self, job_id: str) -> Job | None:
        """A job as the ledger has it; None while Redis is away."""
        with contextlib.suppress(redis.RedisError, OSError):
            return self.client().ledger.get(job_id)
        return None

    def until(self, what: str, true: Callable[[], bool], *, seconds: float = 600) -> None:
        """Wait until something is so; fails the test, with what the worker said, if that never comes."""
        end = time.monotonic() + seconds
        while not true():
            if time.monotonic() > end:
                said = self.compose("logs", "--tail", "40", WORKER, check=False)
                raise AssertionError(f"It never came that {what}.\n{said}")
            time.sleep(0.3)


def docker(*args: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, timeout=300, check=False)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def inspect(container: str, template: str) -> str:
    return docker("inspect", "--format", template, container).strip()


def images() -> dict[str, str]:
    """Size in bytes of each image that the Compose file builds."""
    found = {}
    for name in ("surco-worker:cpu", "surco-mlflow"):
        found[name] = json.loads(docker("image", "inspect", name))[0]["Size"]
    return found


def _is_minio(image: str) -> bool:
    return "minio version" in docker("run", "--rm", image, "minio", "--version", check=False)


def _read(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
