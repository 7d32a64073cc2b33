"""Everything that is kept, and for whose sake: stored objects, jobs, sweeps and runs, read once."""

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import TopologicalSorter
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

    @cached_property
    def _later(self) -> dict[str, set[str]]:
        """Jobs by the sweep that they were handed in for."""
        found: dict[str, set[str]] = defaultdict(set)
        for job in self.jobs.values():
            found[job.sweep].add(job.id)
        return found

    @cached_property
    def _told(self) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Runs by job and by sweep."""
        of_jobs: dict[str, list[Any]] = defaultdict(list)
        of_sweeps: dict[str, list[Any]] = defaultdict(list)
        for run in self.runs:
            of_jobs[run.data.tags.get("job_id", "")].append(run)
            of_sweeps[run.data.tags.get("sweep_id", "")].append(run)
        return of_jobs, of_sweeps

    def members(self, sweep: str) -> set[str]:
        """Jobs of a sweep, and those that were handed in for it later, such as its report."""
        listed = self.sweeps[sweep].jobs if sweep in self.sweeps else []
        return {*listed, *(self._later.get(sweep, ()) if sweep else ())}

    @cached_property
    def holders(self) -> Counter[str]:
        """How many need a job: of the sweeps each counts once, all jobs handed in alone together once."""
        members = [self.members(sweep) for sweep in self.sweeps]
        alone = set(self.jobs).difference(*members)
        return Counter(job for held in (*members, alone) for job in self.with_needs(held))

    def own(self, sweep: str) -> set[str]:
        """Jobs that would go with this sweep alone: nobody else needs them."""
        return {job for job in self.members(sweep) if self.holders[job] == 1}

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
        of_jobs, of_sweeps = self._told
        found = [run for job in jobs - {""} for run in of_jobs.get(job, ())]
        found += [run for sweep in sweeps - {""} for run in of_sweeps.get(sweep, ())]
        return list({run.info.run_id: run for run in found}.values())

    def readers_first(self, jobs: set[str]) -> list[str]:
        """These jobs, each before what it reads."""
        graph = {}
        for identity in sorted(jobs):
            job = self.jobs.get(identity)
            graph[identity] = jobs & {*job.required, *job.optional} if job else set()
        return list(TopologicalSorter(graph).static_order())[::-1]


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
