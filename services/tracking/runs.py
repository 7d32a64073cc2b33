"""The runs of MLflow: one a job and one a sweep, whoever makes it, with the status that the ledger gives."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from services.tracking.addresses import run_page
from services.tracking.attempts import Head
from services.tracking.shared import Busy, Shared

log = logging.getLogger("surco.tracking")

LATE_SECONDS = 30  # a request that was given up may still arrive so late
NOTE = "mlflow.note.content"
SOUNDS, PAGES = "songs", ("listen.html", "report.pdf", "summary.json")


class Runs:
    """Finds, makes, ends and describes runs in one experiment.

    Args:
        client: `mlflow.MlflowClient`.
        name: of the experiment.
    """

    def __init__(self, client: Any, name: str, shared: Shared):
        self.client = client
        self.shared = shared
        self.experiment = experiment(client, name)

    # -- finding and making --------------------------------------------------------------------

    def run_of(self, head: Head) -> str:
        """Id of the run an attempt speaks on; it and its sweep's run are made where there are none."""
        sweep = self.sweep_run(head.sweep, head.sweep_name) if head.sweep else ""
        if head.on_sweep and sweep:
            return sweep
        tags = {"job_id": head.job, "surco_kind": head.kind}
        if sweep:
            tags["mlflow.parentRunId"] = sweep
        return self._find(head.job, f"tags.job_id = '{head.job}'", f"{head.kind} {head.label}".strip(), tags)

    def sweep_run(self, sweep: str, name: str) -> str:
        """Id of a sweep's own run."""
        query = f"tags.sweep_id = '{sweep}' AND tags.surco_kind = 'sweep'"
        return self._find(sweep, query, f"{name} {sweep[:8]}", {"sweep_id": sweep, "surco_kind": "sweep"})

    def _find(self, subject: str, query: str, name: str, tags: dict[str, str]) -> str:
        claimed = self.shared.claimed(subject)
        if claimed and self.usable(claimed):
            return claimed
        if claimed:
            self.shared.forget(subject, claimed)
        # One sender makes a run. The turn is not given back: a request that failed may yet arrive, and the
        # search of the next one must see what it made.
        self.shared.take_turn(f"make {subject}", LATE_SECONDS)
        found = self.client.search_runs(
            [self.experiment], query, max_results=1, order_by=["attributes.start_time ASC"]
        )
        if found:
            return self.shared.claim(subject, str(found[0].info.run_id))
        source = {"mlflow.source.name": "surco", "mlflow.source.type": "JOB"}
        made = str(
            self.client.create_run(self.experiment, run_name=name, tags={**tags, **source}).info.run_id
        )
        first = self.shared.claim(subject, made)
        if first != made:
            self.client.delete_run(made)  # another was quicker, and nobody knows of ours
        return first

    def usable(self, run: str) -> bool:
        """Whether a run is there, in this experiment, and takes entries."""
        from mlflow.exceptions import MlflowException

        try:
            info = self.client.get_run(run).info
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return bool(info.lifecycle_stage == "active" and info.experiment_id == self.experiment)

    # -- status --------------------------------------------------------------------------------

    def settle(self, head: Head, run: str, told: str = "") -> None:
        """Give the run of a job, and its sweep's, the status that the ledger asks for.

        `told` is what the job's worker told at its end; it counts only where the ledger knows no such job.
        """
        if head.sweep:
            sweep = run if head.on_sweep else self.shared.claimed(head.sweep)
            if sweep:
                own = told if head.on_sweep else ""
                self.set_status(sweep, lambda: self.shared.sweep_status(head.sweep) or own)
        if not (head.on_sweep and head.sweep):
            self.set_status(run, lambda: self.shared.job_status(head.job) or told)

    def set_status(self, run: str, wanted: Callable[[], str]) -> None:
        """Set a status and look again whether it is still the wanted one: a job may be retried meanwhile."""
        for _ in range(5):
            status = wanted()
            if status and self.client.get_run(run).info.status != status:
                if status == "RUNNING":
                    self.client.update_run(run, status=status)
                else:
                    self.client.set_terminated(run, status)
            if wanted() == status:
                return
        raise Busy("the ledger changes too quickly; the run's status is set at the next look")

    def reconcile(self) -> int:
        """End the runs whose job has ended unheard, and delete a run's late twins; how many were changed.

        A worker may die with its machine, a job be cancelled before its turn, and a request that was
        given up may make a run after all.
        """
        changed = 0
        for run in self._search("attributes.status = 'RUNNING'"):
            tags, own = run.data.tags, str(run.info.run_id)
            sweep = tags.get("surco_kind") == "sweep"
            subject = tags.get("sweep_id" if sweep else "job_id", "")
            if not subject:
                continue
            claimed = self.shared.claimed(subject)
            if claimed and claimed != own:
                if self.usable(claimed):
                    self.client.delete_run(own)
                    changed += 1
                continue
            ask = self.shared.sweep_status if sweep else self.shared.job_status
            # Unknown to the ledger but claimed in the same Redis: the job was dropped.
            wanted = ask(subject) or ("KILLED" if claimed else "")
            if wanted not in ("", "RUNNING"):
                self.client.set_terminated(own, wanted)
                changed += 1
                if ask(subject) == "RUNNING":  # retried meanwhile
                    self.client.update_run(own, status="RUNNING")
        return changed

    def _search(self, query: str) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs([self.experiment], query, max_results=500, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    # -- description ---------------------------------------------------------------------------

    def describe(self, sweep: str) -> None:
        """Link songs, listening page and report from the description of a sweep's run."""
        run = self.shared.claimed(sweep)
        if not run:
            return
        there = {item.path for item in self.client.list_artifacts(run)}
        links = [self._link(run, page) for page in PAGES if page in there]
        children = self._search(f"tags.`mlflow.parentRunId` = '{run}' AND tags.surco_kind = 'generate'")
        for child in sorted(children, key=lambda c: str(c.info.run_name)):
            if self.client.list_artifacts(child.info.run_id, SOUNDS):
                title = f"Songs, {child.info.run_name.removeprefix('generate').strip() or 'generated'}"
                links.append(self._link(child.info.run_id, SOUNDS, title))
        text = "\n".join(f"- {link}" for link in links)[:5000]
        if text and self.client.get_run(run).data.tags.get(NOTE) != text:
            self.client.set_tag(run, NOTE, text)

    def _link(self, run: str, path: str, title: str = "") -> str:
        # Within MLflow's own pages, for it has another address inside a container than outside.
        titles = {"listen.html": "Listening page", "report.pdf": "Report", "summary.json": "Summary"}
        return f"[{title or titles[path]}]({run_page('', self.experiment, run, path).removeprefix('/')})"


def experiment(client: Any, name: str) -> str:
    """Id of the experiment, made where there is none; it opens on the model-training view."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(
                client.create_experiment(name, tags={"mlflow.experimentKind": "custom_model_development"})
            )
        except Exception:  # another worker was quicker, or the answer was lost
            time.sleep(0.1)
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":  # it would refuse every run
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)
