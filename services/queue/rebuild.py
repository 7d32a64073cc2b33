"""Writing the ledger anew from S3, after Redis was wiped.

S3 is read as something that anyone may have written to: a record that is cut, empty, of an unknown kind or of
an older spec is named and passed over, and the others come back.
"""

import json
import logging
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.graph import Made
from jobs.kinds import explain, parse_spec
from services.queue.job import STATES
from surco.errors import InputError

if TYPE_CHECKING:
    from services.queue.client import Client

log = logging.getLogger("surco.queue")


class JobRecord(BaseModel):
    """spec.json of a job, as `Client.submit_many` writes it."""

    model_config = ConfigDict(strict=True, extra="ignore")

    kind: str
    spec: dict[str, Any]
    sweep: str = Field("", max_length=64)
    label: str = ""
    code: str = ""
    priority: int = Field(0, ge=0, le=9)


class SweepRecord(BaseModel):
    """sweeps/<id>.json, as `Client.submit_sweep` writes it, and `grow` anew with the second round."""

    model_config = ConfigDict(strict=True, extra="ignore")

    name: str
    spec: dict[str, Any]
    jobs: list[str]
    made: Made = {}  # of the first round
    grows_by: str = ""  # job whose result names the sizes of the second round; "" where all jobs were known
    grown: bool = False

    @property
    def waits_for(self) -> str:
        """The job that the sweep still grows by; "" where it has all its jobs."""
        return "" if self.grown else self.grows_by


def rebuild(client: "Client") -> dict[str, Any]:
    """Enter every stored job and sweep that is not on the ledger.

    Returns `jobs` and `sweeps`, how many were entered, and `passed_over`: a sentence for each record that
    could not be read.
    """
    passed_over: list[str] = []
    keys = set(client.store.keys("jobs/"))
    ids = [p[1] for p in (k.split("/") for k in sorted(keys)) if len(p) == 3 and p[2] == "spec.json"]
    known = {job.id for job in client.ledger.many(ids)}  # a row that cannot be read is written anew

    def read(identity: str) -> dict[str, Any] | str:
        key = f"jobs/{identity}/spec.json"
        try:
            record = JobRecord.model_validate(json.loads(client.store.get_bytes(key) or b""))
            spec = parse_spec(record.kind, record.spec)
            ended = bool(keys & {f"jobs/{identity}/DONE.json", f"jobs/{identity}/ENDED.json"})
            return client.row(identity, record.model_dump(), spec, ended=ended)
        except Exception as error:  # whatever one record holds, the next one must come back
            if isinstance(error, ConnectionError):
                raise
            return f"{key} is passed over: {_why(error)}"

    rows: dict[str, dict[str, Any]] = {}
    for found in client._in_parallel(read, [i for i in ids if i not in known]):
        if isinstance(found, str):
            passed_over.append(found)
        else:
            rows[found["id"]] = found
    if client.ledger.index(sorted(known)):
        client.ledger.redis.delete(*(f"surco:state:{state}" for state in STATES))  # the older layout's lists
    client.enter([rows[i] for i in _needs_first(rows)])
    client.ledger.release_pending(len(rows) + 1)

    sweeps = 0
    for key in client.store.keys("sweeps/"):
        sweep_id = key.removeprefix("sweeps/").removesuffix(".json")
        try:
            sweep = SweepRecord.model_validate(json.loads(client.store.get_bytes(key) or b""))
        except (ValueError, RecursionError) as error:
            passed_over.append(f"{key} is passed over: {_why(error)}")
            continue
        client.ledger.add_sweep(sweep_id, sweep.name, sweep.spec, sweep.jobs, grows_by=sweep.waits_for)
        client.ledger.join(sweep_id, sweep.jobs, more=bool(sweep.waits_for))
        sweeps += 1
    for sentence in passed_over:
        log.warning("%s", sentence)
    return {"jobs": len(rows), "sweeps": sweeps, "passed_over": passed_over}


def _needs_first(rows: dict[str, dict[str, Any]]) -> list[str]:
    """The jobs, each after those that it needs: one whose optional need came later would not wait for it."""
    graph = {i: [n for n in (*r["required"], *r["optional"]) if n in rows] for i, r in rows.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:  # an id is a hash over its needs, so only a forged record can do this
        return list(rows)


def _why(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return explain("it", error)[:200]
    if isinstance(error, InputError):
        return str(error)[:200]
    return f"it cannot be read ({type(error).__name__})"
