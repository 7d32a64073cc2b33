"""The tracking server: MLflow on SQLite, its artifacts passed through to S3."""

import os
import sys
from pathlib import Path

import urllib3

from services.stack.plan import Plan
from services.stack.process import Launch
from services.stack.shared import environment

_FOREIGN = ("MLFLOW_", "AWS_", "SURCO_")


def prepare(folder: Path, plan: Plan) -> Launch:
    """One worker, no job execution, no telemetry; the S3 secret only in its environment."""
    data = folder / "mlflow"
    data.mkdir(exist_ok=True)
    env = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    env |= {
        **environment("mlflow"),
        "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{plan.s3_port}",
        "AWS_ACCESS_KEY_ID": plan.mlflow_access_key,
        "AWS_SECRET_ACCESS_KEY": plan.mlflow_secret_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "OMP_NUM_THREADS": "1",
    }
    argv = [
        sys.executable, "-m", "mlflow", "server",
        "--host", "127.0.0.1", "--port", str(plan.mlflow_port),
        "--backend-store-uri", f"sqlite:///{data / 'mlflow.db'}",
        "--allowed-hosts", f"127.0.0.1:{plan.mlflow_port},localhost:{plan.mlflow_port}",
        "--workers", "1",
    ]  # fmt: skip
    return Launch(argv, env, data)


def probe(plan: Plan) -> None:
    """/health says OK only once the application is loaded and its database is there."""
    answer = urllib3.request("GET", f"http://127.0.0.1:{plan.mlflow_port}/health", timeout=5.0, retries=False)
    if answer.status != 200 or answer.data != b"OK":
        raise ConnectionError(f"MLflow answers {answer.status} to /health")
