"""Garbage collection: what no kept sweep and no job needs any more, on S3, in Redis, MLflow and here.

`plan` lists it and changes nothing; `carry_out` takes it away, and asks anew before each step, for jobs are
handed in and run meanwhile. Of a job DONE.json goes first: whoever asks for it then runs it again.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services.queue.client import Client
from services.queue.ledger import ENDED, RUNNING, Job
from services.results.inventory import Inventory, take_inventory
from services.storage.s3 import Stored
from services.tracking.mlflow_client import open_client
from services.worker.tidy import DAY, Leftover, leftovers, remove
from surco.errors import InputError

LOG_DAYS = 30  # what an ended job logged stays so long
What = Literal["job", "sweep", "attempt", "checkpoint", "run", "log", "local"]


@dataclass(frozen=True)
class Waste:
    """One thing that can go: `name` is of a job, sweep, run or file, `part` an attempt or checkpoint."""

    what: What
    name: str
    size: int
    why: str
    part: str = ""
    keys: tuple[str, ...] = ()


def plan(
    client: Client, *, sweeps: Iterable[str] = (), older_than: float = DAY, mlflow: Any = None
) -> list[Waste]:
    """What can go: leftovers older than `older_than` seconds, and these sweeps with what they alone need.

    Raises `InputError` where a job of one of the sweeps has not ended, or where S3 holds jobs that the ledger
    does not: without them nobody can say what is needed.
    """
    found = take_inventory(client, mlflow=mlflow)
    going = set(sweeps)
    now = time.time()
    return [
        *(_sweeps(found, going) if going else ()),
        *_stored(client, found, now - older_than),
        *_logs(client, found, client.ledger.now() - max(older_than, LOG_DAYS * DAY)),
        *_runs(found, (now - older_than) * 1000),
        *(Waste("local", str(one.path), one.size, one.why)
          for one in leftovers(client.settings, client.ledger, older_than=older_than)),
    ]  # fmt: skip


def carry_out(client: Client, wastes: Iterable[Waste], *, mlflow: Any = None) -> list[Waste]:
    """Take it away; returns what went. What is needed after all by now stays."""
    wastes = list(wastes)
    if mlflow is None and any(waste.what == "run" for waste in wastes):
        mlflow = open_client(client.settings)
    return [waste for waste in wastes if _take_away(client, waste, mlflow)]


def _take_away(client: Client, waste: Waste, mlflow: Any) -> bool:
    if waste.what == "job":
        return _drop(client, waste)
    if waste.what == "local":
        remove(Leftover(Path(waste.name), waste.size, waste.why))
    elif waste.what == "log":
        client.ledger.redis.delete(f"surco:log:{waste.name}")
    elif waste.what == "sweep":
        client.ledger.forget_sweep(waste.name)
        _delete(client, waste.keys)
    elif waste.what == "run":
        mlflow.delete_run(waste.name)
        _delete(client, waste.keys)
    else:
        named, job = _published(client, waste.name), client.ledger.get(waste.name)
        if waste.part == named or (job is not None and _running(job, waste.part)):
            return False
        if waste.what == "checkpoint" and named is None:
            return False
        _delete(client, waste.keys)
    return True


def _drop(client: Client, waste: Waste) -> bool:
    job = client.ledger.get(waste.name)
    if job is not None and job.state not in ENDED:
        return False
    if client.ledger.children(waste.name):
        return False  # those that go with it have gone before it: this one was handed in since
    _delete(client, [key for key in waste.keys if key.endswith("/DONE.json")])
    client.ledger.drop(waste.name)
    _delete(client, [key for key in waste.keys if not key.endswith(("/DONE.json", "/spec.json"))])
    if client.ledger.get(waste.name) is None:  # asked for again meanwhile: then its spec is needed
        _delete(client, [key for key in waste.keys if key.endswith("/spec.json")])
    remove(Leftover(client.settings.cache / waste.name, 0, waste.why))
    return True


def _delete(client: Client, keys: Iterable[str]) -> None:
    for key in keys:
        client.store.delete(key)


def _sweeps(found: Inventory, going: set[str]) -> Iterator[Waste]:
    unknown = set(found.objects) - set(found.jobs)
    if unknown:
        raise InputError(
            f"S3 holds {len(unknown)} jobs that are not on the ledger, which may need what would go; "
            "run `surco rebuild` first."
        )
    kept = found.needed_without(going)
    leaving = {i for sweep in going for i in found.members(sweep)} - kept
    open_jobs = [i for i in leaving if i in found.jobs and found.jobs[i].state not in ENDED]
    if open_jobs:
        raise InputError(
            f"{len(open_jobs)} jobs have not ended, {open_jobs[0][:12]} among them; "
            "`surco cancel --sweep` ends them."
        )
    for run in found.runs_of(leaving, going):
        yield _run(found, run, "of a sweep that goes")
    # What reads others goes before what it reads.
    for identity in found.readers_first(leaving):
        objects = found.objects.get(identity, [])
        yield Waste("job", identity, _size(objects), "no other sweep needs it", keys=_keys(objects))
    for sweep in sorted(going):
        yield Waste("sweep", sweep, 0, "asked for", keys=(f"sweeps/{sweep}.json",))


def _stored(client: Client, found: Inventory, before: float) -> Iterator[Waste]:
    """Attempts that no DONE.json names, and checkpoints of jobs that are done."""
    for identity, objects in sorted(found.objects.items()):
        job = found.jobs.get(identity)
        if job is None:
            continue  # of a ledger that was wiped, or being handed in
        parts: dict[tuple[str, str], list[Stored]] = {}
        for stored in objects:
            words = stored.key.split("/")
            if len(words) > 4 and words[2] in ("attempts", "checkpoints"):
                parts.setdefault((words[2], words[3]), []).append(stored)
        done = any(stored.key == f"jobs/{identity}/DONE.json" for stored in objects)
        # The attempt that ran last is, but for deaths at its end, the one that was published: no need to ask.
        doubtful = [part for room, part in parts if room == "attempts" and part != job.attempt_id]
        named = _published(client, identity) if done and doubtful else None
        for (room, part), held in sorted(parts.items()):
            if max(stored.modified for stored in held) > before or _running(job, part):
                continue
            if room == "checkpoints" and done:
                yield Waste("checkpoint", identity, _size(held), "its job is done", part, _keys(held))
            elif room == "attempts" and (not done or named not in (None, part)):
                yield Waste("attempt", identity, _size(held), "no DONE.json names it", part, _keys(held))


def _running(job: Job, part: str) -> bool:
    return job.state == RUNNING and part.endswith(job.attempt_id)


def _published(client: Client, identity: str) -> str | None:
    """The attempt that a job's DONE.json names; None where there is none, or none that can be read."""
    try:
        done = json.loads(client.store.get_bytes(f"jobs/{identity}/DONE.json") or b"{}")
        return str(done["prefix"]).rpartition("/")[2]
    except (ValueError, KeyError, TypeError):
        return None


def _logs(client: Client, found: Inventory, before: float) -> Iterator[Waste]:
    for key in client.ledger.redis.scan_iter("surco:log:*", count=1000):
        identity = key.removeprefix("surco:log:")
        job = found.jobs.get(identity)
        if job is None or (job.state in ENDED and job.ended < before):
            size = client.ledger.redis.memory_usage(key) or 0
            yield Waste(
                "log", identity, size, "its job is gone" if job is None else f"over {LOG_DAYS} days old"
            )


def _runs(found: Inventory, before_ms: float) -> Iterator[Waste]:
    """Runs of jobs that were dropped; with an empty ledger, which was wiped, none."""
    for run in found.runs if found.jobs else ():
        job = run.data.tags.get("job_id", "")
        if job and job not in found.jobs and job not in found.objects and run.info.start_time < before_ms:
            yield _run(found, run, "its job is gone")


def _run(found: Inventory, run: Any, why: str) -> Waste:
    """A run with its artifacts, which stay where a registered model was made from them."""
    identity = str(run.info.run_id)
    held = [] if identity in found.registered else found.tracked.get(identity, [])
    return Waste("run", identity, _size(held), why, keys=_keys(held))


def _size(objects: Iterable[Stored]) -> int:
    return sum(stored.size for stored in objects)


def _keys(objects: Iterable[Stored]) -> tuple[str, ...]:
    return tuple(stored.key for stored in objects)
