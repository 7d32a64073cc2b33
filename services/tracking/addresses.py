"""Addresses of MLflow's pages, all of them in its model-training view.

MLflow 3 heeds `workflowType` in the address before the experiment's own kind, and without it opens
on the view for language models, where a training run's page has no charts.
"""

from urllib.parse import quote

import urllib3

from services.settings import Settings

VIEW = "workflowType=machine_learning"


def experiment_page(url: str, experiment: str) -> str:
    """Address of an experiment's runs; `url` is the server's, or "" for an address within its pages."""
    return f"{url}/#/experiments/{experiment}/runs?{VIEW}"


def run_page(url: str, experiment: str, run: str, artifact: str = "") -> str:
    """Address of a run, or of one of its artifacts (a file or a folder)."""
    path = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"{url}/#/experiments/{experiment}/runs/{run}{path}?{VIEW}"


def runs_page(settings: Settings, sweep: str = "") -> str:
    """Address of the experiment's runs, or of a sweep's own run; MLflow's front page where that is down."""
    api = f"{settings.mlflow_url}/api/2.0/mlflow"
    try:
        name = quote(settings.mlflow_experiment)
        url = f"{api}/experiments/get-by-name?experiment_name={name}"
        login = settings.mlflow_headers
        found = urllib3.request("GET", url, headers=login, timeout=3.0, retries=False)
        if found.status != 200:
            return front_page(settings)
        experiment = str(found.json()["experiment"]["experiment_id"])
        if sweep:
            query = f"tags.sweep_id = '{sweep}' AND tags.surco_kind = 'sweep'"
            body = {"experiment_ids": [experiment], "filter": query, "max_results": 1}
            asked = urllib3.request(
                "POST", f"{api}/runs/search", json=body, headers=login, timeout=3.0, retries=False
            )
            runs = asked.json().get("runs") if asked.status == 200 else None
            if runs:
                return run_page(settings.mlflow_url, experiment, runs[0]["info"]["run_id"])
    except (urllib3.exceptions.HTTPError, ValueError, KeyError):
        return front_page(settings)
    return experiment_page(settings.mlflow_url, experiment)


def front_page(settings: Settings) -> str:
    return f"{settings.mlflow_url}/#/experiments?{VIEW}"
