"""From outboxes to MLflow: a parent run a sweep, a child run a job."""

import json
import logging
import os
import threading
from itertools import groupby
from typing import Any
from urllib.parse import quote

import urllib3

from services.settings import Settings
from services.tracking.outbox import Outbox

log = logging.getLogger("surco.tracking")

FLUSH_SECONDS = 2.0


class Sender(threading.Thread):
    """Carries this machine's outboxes to MLflow, in the worker's main process."""

    def __init__(self, settings: Settings):
        super().__init__(name="sender", daemon=True)
        self.settings = settings
        self.runs: dict[str, _Run] = {}
        self.stop = threading.Event()

    def run(self) -> None:
        # One try a request: the sender itself comes again.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        while not self.stop.wait(FLUSH_SECONDS):
            try:
                self.send_all()
            except (
                Exception
            ) as error:  # whatever MLflow and the network can raise: the next round tries again
                log.info("MLflow has not taken everything yet: %s", str(error).splitlines()[:1])

    def send_all(self) -> None:
        """One round over all outboxes; those whose job has ended and that are empty are removed."""
        for root in sorted(self.settings.outbox.glob("*")):
            outbox = Outbox(root)
            if next(outbox.entries(), None) is None:
                continue
            if not answers(self.settings.mlflow_url):
                return
            try:
                with outbox.flushing() as mine:
                    if mine:
                        self._send(outbox, list(outbox.entries()))
            except Exception as error:  # whatever MLflow and the network raise: the next round tries again
                log.info("MLflow has not taken all of %s yet: %s", root.name[:12], str(error)[:200])

    def _send(self, outbox: Outbox, entries: list[tuple[int, dict[str, Any]]]) -> None:
        job = outbox.root.name
        if job not in self.runs:
            self.runs[job] = _Run(self.settings, outbox)
        run = self.runs[job]
        for is_metric, group in groupby(entries, key=lambda pair: "metrics" in pair[1]):
            batch = list(group)
            if is_metric:
                for start in range(0, len(batch), 100):
                    part = batch[start : start + 100]
                    run.metrics([entry for _, entry in part])
                    outbox.take(part[-1][0])
            else:
                for offset, entry in batch:
                    self._try(run, entry)
                    outbox.take(offset)
        if entries and "end" in entries[-1][1]:
            outbox.remove()
            del self.runs[job]

    @staticmethod
    def _try(run: "_Run", entry: dict[str, Any]) -> None:
        """Carry one entry; what MLflow refuses for good is said and left out, or all behind it would wait."""
        from mlflow.exceptions import MlflowException

        try:
            run.entry(entry)
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            log.warning("MLflow refuses an entry: %s", str(error).splitlines()[0])


def answers(url: str) -> bool:
    """Whether an MLflow server is there, asked without MLflow's own patience."""
    try:
        return bool(urllib3.request("GET", f"{url}/health", timeout=3.0, retries=False).status == 200)
    except urllib3.exceptions.HTTPError:
        return False


class _Run:
    """The MLflow run of a outbox's job: found by its tag `job_id`, made where there is none."""

    def __init__(self, settings: Settings, outbox: Outbox):
        from mlflow import MlflowClient

        self.client = MlflowClient(settings.mlflow_url)
        self.outbox = outbox
        first = next(iter(_head(outbox)))["open"]
        self.experiment = experiment(self.client, settings.mlflow_experiment)
        parent = (
            self._find("sweep_id", first["sweep"], name=f"{first['sweep_name']} {first['sweep'][:8]}")
            if first["sweep"]
            else ""
        )
        name = f"{first['kind']} {first['label']}".strip()
        job = first["job"]
        self.id = (
            parent
            if first["on_sweep"]
            else self._find("job_id", job, name=name, parent=parent, kind=first["kind"])
        )
        self._logged: dict[str, set[int]] = {}

    def _find(self, tag: str, value: str, *, name: str, parent: str = "", kind: str = "sweep") -> str:
        query = f"tags.{tag} = '{value}' AND tags.surco_kind = '{kind}'"
        found = self.client.search_runs([self.experiment], query, max_results=1)
        if found:
            return str(found[0].info.run_id)
        tags = {tag: value, "surco_kind": kind, "mlflow.source.name": "surco", "mlflow.source.type": "JOB"}
        if parent:
            tags["mlflow.parentRunId"] = parent
        return str(self.client.create_run(self.experiment, run_name=name, tags=tags).info.run_id)

    def metrics(self, entries: list[dict[str, Any]]) -> None:
        """Log points, but for those whose key and step a former attempt has logged already."""
        from mlflow.entities import Metric

        points = []
        for entry in entries:
            for key, value in entry["metrics"].items():
                steps = self._steps(key)
                if entry["step"] not in steps:
                    steps.add(entry["step"])
                    points.append(Metric(key, value, entry["t"], entry["step"]))
        for start in range(0, len(points), 1000):
            self.client.log_batch(self.id, metrics=points[start : start + 1000])

    def _steps(self, key: str) -> set[int]:
        if key not in self._logged:
            self._logged[key] = {m.step for m in self.client.get_metric_history(self.id, key)}
        return self._logged[key]

    def entry(self, entry: dict[str, Any]) -> None:
        from mlflow.entities import Param, RunTag

        if "params" in entry:
            # A parameter of MLflow never changes: the value a job was asked with stands.
            known = self.client.get_run(self.id).data.params
            params = [Param(k, v) for k, v in entry["params"].items() if k not in known]
            for start in range(0, len(params), 100):
                self.client.log_batch(self.id, params=params[start : start + 100])
        elif "tags" in entry:
            self.client.log_batch(self.id, tags=[RunTag(k, str(v)) for k, v in entry["tags"].items()])
        elif "artifact" in entry:
            path = self.outbox.root / entry["artifact"]
            self.client.log_artifact(self.id, str(path), entry["folder"] or None)
        elif "model" in entry:
            from services.tracking.model_registry import register

            register(self.client, self.id, self.outbox.root / entry["model"], entry["name"])
        elif "end" in entry:
            self.client.set_terminated(self.id, entry["end"])
        elif "open" in entry:
            self.client.update_run(self.id, status="RUNNING")


def _head(outbox: Outbox) -> list[dict[str, Any]]:
    """The outbox's first entry, taken or not."""
    with (outbox.root / "entries.jsonl").open(encoding="utf-8") as file:
        return [json.loads(file.readline())]


def experiment(client: Any, name: str) -> str:
    """Id of the experiment, made where there is none; it opens on the model-training view."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(
                client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
            )
        except Exception:  # another worker was quicker
            found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def runs_page(settings: Settings) -> str:
    """Address of the experiment's runs on MLflow's model-training view; its front page where that is down.

    MLflow 3.17 heeds the address before the experiment's own kind, and opens on the GenAI view without it.
    """
    query = f"experiment_name={quote(settings.mlflow_experiment)}"
    url = f"{settings.mlflow_url}/api/2.0/mlflow/experiments/get-by-name?{query}"
    try:
        found = urllib3.request("GET", url, headers=settings.mlflow_headers, timeout=3.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return settings.mlflow_url
    if found.status != 200:
        return settings.mlflow_url
    number = found.json()["experiment"]["experiment_id"]
    return f"{settings.mlflow_url}/#/experiments/{number}/runs?workflowType=machine_learning"
