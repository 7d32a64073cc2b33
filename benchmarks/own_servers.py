"""Redis and S3 of a benchmark's own, gone with it, and worker processes on them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.settings import Settings
from services.stack import Stack

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def servers() -> Iterator[Settings]:
    """The settings of servers that run until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder) / "stack")
        stack.up(("redis", "s3"), owner=os.getpid())
        try:
            yield stack.settings()
        finally:
            stack.down()


def worker(settings: Settings, *command: str) -> subprocess.Popen[bytes]:
    """`python -m` with these arguments, told of the servers and silent."""
    env = {
        **os.environ, "PYTHONPATH": str(ROOT), "SURCO_HOME": str(settings.home),
        "SURCO_REDIS_URL": settings.redis_url,
        "SURCO_S3_ENDPOINT": settings.s3_endpoint, "SURCO_S3_ACCESS_KEY": settings.s3_access_key,
        "SURCO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "SURCO_MLFLOW_URL": settings.mlflow_url or "http://127.0.0.1:9",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", *command], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
