"""The embedded stack's worker: `surco worker` on this machine's GPUs or cores."""

import os
import sys
from pathlib import Path

import redis

from services.stack.plan import Plan
from services.stack.process import Launch
from services.stack.shared import environment
from services.worker.health import any_worker

_OF_THE_STACK = tuple(f"SURCO_{k}" for k in ("REDIS_URL", "S3_", "MLFLOW_URL", "SERVERS"))


def prepare(folder: Path, plan: Plan) -> Launch:
    """It reads the stack's addresses from the stack's own file, as everyone does."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(_OF_THE_STACK)}
    env |= {"SURCO_HOME": str(folder.parent), **environment("worker")}
    return Launch([sys.executable, "-m", "services.cli", "worker"], env, folder.parent)


def probe(plan: Plan) -> None:
    """A worker that is up has signed the list of workers."""
    url = str(plan.settings()["redis_url"])
    with redis.Redis.from_url(
        url, socket_connect_timeout=2, socket_timeout=2, decode_responses=True
    ) as client:
        if not any_worker(client):
            raise ConnectionError("no worker has signed in")
