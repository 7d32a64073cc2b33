"""A real `surco worker` for the end-to-end tests, and how they wait for it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from services.queue.client import Client
from services.queue.ledger import Job
from services.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


class Worker:
    """A worker process with children of its own, on the servers of the settings."""

    def __init__(self, settings: Settings, concurrency: int = 2):
        env = {
            **os.environ, "PYTHONPATH": str(ROOT), "SURCO_HOME": str(settings.home), "OMP_NUM_THREADS": "1",
            "SURCO_REDIS_URL": settings.redis_url, "SURCO_S3_ENDPOINT": settings.s3_endpoint,
            "SURCO_S3_ACCESS_KEY": settings.s3_access_key,
            "SURCO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
            "SURCO_S3_BUCKET": settings.s3_bucket, "SURCO_MLFLOW_URL": settings.mlflow_url,
            "SURCO_LEASE_SECONDS": str(settings.lease_seconds),
            "SURCO_RECONCILE_SECONDS": str(settings.reconcile_seconds), "REMAP_SIGTERM": "SIGQUIT",
        }  # fmt: skip
        settings.home.mkdir(parents=True, exist_ok=True)
        self.log = settings.home / "worker.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", "worker", "--concurrency", str(concurrency)],
                env=env, cwd=settings.home, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        """kill -9 the worker and its children."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)


def until(client: Client, job: Job, *states: str, seconds: float = 240) -> Job:
    """The job once it is in one of the states; fails the test if that never comes."""
    end = time.monotonic() + seconds
    found = None
    while time.monotonic() < end:
        try:
            found = client.ledger.get(job.id)
        except ConnectionError:
            found = None
        if found is not None and found.state in states:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never {states}: {found}")
