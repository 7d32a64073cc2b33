"""What the ledger can be asked. Nothing here reads more of it than is asked for."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import redis

from services.queue.job import DONE, ENDED, RUNNING, STATES, Job, parse

BATCH = 500  # commands in one round trip
_JOBS, _IDS, _CHANGED = "surco:jobs", "surco:ids", "surco:changed"
GROWING = "surco:growing"  # by sweep, the job that says which further jobs it gets


def row_key(job_id: str) -> str:
    """Redis' key of a job's row."""
    return f"surco:job:{job_id}"


class Reading:
    """Jobs and sweeps in Redis, to look at."""

    def __init__(self, client: redis.Redis):
        self.redis: Any = client  # answers in text; redis-py's types allow for bytes everywhere

    def now(self) -> float:
        seconds, micros = self.redis.time()
        return float(seconds + micros / 1e6)

    def get(self, job_id: str) -> Job | None:
        """The job of an id; None where the ledger has none, or none that can be read."""
        return parse(job_id, self.redis.hgetall(row_key(job_id)))

    def find(self, prefix: str, limit: int = 20) -> list[Job]:
        """Jobs whose id starts with `prefix`, at most `limit`."""
        ends = (f"[{prefix}", f"[{prefix}\xff") if prefix else ("-", "+")
        return self.many(self.redis.zrangebylex(_IDS, *ends, start=0, num=limit))

    def many(self, ids: Iterable[str]) -> list[Job]:
        """The jobs of these ids, in their order, without those the ledger does not have."""
        found = []
        for part in chunks(ids):
            pipe = self.redis.pipeline(transaction=False)
            for job_id in part:
                pipe.hgetall(row_key(job_id))
            found += [parse(i, row) for i, row in zip(part, pipe.execute(), strict=True)]
        return [job for job in found if job is not None]

    def states(self, ids: Iterable[str]) -> dict[str, str]:
        """State by id, of those that the ledger has."""
        found: dict[str, str] = {}
        for part in chunks(ids):
            pipe = self.redis.pipeline(transaction=False)
            for job_id in part:
                pipe.hget(row_key(job_id), "state")
            found |= {i: state for i, state in zip(part, pipe.execute(), strict=True) if state}
        return found

    def in_state(self, *states: str, limit: int | None = None) -> list[Job]:
        """Jobs in these states, of each the newest first; at most `limit`."""
        last = -1 if limit is None else limit - 1
        ids = [i for s in states for i in self.redis.zrevrange(f"surco:in:{s}", 0, last)]
        return self.many(ids[:limit])

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state."""
        pipe = self.redis.pipeline(transaction=False)
        for state in STATES:
            pipe.zcard(f"surco:in:{state}")
        return dict(zip(STATES, pipe.execute(), strict=True))

    def recent(self, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        return self.many(self.redis.zrevrange(_JOBS, 0, limit - 1)) if limit > 0 else []

    def children(self, job_id: str) -> list[str]:
        """Ids of the jobs that read this one's results."""
        return sorted(child for child, _ in self.redis.hscan_iter(f"surco:children:{job_id}", count=BATCH))

    def changed(self, since: float, limit: int = 5000) -> list[tuple[str, float]]:
        """Ids of the jobs whose state changed at or after a time, with that time, oldest first."""
        return list(self.redis.zrangebyscore(_CHANGED, since, "+inf", start=0, num=limit, withscores=True))

    def foremost(self, queue: str, limit: int) -> list[str]:
        """Ids of the queued jobs of a queue that are to run first."""
        return self.redis.zrange(f"surco:rank:{queue}", 0, limit - 1) if limit > 0 else []

    def run_by(self, worker: str) -> Job | None:
        """The job that a worker (`host:pid`) runs now; its message may have named another."""
        job_id = self.redis.hget("surco:workers", worker)
        return self.get(job_id) if job_id else None

    def holds(self, job_id: str, attempt: str) -> str:
        """The job's state while this attempt is the one that runs it; "gone" or "another attempt's" else."""
        state, owner = self.redis.hmget(row_key(job_id), "state", "attempt_id")
        if state is None:
            return "gone"
        return state if state != RUNNING or owner == attempt else "another attempt's"

    def log_lines(self, job_id: str, *, follow: bool = False) -> Iterator[str]:
        """Lines a job logged; with `follow`, on until it ends."""
        last = "0"
        while True:
            ended = not follow or self.redis.hget(row_key(job_id), "state") in {None, *ENDED}
            block = None if ended else 1000
            found = self.redis.xread({f"surco:log:{job_id}": last}, count=500, block=block)
            for _, entries in found or []:
                for number, entry in entries:
                    last = number
                    yield entry["line"]
            if ended and not found:
                return

    def open_jobs(self, sweep_id: str) -> int:
        """How many of a sweep's jobs have not ended."""
        return int(self.redis.scard(f"surco:open:{sweep_id}"))

    def growing(self) -> dict[str, str]:
        """By sweep that has still to get its second round, the job that says what is in it."""
        return dict(self.redis.hgetall(GROWING))

    def grows(self, sweep_id: str) -> bool:
        """Whether the sweep will get further jobs, as far as can be seen now."""
        job_id = self.redis.hget(GROWING, sweep_id)
        state = self.redis.hget(row_key(job_id), "state") if job_id else None
        return state is not None and (state == DONE or state not in ENDED)

    def sweep_name(self, sweep_id: str) -> str:
        """Name of a sweep, "" of one that is not known."""
        return self.redis.hget(f"surco:sweep:{sweep_id}", "name") or ""

    def sweep_names(self) -> list[tuple[str, str]]:
        """Id and name of every sweep, newest first."""
        ids = self.redis.zrevrange("surco:sweeps", 0, -1)
        pipe = self.redis.pipeline(transaction=False)
        for sweep_id in ids:
            pipe.hget(f"surco:sweep:{sweep_id}", "name")
        return [(i, name) for i, name in zip(ids, pipe.execute(), strict=True) if name]

    def sweep(self, sweep_id: str) -> dict[str, Any] | None:
        """A sweep's `id`, `name`, `spec`, `jobs` and `created`; None where there is no readable row."""
        row = self.redis.hgetall(f"surco:sweep:{sweep_id}")
        try:
            return {
                "id": sweep_id, "name": row["name"], "spec": json.loads(row["spec"]),
                "jobs": json.loads(row["jobs"]), "created": float(row["created"]),
            }  # fmt: skip
        except (KeyError, ValueError):
            return None


def chunks(items: Iterable[Any], size: int = BATCH) -> Iterator[list[Any]]:
    part: list[Any] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
