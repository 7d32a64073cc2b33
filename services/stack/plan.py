"""What a stack is: its ports and secrets, drawn once and kept in a file only the owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.stack.ports import GRPC_OFFSET, free_ports, is_free

BUCKET = "surco"
SERVERS = ("redis", "s3", "mlflow")
WORKER = "worker"  # no server, but it lives and dies with them

# Files of a stack's folder, and the exit code of a supervisor that finds the folder taken.
LOCK, STATE, WANTED, PLAN = "lock", "state.json", "wanted.json", "stack.json"
ALREADY_UP = 3


@dataclass(frozen=True)
class Plan:
    """Ports (loopback) and secrets of one embedded stack."""

    redis_port: int
    master_port: int
    volume_port: int
    filer_port: int
    s3_port: int
    admin_port: int
    mlflow_port: int
    redis_password: str
    root_access_key: str  # may do everything; the supervisor alone uses it, to make the bucket
    root_secret_key: str
    s3_access_key: str  # may do everything within the bucket: workers and the command line
    s3_secret_key: str
    mlflow_access_key: str  # may read and write MLflow's artifacts within the bucket
    mlflow_secret_key: str
    inner_key: str  # between the parts of the object store
    admin_password: str

    @classmethod
    def draw(cls) -> "Plan":
        """New ports and new secrets."""
        weed = free_ports(5, with_grpc=True)
        taken = {port + offset for port in weed for offset in (0, GRPC_OFFSET)}
        redis, mlflow = free_ports(2, taken=taken)
        master, volume, filer, s3, admin = weed
        return cls(
            redis_port=redis, mlflow_port=mlflow,
            master_port=master, volume_port=volume, filer_port=filer, s3_port=s3, admin_port=admin,
            redis_password=secrets.token_urlsafe(24),
            root_access_key=secrets.token_hex(10), root_secret_key=secrets.token_urlsafe(30),
            s3_access_key=secrets.token_hex(10), s3_secret_key=secrets.token_urlsafe(30),
            mlflow_access_key=secrets.token_hex(10), mlflow_secret_key=secrets.token_urlsafe(30),
            inner_key=secrets.token_urlsafe(30),
            admin_password=secrets.token_urlsafe(24),
        )  # fmt: skip

    def ports(self) -> list[int]:
        """Every port the stack listens on, SeaweedFS' gRPC ones among them."""
        weed = [self.master_port, self.volume_port, self.filer_port, self.s3_port, self.admin_port]
        return [self.redis_port, self.mlflow_port, *weed, *(port + GRPC_OFFSET for port in weed)]

    def with_free_ports(self) -> "Plan":
        """The same plan where its ports are still free, else with new ports and the same secrets."""
        if all(is_free(port) for port in self.ports()):
            return self
        kept = {name: value for name, value in asdict(self).items() if not name.endswith("_port")}
        return Plan(**{**asdict(Plan.draw()), **kept})

    def settings(self) -> dict[str, Any]:
        """The same as `services.settings.Settings` wants it."""
        return {
            "redis_url": f"redis://:{self.redis_password}@127.0.0.1:{self.redis_port}/0",
            "s3_endpoint": f"127.0.0.1:{self.s3_port}",
            "s3_access_key": self.s3_access_key,
            "s3_secret_key": self.s3_secret_key,
            "s3_bucket": BUCKET,
            "mlflow_url": f"http://127.0.0.1:{self.mlflow_port}",
        }

    def address(self, server: str) -> str:
        if server == WORKER:
            return f"{os.cpu_count()} cores"
        port = {"redis": self.redis_port, "s3": self.s3_port, "mlflow": self.mlflow_port}[server]
        return f"127.0.0.1:{port}"

    @classmethod
    def load(cls, path: Path) -> "Plan | None":
        """The plan of an earlier `up`, or None without one; what it lacks is drawn anew."""
        try:
            held = dict(json.loads(path.read_text(encoding="utf-8"))["plan"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        fresh = asdict(cls.draw())
        return cls(**{name: held.get(name, value) for name, value in fresh.items()})

    def save(self, path: Path) -> None:
        write_private(path, json.dumps({"settings": self.settings(), "plan": asdict(self)}, indent=1))


def write_private(path: Path, text: str) -> None:
    """Write a file that was never readable by others, whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)
