"""The model registry: a codec as an MLflow model, audio in and vector out, and back."""

from pathlib import Path
from typing import Any

from services.settings import load_settings
from surco.errors import InputError

CHAMPION = "champion"


def load_codec(source: str | Path | None = None) -> Any:
    """`surco.codec.Codec.load` that also takes a model URI, such as `models:/surco-codec@champion`."""
    from surco.codec import Codec

    if source is None or not str(source).startswith(("models:/", "runs:/")):
        return Codec.load(source)
    import mlflow

    mlflow.set_tracking_uri(load_settings().mlflow_url)
    folder = Path(mlflow.artifacts.download_artifacts(str(source)))
    found = sorted(folder.rglob("*.safetensors"))
    if not found:
        raise InputError(f"{source} holds no codec weights; give a model that a sweep registered.")
    return Codec.load(found[0])


def register(client: Any, run_id: str, weights: Path, name: str) -> str:
    """Log a codec's safetensors as a pyfunc model of the run, register it and make it champion.

    Returns the version. The model is logged as code beside its weights, so nothing is pickled.
    """
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        with mlflow.start_run(run_id=run_id):
            info = mlflow.pyfunc.log_model(
                name="codec",
                python_model=str(Path(__file__).with_name("pyfunc.py")),
                artifacts={"codec": str(weights)},
                pip_requirements=["surco"],
                signature=_signature(),
            )
        version = mlflow.register_model(info.model_uri, name, await_registration_for=0)
    finally:
        mlflow.set_tracking_uri(before)
    client.set_registered_model_alias(name, CHAMPION, version.version)
    return str(version.version)


def _signature() -> Any:
    """Sound or vectors in, (B, any); `decode` says which way."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    rows = Schema([TensorSpec(np.dtype(np.float32), (-1, -1))])
    return ModelSignature(rows, rows, ParamSchema([ParamSpec("decode", "boolean", False)]))
