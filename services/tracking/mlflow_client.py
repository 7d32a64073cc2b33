"""The one door to MLflow's client, which is told first to send every request once."""

import os
from typing import Any

from services.settings import Settings

# One retry of MLflow's own repeats a POST whose answer was lost, and doubles what it made. The sender looks
# for itself what has arrived and comes again.
_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
# Files come through the server. Addresses that it signs name S3 as it sees it, which in containers is no name
# outside of their network, and the client would try them for minutes.
_THROUGH = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "false",
}


def open_client(settings: Settings) -> Any:
    """An `MlflowClient` on the server of the settings that asks once and waits 20 s at most."""
    os.environ.update(_ONCE | _THROUGH)
    settings.log_in_to_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(settings.mlflow_url)
