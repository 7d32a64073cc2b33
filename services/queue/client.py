"""The client: where jobs and sweeps are handed in and asked after.

Order matters when anything may die: the spec goes to S3 first, if absent, then the ledger, then the
message. Whatever is lost after the first step can be rebuilt from it.
"""

import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import redis

from jobs.closure import code_version
from jobs.graph import Node, SweepSpec, check_genres, first_round, second_round, sweep_id
from jobs.kinds import find_kind
from jobs.spec import JobSpec, canonical, job_id
from services.errors import ServerDown
from services.queue.broker import Notifier
from services.queue.connection import connect, ping
from services.queue.lease import holder_is_dead, new_token
from services.queue.ledger import BATCH, CANCELLED, DEAD, DONE, ENDED, RUNNING, SKIPPED, WAITING, Job, Ledger
from services.settings import Settings
from services.storage.s3 import S3Store
from surco.errors import InputError

log = logging.getLogger("surco.queue")

THREADS = 8  # requests to S3 at a time
_T = TypeVar("_T")


@dataclass(frozen=True)
class Request:
    """A job to hand in; `label` is what people read, `priority` 0 to 9."""

    kind: str
    spec: JobSpec
    label: str = ""
    priority: int = 0


@dataclass(frozen=True)
class Claim:
    """An attempt that has begun: its job as the ledger has it now, and the lease's token."""

    job: Job
    token: str


@dataclass
class Client:
    """Ledger, store and notifier of one set of servers."""

    settings: Settings
    ledger: Ledger
    store: S3Store
    notifier: Notifier

    @classmethod
    def open(cls, settings: Settings) -> "Client":
        """Connect; raises `ServerDown` where Redis does not answer."""
        connection = connect(settings)
        ping(connection, settings)
        notifier = Notifier(connection)
        return cls(settings, Ledger(connection, notifier.many), S3Store(settings), notifier)

    # -- handing in ----------------------------------------------------------------------------

    def submit(self, kind: str, spec: JobSpec, *, sweep: str = "", label: str = "", priority: int = 0) -> Job:
        """Hand in a job; the same spec again answers with the job that is there."""
        return self.submit_many([Request(kind, spec, label, priority)], sweep=sweep)[0]

    def submit_many(self, requests: Sequence[Request], *, sweep: str = "") -> list[Job]:
        """Hand in jobs, each after those that it needs; returns them in their order.

        Takes a fixed number of round trips for each `BATCH` jobs, and one or three requests to S3 for each
        job that is new.
        """
        for request in requests:
            if not 0 <= request.priority <= 9:
                raise InputError(f"Priority {request.priority} is not between 0 and 9; 9 goes first.")
        found: list[Job] = []
        for start in range(0, len(requests), BATCH):
            asked = [(job_id(r.kind, r.spec), r) for r in requests[start : start + BATCH]]
            part = dict(asked)
            jobs = {job.id: job for job in self.ledger.many(part)}
            new = [pair for pair in part.items() if pair[0] not in jobs]
            rows = self._in_parallel(lambda pair: self._store_spec(pair[0], pair[1], sweep), new)
            self.enter(rows)
            moved = [i for i, job in jobs.items() if self._moved(job, part[i].spec)]
            jobs |= {job.id: job for job in self.ledger.many([*(i for i, _ in new), *moved])}
            found += [jobs[i] for i, _ in asked]
        return found

    def _moved(self, known: Job, spec: JobSpec) -> bool:
        """A job that was there already: where its music lies is as last told, until it runs."""
        told = spec.model_dump(mode="json")
        if known.spec == told or known.state in (RUNNING, DONE):
            return False
        record = {
            "kind": known.kind, "spec": told, "sweep": known.sweep, "label": known.label, "code": known.code,
            "priority": known.priority,
        }  # fmt: skip
        self.store.put_bytes(f"jobs/{known.id}/spec.json", canonical(record))
        return self.ledger.ask_again(known.id, told)

    def enter(self, rows: list[dict[str, Any]]) -> None:
        """Enter jobs that the ledger does not have; what is left of a row that cannot be read gives way."""
        try:
            answers = list(zip(rows, self.ledger.add_many(rows), strict=True))
        except redis.OutOfMemoryError:
            raise ServerDown(
                "Redis", self.settings.redis_address, "is at its memory limit and takes no new job",
                remedy="raise its maxmemory, or forget old jobs with `surco dead drop all`",
            ) from None  # fmt: skip
        broken = {row["id"] for row, (new, _) in answers if not new}
        broken -= {job.id for job in self.ledger.many(broken)}
        for identity in broken:
            self.ledger.drop(identity)
        self.ledger.add_many([row for row in rows if row["id"] in broken])

    def submit_sweep(self, sweep: SweepSpec, *, priority: int = 0) -> str:
        """Hand in a sweep; returns its id. Jobs that ended badly run again.

        Where the sizes of its second round are not fixed, those jobs follow (`services.queue.growing`).
        """
        from services.queue.growing import grow_ready

        check_genres(sweep)
        nodes, made = first_round(sweep)
        grows_by = next((n.id for n in nodes if find_kind(n.kind).grows), "")
        whole = [*nodes, *second_round(sweep, made, sweep.study or sweep.sizes)[0]]
        identity = sweep_id(sweep, whole)
        nodes = nodes if grows_by else whole
        ids = [n.id for n in nodes]
        spec = sweep.model_dump(mode="json")
        record = {"name": sweep.name, "spec": spec, "jobs": ids, "made": made, "grows_by": grows_by}
        self.store.put_bytes(f"sweeps/{identity}.json", canonical(record), if_absent=True)
        known = (self.ledger.sweep(identity) or {"jobs": []})["jobs"]
        ids = list(dict.fromkeys([*ids, *known]))
        self.ledger.add_sweep(identity, sweep.name, spec, ids, grows_by=grows_by)
        self.enter_nodes(nodes, identity, priority)
        self.ledger.join(identity, ids, more=bool(grows_by))
        if grows_by:
            grow_ready(self)
        return identity

    def enter_nodes(self, nodes: Sequence[Node], sweep: str, priority: int = 0) -> None:
        """Hand in jobs of a sweep's graph, and again those of them that ended badly."""
        for job in self.submit_many([Request(n.kind, n.spec, n.label, priority) for n in nodes], sweep=sweep):
            if job.state in (DEAD, CANCELLED, SKIPPED):
                self.retry(job)

    def _store_spec(self, identity: str, request: Request, sweep: str) -> dict[str, Any]:
        """Put a spec into S3 and return the row of its job."""
        record = {
            "kind": request.kind, "spec": request.spec.model_dump(mode="json"), "sweep": sweep,
            "label": request.label, "code": code_version(request.kind), "priority": request.priority,
        }  # fmt: skip
        new = self.store.put_bytes(f"jobs/{identity}/spec.json", canonical(record), if_absent=True)
        # The spec is the first that a job has in S3 and the last that it loses: without one, no end either.
        return self.row(identity, record, request.spec, ended=not new)

    def row(self, identity: str, record: dict[str, Any], spec: JobSpec, *, ended: bool) -> dict[str, Any]:
        """The ledger's row of a stored record, as done, dead or cancelled where the store says so."""
        state: dict[str, Any] = {"state": WAITING}
        if ended and (result := self.published(identity)) is not None:
            state = {"state": DONE, "result": result}
        elif ended and (data := self.store.get_bytes(f"jobs/{identity}/ENDED.json")):
            end = json.loads(data)
            if end["state"] not in (DEAD, CANCELLED):
                raise ValueError(f"ENDED.json says {end['state']!r}")
            state = {"state": end["state"], "reason": str(end["reason"])}
        return {
            "id": identity, "queue": find_kind(record["kind"]).queue, **record,
            "required": spec.inputs(optional=False), "optional": spec.inputs(optional=True), **state,
        }  # fmt: skip

    # -- asking --------------------------------------------------------------------------------

    def job(self, prefix: str) -> Job:
        """The job whose id starts so; refused where none or several do."""
        found = self.ledger.find(prefix.lower(), limit=2)
        if len(found) == 1:
            return found[0]
        if not found:
            raise InputError(f"No job has an id that starts with {prefix[:70]!r}; `surco jobs` lists them.")
        raise InputError(f"Several jobs have ids that start with {prefix[:70]!r}; give more digits.")

    def sweep(self, prefix: str = "") -> dict[str, Any]:
        """The sweep whose id or name starts so; the newest without one."""
        for identity, name in self.ledger.sweep_names():
            if (identity.startswith(prefix) or name == prefix) and (found := self.ledger.sweep(identity)):
                return found
        which = f" {prefix[:70]!r}" if prefix else ""
        raise InputError(f"No sweep{which} is known; `surco submit sweep` starts one.")

    def published(self, identity: str) -> dict[str, Any] | None:
        """The result in a job's DONE.json; None while there is none."""
        data = self.store.get_bytes(f"jobs/{identity}/DONE.json")
        if data is None:
            return None
        try:
            return dict(json.loads(data)["result"])
        except (ValueError, KeyError, TypeError):
            log.warning("DONE.json of job %s cannot be read; it counts as not done.", identity)
            return None

    # -- changing ------------------------------------------------------------------------------

    def claim(
        self, asked: str, worker: str, *, codes: Mapping[str, str] | None = None
    ) -> Claim | Literal["refused"] | None:
        """Begin an attempt in answer to a message that names the job `asked`; None if there is none to begin.

        The attempt may be another job's: see `lua/claim.lua`. A job whose attempts are used up ends here.
        `codes` are the versions of the code that the worker has, by kind; "refused" where all that is queued
        was asked for by other code. That answers the message: the reconciler's next one may reach a worker
        that has the code, and one that has it not is not asked more often than that.
        """
        token, broken, skip = new_token(), "", ""
        for _ in range(9):
            answer = self.ledger.claim(
                asked, worker, token, self.settings.lease_seconds, broken=broken, skip=skip,
                codes=None if codes is None else set(codes.values()),
            )  # fmt: skip
            if answer.status == "claimed":
                return Claim(answer.job, token) if answer.job else None
            if answer.status == "none":
                return None
            if answer.status == "foreign":
                self._say_foreign(answer.job_id, codes or {})
                return "refused"
            if answer.status == "held" and holder_is_dead(answer.value) and answer.value != broken:
                broken = answer.value
            elif answer.status == "held":
                skip = answer.job_id
            else:
                spent = self.ledger.get(answer.job_id)
                if spent is None:
                    return None
                reason = spent.failing or spent.reason or f"its worker {spent.worker} died or lost its lease"
                self.mark_failed(spent, reason, attempt=answer.value, fatal=bool(spent.failing))
        return None

    def _say_foreign(self, identity: str, codes: Mapping[str, str]) -> None:
        job = self.ledger.get(identity)
        if job is not None:
            self.ledger.note(
                identity,
                f"waits for a worker with the code that asked for it ({job.code[:8] or 'unknown'}); "
                f"the one on {socket.gethostname()} has {codes.get(job.kind, '')[:8] or 'none'}: "
                "update or restart it.",
            )

    def cancel(self, job: Job) -> bool:
        """Cancel a job that has not ended; one that runs stops at its next beat.

        False where it had ended, or is done after all: then the ledger says so now.
        """
        return bool(self.cancel_many([job.id]))

    def cancel_many(self, ids: Sequence[str]) -> list[str]:
        """Cancel those that have not ended; returns their ids.

        While S3 is away the ledger keeps a note of it, and the reconciler tells S3 later.
        """
        open_ids = [i for i, state in self.ledger.states(ids).items() if state not in ENDED]
        self._unless_away(lambda: self._in_parallel(self._finish_published, open_ids))
        cancelled = self.ledger.cancel(open_ids)
        self._unless_away(lambda: self._in_parallel(self.tell_store, cancelled))
        states = self.ledger.states(cancelled)
        return [i for i in cancelled if states.get(i) != DONE]

    def mark_failed(self, job: Job, reason: str, *, attempt: str | None = None, fatal: bool = False) -> str:
        """An attempt failed: queue the job again or put it on the dead list, unless it is done after all.

        Returns its state, or "" where the attempt (without one, that of `job`) is not the one that runs.
        Raises `ServerDown` where the job must end and S3 cannot be asked whether it is done; the reason is
        kept, and the reconciler asks again.
        """
        attempt = attempt or job.attempt_id or None
        state = self.ledger.fail(job.id, reason, attempt=attempt, fatal=fatal)
        if state != "last":
            return state
        if self._finish_published(job.id):
            return DONE
        state = self.ledger.fail(job.id, reason, attempt=attempt, fatal=fatal, final=True)
        if state == DEAD:
            self._unless_away(lambda: self.tell_store(job.id))
        return state

    def retry(self, job: Job) -> bool:
        """Run an ended, not done job again, with the jobs that were skipped for its sake."""
        moved = self.ledger.retry(job.id)
        self._unless_away(lambda: self.tell_store(job.id))
        return moved

    def drop(self, job: Job) -> None:
        """Forget a job: ledger, spec and artifacts; the spec last, so that what is left can be found."""
        keys = self.store.keys(f"jobs/{job.id}/")
        for key in sorted(keys, key=lambda k: k.endswith("/spec.json")):
            self.store.delete(key)
        self.ledger.drop(job.id)

    def tell_store(self, identity: str) -> None:
        """Make ENDED.json say what the ledger says: written for a dead or cancelled job, else not there.

        A job that is found published is finished instead. Safe to repeat and to run twice at once: the note
        that there is something to tell is crossed off only if the job has not changed since.
        """
        key = f"jobs/{identity}/ENDED.json"
        note = self.ledger.mirror_note(identity)
        while note is not None:
            job = self.ledger.get(identity)
            if job is None or job.state not in (DEAD, CANCELLED):
                self.store.delete(key)
            elif not self._finish_published(identity):
                self.store.put_bytes(key, canonical({"state": job.state, "reason": job.reason}))
            if self.ledger.mirrored(identity, note):
                return
            after = self.ledger.get(identity)
            fresh = self.ledger.mirror_note(identity)
            # Crossed off by another: what it wrote may have been older or newer than what was written here.
            same = (after and after.state) == (job and job.state)
            note = fresh if fresh is not None else None if same else note

    def _finish_published(self, identity: str) -> bool:
        """Finish a job whose DONE.json is in S3, whatever the ledger thought; whether it is there."""
        result = self.published(identity)
        if result is None:
            return False
        self.ledger.finish(identity, result)
        return True

    def rebuild(self) -> dict[str, Any]:
        """Write the ledger anew from S3, after Redis was wiped; see `services.queue.rebuild`."""
        from services.queue.rebuild import rebuild

        return rebuild(self)

    # -- helpers -------------------------------------------------------------------------------

    def _in_parallel(self, call: Callable[[Any], _T], items: Iterable[Any]) -> list[_T]:
        items = list(items)
        if len(items) < 2:
            return [call(item) for item in items]
        with ThreadPoolExecutor(min(THREADS, len(items))) as pool:
            return list(pool.map(call, items))

    def _unless_away(self, call: Callable[[], object]) -> None:
        """What the reconciler does later where S3 does not answer now."""
        try:
            call()
        except ServerDown as down:
            log.info("S3 is told later: %s", down)
