"""A job as the ledger keeps it: its states, its row, and reading the row back."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WAITING, QUEUED, RUNNING = "waiting", "queued", "running"
DONE, DEAD, CANCELLED, SKIPPED = "done", "dead", "cancelled", "skipped"
STATES = (WAITING, QUEUED, RUNNING, DONE, DEAD, CANCELLED, SKIPPED)
ENDED = frozenset({DONE, DEAD, CANCELLED, SKIPPED})
MAX_ATTEMPTS = 3

log = logging.getLogger("surco.queue")


@dataclass(frozen=True)
class Job:
    """One row of the ledger. Times are seconds since the epoch on the server's clock."""

    id: str
    kind: str
    queue: str
    state: str
    spec: dict[str, Any]
    required: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    sweep: str = ""  # the sweep that asked for it first
    label: str = ""
    code: str = ""  # version of the code that asked for it
    priority: int = 0  # 0 to 9, the highest first
    attempts: int = 0
    fence: int = 0  # number of the attempt on this ledger
    attempt_id: str = ""  # fence and random digits: no other attempt has it, on whatever ledger
    created: float = 0.0
    queued: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    reason: str = ""
    failing: str = ""  # why it must end, while nobody could ask S3 whether it is done
    worker: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, Any] = field(default_factory=dict)  # of the last attempt; see `services.worker.cost`

    @property
    def seconds(self) -> float:
        """How long the last attempt ran, s; 0 before it ended."""
        return max(0.0, self.ended - self.started) if self.ended and self.started else 0.0


_KINDS: dict[str, type] = {
    "spec": dict,
    "required": list,
    "optional": list,
    "result": dict,
    "progress": dict,
    "cost": dict,
}
_NUMBERS: dict[str, Callable[[str], Any]] = {
    "priority": int, "attempts": int, "fence": int, "created": float, "queued": float, "started": float,
    "ended": float,
}  # fmt: skip
_named: set[str] = set()  # malformed rows of which this process has spoken


def parse(job_id: str, row: dict[str, str]) -> Job | None:
    """The job of a row; None for no row, and for one that cannot be read, which is logged once.

    Rows are written by scripts alone, but Redis can be written by anyone: one bad row must neither hide the
    others nor stop whoever walks over them.
    """
    if not row:
        return None
    try:
        values: dict[str, Any] = {k: v for k, v in row.items() if k in Job.__dataclass_fields__ and k != "id"}
        for name, kind in _KINDS.items():
            if name in values:
                values[name] = json.loads(values[name])
                if not isinstance(values[name], kind):
                    raise ValueError(f"{name} is no {kind.__name__}")
        for name, number in _NUMBERS.items():
            if name in values:
                values[name] = number(values[name])
        job = Job(id=job_id, **values)
        if job.state not in STATES:
            raise ValueError(f"no state {job.state!r}")
    except (ValueError, TypeError, RecursionError) as error:
        if job_id not in _named:
            _named.add(job_id)
            log.warning(
                "The ledger's row of job %s cannot be read and is passed over (%s); "
                "`surco rebuild` writes it anew from S3.", job_id[:64], str(error)[:200],
            )  # fmt: skip
        return None
    return job


def flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as Redis stores them: dicts and lists as JSON."""
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in fields.items()}
