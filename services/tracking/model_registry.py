"""The model registry: a codec as an MLflow model, audio in and vector out, and back."""

import hashlib
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from services.settings import load_settings
from surco.errors import InputError

CHAMPION = "champion"
RULE = (
    "A codec that keeps every bound of docs/measures.md beats one that does not; of two that do, the smaller "
    "vector; then the higher score (listening definition: 0 another track, 1 the vocoder); then the newer."
)
REQUIREMENTS = (
    "torch",
    "numpy",
    "numba",
    "safetensors",
    "soundfile",
    "soxr",
    "constriction",
)  # of the code that is shipped
WEIGHTS = "weights_sha256"


def load_codec(source: str | Path | None = None) -> Any:
    """`surco.codec.Codec.load` that also takes a model URI, such as `models:/surco-codec@champion`."""
    from surco.codec import Codec

    if source is None or not str(source).startswith(("models:/", "runs:/")):
        return Codec.load(source)
    import mlflow

    settings = load_settings()
    settings.log_in_to_mlflow()
    mlflow.set_tracking_uri(settings.mlflow_url)
    folder = Path(mlflow.artifacts.download_artifacts(str(source))) / "artifacts"
    found = sorted(folder.rglob("*.safetensors"))
    if not found:
        raise InputError(f"{source} holds no codec weights; give a model that a sweep registered.")
    return Codec.load(found[0])


def register(client: Any, run_id: str, weights: Path, name: str, facts: Mapping[str, Any]) -> str:
    """Register a codec's safetensors as a model of the run, and see that the best version is champion.

    Every step finds what a former try has done, so that a repeated call makes nothing twice.

    Args:
        facts: `size`, dimensions of its vector; `score`, its listening definition; `keeps_bounds`.

    Returns:
        The version's number.
    """
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    mine = {WEIGHTS: digest, "run": run_id}
    found = next((v for v in _versions(client, name) if mine.items() <= v.tags.items()), None)
    if found is None:
        told = {k: str(v) for k, v in facts.items()}
        place = {"champion_rule": RULE, "champion_value": _value(told)}
        with _as_default(client):
            uri = _logged(client, run_id, digest) or _log(run_id, weights, digest)
            found = _enter(client, name, uri, run_id, {**mine, **told, **place})
    crown(client, name)
    return str(found.version)


def crown(client: Any, name: str) -> str:
    """Make the best version champion by `RULE`; returns its number.

    Decided over all versions, and looked at again, so that of two senders that register at once the
    last one sees both.
    """
    while True:
        best = str(max(_versions(client, name), key=merit).version)
        if str(client.get_registered_model(name).aliases.get(CHAMPION, "")) == best:
            return best
        client.set_registered_model_alias(name, CHAMPION, best)


def merit(version: Any) -> tuple[bool, int, float, int]:
    """Place of a version by `RULE`; one without its facts comes last."""
    tags = version.tags
    try:
        keeps, size, score = tags["keeps_bounds"] == "True", int(float(tags["size"])), float(tags["score"])
    except (KeyError, ValueError):
        keeps, size, score = False, 0, float("nan")
    if not math.isfinite(score):
        keeps, score = False, float("-inf")
    return keeps, -size if keeps else 0, score, int(version.version)


def _value(tags: Mapping[str, str]) -> str:
    bounds = "keeps every bound" if tags.get("keeps_bounds") == "True" else "does not keep every bound"
    return f"{bounds}, {tags.get('size', '?')} dimensions, score {tags.get('score', '?')}"


def _versions(client: Any, name: str) -> list[Any]:
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name = '{name}'", max_results=200, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _logged(client: Any, run_id: str, digest: str) -> str:
    """Address of the model that a former try logged whole, "" if there is none."""
    experiment = client.get_run(run_id).info.experiment_id
    found = client.search_logged_models([experiment], filter_string=f"tags.{WEIGHTS} = '{digest}'")
    whole = [m for m in found if m.source_run_id == run_id and str(m.status) == "READY"]
    return f"models:/{whole[0].model_id}" if whole else ""


@contextmanager
def _as_default(client: Any) -> Iterator[None]:
    """Parts of MLflow ask the server of this process instead of the client's."""
    import mlflow

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _log(run_id: str, weights: Path, digest: str) -> str:
    """Log weights and the code that reads them, so nothing is pickled and Surco need not be installed."""
    import mlflow

    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name="codec",
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"codec": str(weights)},
            code_paths=[str(shipped_code(Path(folder)))],
            pip_requirements=requirements(),
            signature=_signature(),
            tags={WEIGHTS: digest},
        )
    return str(info.model_uri)


def _enter(client: Any, name: str, uri: str, run_id: str, tags: dict[str, str]) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return client.create_model_version(
        name, uri, run_id=run_id, tags=tags, await_creation_for=0, model_id=uri.removeprefix("models:/")
    )


def requirements() -> list[str]:
    """What the shipped code needs, each in the version installed here, as an index publishes it."""
    return [f"{name}=={installed(name).split('+')[0]}" for name in REQUIREMENTS]


def shipped_code(folder: Path) -> Path:
    """A copy, in `folder`, of the part of `surco` that turns sound into vectors and back."""
    import surco

    source = Path(next(iter(surco.__path__)))
    target = folder / "surco"
    skip = shutil.ignore_patterns("__pycache__")
    for part in ("audio", "codec"):
        shutil.copytree(source / part, target / part, ignore=skip)
    for path in source.glob("*.py"):
        shutil.copy(path, target)
    (target / "weights").mkdir()
    shutil.copy(source / "weights" / "vocoder.safetensors", target / "weights")
    return target


def _signature() -> Any:
    """Sound or vectors in, (B, any); `decode` says which way."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

    rows = Schema([TensorSpec(np.dtype(np.float32), (-1, -1))])
    return ModelSignature(rows, rows, ParamSchema([ParamSpec("decode", "boolean", False)]))
