"""The client: where jobs and sweeps are handed in and asked after.

Order matters when anything may die: the spec goes to S3 first, if absent, then the ledger, then the
message. Whatever is lost after the first step can be rebuilt from it.
"""

import json
from dataclasses import dataclass
from typing import Any

from celery import Celery

from jobs.closure import code_version
from jobs.graph import Node, SweepSpec, plan, sweep_id
from jobs.kinds import find_kind, parse_spec
from jobs.spec import JobSpec, canonical, job_id
from services.queue.broker import Notifier, celery_app, connect, ping
from services.queue.ledger import CANCELLED, DEAD, DONE, RUNNING, WAITING, Job, Ledger
from services.settings import Settings
from services.storage.s3 import S3Store
from surco.errors import InputError


@dataclass
class Client:
    """Ledger, store and notifier of one set of servers."""

    settings: Settings
    ledger: Ledger
    store: S3Store
    notifier: Notifier

    @classmethod
    def open(cls, settings: Settings, app: Celery | None = None) -> "Client":
        """Connect; raises `ServerDown` where Redis does not answer."""
        connection = connect(settings)
        ping(connection, settings)
        notifier = Notifier(app or celery_app(settings), connection)
        return cls(settings, Ledger(connection, notifier), S3Store(settings), notifier)

    # -- handing in ----------------------------------------------------------------------------

    def submit(self, kind: str, spec: JobSpec, *, sweep: str = "", label: str = "") -> Job:
        """Hand in a job; the same spec again answers with the job that is there."""
        identity = job_id(kind, spec)
        known = self.ledger.get(identity)
        if known is not None:
            return self._moved(known, spec)
        record = {
            "kind": kind, "spec": spec.model_dump(mode="json"), "sweep": sweep, "label": label,
            "code": code_version(kind),
        }  # fmt: skip
        self.store.put_bytes(f"jobs/{identity}/spec.json", canonical(record), if_absent=True)
        return self._enter(identity, record)

    def _moved(self, known: Job, spec: JobSpec) -> Job:
        """A job that was there already; where its music lies is as last told, until it runs."""
        told = spec.model_dump(mode="json")
        if known.spec == told or known.state in (RUNNING, DONE):
            return known
        record = {
            "kind": known.kind, "spec": told, "sweep": known.sweep, "label": known.label, "code": known.code,
        }  # fmt: skip
        self.store.put_bytes(f"jobs/{known.id}/spec.json", canonical(record))
        self.ledger.move(known.id, known.state, since=[known.state], spec=told)
        return self.ledger.get(known.id) or known

    def submit_sweep(self, sweep: SweepSpec) -> str:
        """Hand in every job of a sweep; returns the sweep's id."""
        nodes = plan(sweep)
        identity = sweep_id(sweep, nodes)
        record = {
            "name": sweep.name, "spec": sweep.model_dump(mode="json"), "jobs": [n.id for n in nodes],
        }  # fmt: skip
        self.store.put_bytes(f"sweeps/{identity}.json", canonical(record), if_absent=True)
        self.ledger.add_sweep(identity, sweep.name, record["spec"], record["jobs"])  # type: ignore[arg-type]
        for node in nodes:
            self._submit_node(node, identity)
        return identity

    def _submit_node(self, node: Node, sweep_id: str) -> None:
        job = self.submit(node.kind, node.spec, sweep=sweep_id, label=node.label)
        if job.state in (DEAD, CANCELLED) or job.state == "skipped":
            self.ledger.retry(job.id)

    def _enter(self, identity: str, record: dict[str, Any]) -> Job:
        """Put a stored spec on the ledger, as done, dead or cancelled where the store says so."""
        kind, spec = record["kind"], parse_spec(record["kind"], record["spec"])
        state, fields = WAITING, {}
        done = self.store.get_bytes(f"jobs/{identity}/DONE.json")
        ended = None if done else self.store.get_bytes(f"jobs/{identity}/ENDED.json")
        if done:
            state, fields = DONE, {"result": json.loads(done)["result"]}
        elif ended:
            fields = json.loads(ended)
            state = fields.pop("state")
        self.ledger.add(
            identity, kind, find_kind(kind).queue, record["spec"], required=spec.inputs(optional=False),
            optional=spec.inputs(optional=True), sweep=record["sweep"], label=record["label"],
            code=record["code"], state=state, **fields,
        )  # fmt: skip
        self.ledger.release(identity)
        return self.ledger.get(identity)  # type: ignore[return-value]

    # -- asking and changing -------------------------------------------------------------------

    def job(self, prefix: str) -> Job:
        """The job whose id starts so; refused where none or several do."""
        found = self.ledger.find(prefix.lower())
        if len(found) == 1:
            return found[0]
        if not found:
            raise InputError(f"No job has an id that starts with {prefix!r}; `surco jobs` lists them.")
        raise InputError(f"{len(found)} jobs have ids that start with {prefix!r}; give more digits.")

    def sweep(self, prefix: str = "") -> dict[str, Any]:
        """The sweep whose id or name starts so; the newest without one."""
        found = [s for s in self.ledger.sweeps() if s["id"].startswith(prefix) or s["name"] == prefix]
        if not found:
            raise InputError(
                f"No sweep {prefix!r} is known; `surco submit sweep` starts one.".replace(" ''", "")
            )
        return found[0]

    def cancel(self, job: Job) -> bool:
        """Cancel a job that has not ended; one that runs stops at its next beat."""
        moved = self.ledger.cancel(job.id)
        if moved:
            self._note_end(job.id, CANCELLED, "cancelled by the user")
        return moved

    def mark_failed(self, job: Job, reason: str, *, fence: int | None = None, fatal: bool = False) -> str:
        """An attempt failed; queue the job again or put it on the dead list."""
        state = self.ledger.fail(job.id, reason, fence=fence, fatal=fatal)
        if state == DEAD:
            self._note_end(job.id, DEAD, reason)
        return state

    def retry(self, job: Job) -> bool:
        """Run an ended, not done job again, with the jobs that were skipped for its sake."""
        self.store.delete(f"jobs/{job.id}/ENDED.json")
        return self.ledger.retry(job.id)

    def drop(self, job: Job) -> None:
        """Forget a job: ledger, spec and artifacts."""
        for key in self.store.keys(f"jobs/{job.id}/"):
            self.store.delete(key)
        self.ledger.drop(job.id)

    def _note_end(self, job: str, state: str, reason: str) -> None:
        self.store.put_bytes(f"jobs/{job}/ENDED.json", canonical({"state": state, "reason": reason}))

    # -- after a disaster ----------------------------------------------------------------------

    def rebuild(self) -> dict[str, int]:
        """Write the ledger anew from S3, after Redis was wiped; returns how many were put back."""
        jobs = 0
        for key in self.store.keys("jobs/"):
            parts = key.split("/")
            if len(parts) == 3 and parts[2] == "spec.json" and self.ledger.get(parts[1]) is None:
                record = json.loads(self.store.get_bytes(key) or b"{}")
                self._enter(parts[1], record)
                jobs += 1
        for waiting in self.ledger.in_state(WAITING):
            self.ledger.release(waiting.id)
        sweeps = self.store.keys("sweeps/")
        for key in sweeps:
            record = json.loads(self.store.get_bytes(key) or b"{}")
            sweep_id = key.removeprefix("sweeps/").removesuffix(".json")
            self.ledger.add_sweep(sweep_id, record["name"], record["spec"], record["jobs"])
        return {"jobs": jobs, "sweeps": len(sweeps)}
