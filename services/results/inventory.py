"""Everything that is kept, and for whose sake: stored objects, jobs, sweeps and runs, read once."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from services.queue.client import Client
from services.queue.ledger import Job
from services.queue.rebuild import SweepRecord
from services.storage.s3 import Stored
from services.tracking.mlflow_client import open_client

log = logging.getLogger("surco.results")


@dataclass
class Inventory:
    """What S3, the ledger and MLflow hold."""

    jobs: dict[str, Job]
    sweeps: dict[str, SweepRecord]
    objects: dict[str, list[Stored]]  # by job
    tracked: dict[str, list[Stored]]  # MLflow's artifacts, by run
    runs: list[Any] = field(default_factory=list)  # MLflow's active runs; empty where it is away
    registered: set[str] = field(default_factory=set)  # runs that a registered model was made from

    def members(self, sweep: str) -> set[str]:
        """Jobs of a sweep, and those that were handed in for it later, such as its report."""
        listed = self.sweeps[sweep].jobs if sweep in self.sweeps else []
        return {*listed, *(job.id for job in self.jobs.values() if job.sweep == sweep)}

    def with_needs(self, jobs: Iterable[str]) -> set[str]:
        """These jobs and all that they read, directly or not."""
        found: set[str] = set()
        work = list(jobs)
        while work:
            identity = work.pop()
            if identity not in found:
                found.add(identity)
                job = self.jobs.get(identity)
                work += [*job.required, *job.optional] if job else []
        return found

    def needed_without(self, sweeps: set[str]) -> set[str]:
        """Jobs that the other sweeps, or jobs that were handed in alone, need."""
        going = {i for sweep in sweeps for i in self.members(sweep)}
        kept = {i for sweep in self.sweeps if sweep not in sweeps for i in self.members(sweep)}
        alone = set(self.jobs) - going
        return self.with_needs(kept | alone)

    def runs_of(self, jobs: set[str], sweeps: set[str]) -> list[Any]:
        """MLflow's runs of these jobs and sweeps."""
        return [
            run
            for run in self.runs
            if run.data.tags.get("job_id") in jobs or run.data.tags.get("sweep_id") in sweeps
        ]


def take_inventory(client: Client, *, mlflow: Any = None) -> Inventory:
    """Read all of it; MLflow may be away, Redis and S3 may not.

    `mlflow` is an `MlflowClient`; without one, one is opened on the server of the settings.
    """
    objects: dict[str, list[Stored]] = defaultdict(list)
    tracked: dict[str, list[Stored]] = defaultdict(list)
    for stored in client.store.objects("jobs/"):
        objects[stored.key.split("/")[1]].append(stored)
    for stored in client.store.objects("mlflow/"):
        tracked[[*stored.key.split("/"), "", ""][2]].append(stored)
    sweeps = {}
    for key in client.store.keys("sweeps/"):
        try:
            record = SweepRecord.model_validate(json.loads(client.store.get_bytes(key) or b""))
        except (ValidationError, ValueError, RecursionError):
            log.warning("%s cannot be read and is left as it is.", key)
            continue
        sweeps[key.removeprefix("sweeps/").removesuffix(".json")] = record
    jobs = {job.id: job for job in client.ledger.recent(10**9)}
    found = Inventory(jobs, sweeps, dict(objects), dict(tracked))
    try:
        _ask_mlflow(found, mlflow or open_client(client.settings), client.settings.mlflow_experiment)
    except Exception as error:  # whatever MLflow and the network raise: its runs are left as they are
        log.warning("MLflow is not asked: %s", (str(error).splitlines() or [""])[0][:200])
        found.runs = []
    return found


def _ask_mlflow(found: Inventory, mlflow: Any, experiment: str) -> None:
    place = mlflow.get_experiment_by_name(experiment)
    token = None
    while place is not None:
        page = mlflow.search_runs([place.experiment_id], max_results=1000, page_token=token)
        found.runs += page
        token = page.token
        if not token:
            break
    token = None
    while True:
        versions = mlflow.search_model_versions(max_results=1000, page_token=token)
        found.registered |= {str(version.run_id) for version in versions}
        token = versions.token
        if not token:
            return
