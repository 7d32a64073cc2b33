"""The model registry: a codec as an MLflow model, audio in and vector out, and back."""

from pathlib import Path
from typing import Any

CHAMPION = "champion"


def register(client: Any, run_id: str, weights: Path, name: str) -> str:
    """Log a codec's safetensors as a pyfunc model of the run, register it and make it champion.

    Returns the version. The model is logged as code beside its weights, so nothing is pickled.
    """
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        info = mlflow.pyfunc.log_model(
            name="codec",
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"codec": str(weights)},
            run_id=run_id,
            pip_requirements=["surco"],
        )
        version = mlflow.register_model(info.model_uri, name, await_registration_for=0)
    finally:
        mlflow.set_tracking_uri(before)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)
