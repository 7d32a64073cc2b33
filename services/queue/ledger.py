"""The ledger: what every job is, needs and has come to. A message only notifies; this is the truth.

One Redis hash a job, one set a state, one set of dependants a job. Every change of state is one Lua
script that compares state and fence and sets, so two workers can never both move a job.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import redis

WAITING, QUEUED, RUNNING = "waiting", "queued", "running"
DONE, DEAD, CANCELLED, SKIPPED = "done", "dead", "cancelled", "skipped"
STATES = (WAITING, QUEUED, RUNNING, DONE, DEAD, CANCELLED, SKIPPED)
ENDED = frozenset({DONE, DEAD, CANCELLED, SKIPPED})
MAX_ATTEMPTS = 3

_MOVE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(ARGV[1], ',' .. state .. ',', 1, true) then return 0 end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], 'fence') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], unpack(ARGV, 5))
redis.call('SREM', 'surco:state:' .. state, ARGV[4])
redis.call('SADD', 'surco:state:' .. ARGV[2], ARGV[4])
return 1
"""


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
    sweep: str = ""
    label: str = ""
    code: str = ""  # version of the code that asked for it
    attempts: int = 0
    fence: int = 0
    created: float = 0.0
    queued: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    reason: str = ""
    worker: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long the last attempt ran, s; 0 before it ended."""
        return max(0.0, self.ended - self.started) if self.ended and self.started else 0.0


_JSON = ("spec", "required", "optional", "result", "progress")
_NUMBERS: dict[str, Callable[[str], Any]] = {
    "attempts": int, "fence": int, "created": float, "queued": float, "started": float, "ended": float,
}  # fmt: skip


def _parse(job_id: str, row: dict[str, str]) -> Job:
    values: dict[str, Any] = {k: v for k, v in row.items() if k in Job.__dataclass_fields__}
    for name in _JSON:
        if name in values:
            values[name] = json.loads(values[name])
    for name, kind in _NUMBERS.items():
        if name in values:
            values[name] = kind(values[name])
    return Job(id=job_id, **values)


class Ledger:
    """Jobs and their states in Redis; `notify(queue, job_id)` puts a notifier message on a queue."""

    def __init__(self, client: redis.Redis, notify: Callable[[str, str], None]):
        self.redis: Any = client  # answers in text; redis-py's types allow for bytes everywhere
        self.notify = notify
        self._move_script = client.register_script(_MOVE)

    # -- reading -------------------------------------------------------------------------------

    def now(self) -> float:
        seconds, micros = self.redis.time()
        return seconds + micros / 1e6

    def get(self, job_id: str) -> Job | None:
        row = self.redis.hgetall(f"surco:job:{job_id}")
        return _parse(job_id, row) if row else None

    def find(self, prefix: str) -> list[Job]:
        """Jobs whose id starts with `prefix`."""
        ids = [i for i in self.redis.zrange("surco:jobs", 0, -1) if i.startswith(prefix)]
        return self.many(ids)

    def many(self, ids: Iterable[str]) -> list[Job]:
        ids = list(ids)
        pipe = self.redis.pipeline(transaction=False)
        for job_id in ids:
            pipe.hgetall(f"surco:job:{job_id}")
        return [_parse(i, row) for i, row in zip(ids, pipe.execute(), strict=True) if row]

    def in_state(self, *states: str) -> list[Job]:
        return self.many(i for s in states for i in sorted(self.redis.smembers(f"surco:state:{s}")))

    def recent(self, limit: int = 50) -> list[Job]:
        """The newest jobs, newest first."""
        return self.many(self.redis.zrevrange("surco:jobs", 0, limit - 1))

    # -- growing -------------------------------------------------------------------------------

    def add(
        self, job_id: str, kind: str, queue: str, spec: dict[str, Any], *,
        required: list[str], optional: list[str], sweep: str = "", label: str = "",
        state: str = WAITING, **fields: Any,
    ) -> bool:  # fmt: skip
        """Enter a job; False, and nothing changed, if it is there already."""
        key = f"surco:job:{job_id}"
        now = self.now()
        row = {
            "kind": kind, "queue": queue, "spec": json.dumps(spec), "required": json.dumps(required),
            "optional": json.dumps(optional), "sweep": sweep, "label": label, "created": now, **_flat(fields),
        }  # fmt: skip
        with self.redis.pipeline() as pipe:
            while True:
                try:
                    pipe.watch(key)
                    if pipe.exists(key):
                        return False
                    pipe.multi()
                    pipe.hset(key, mapping={**row, "state": state})
                    pipe.zadd("surco:jobs", {job_id: now})
                    pipe.sadd(f"surco:state:{state}", job_id)
                    for need in {*required, *optional}:
                        pipe.sadd(f"surco:children:{need}", job_id)
                    pipe.execute()
                    return True
                except redis.WatchError:
                    continue

    # -- moving --------------------------------------------------------------------------------

    def move(
        self, job_id: str, to: str, *, since: Iterable[str], fence: int | None = None, **fields: Any
    ) -> bool:
        """Set the state (and fields) of a job if it is in one of the states `since` and the fence holds."""
        flat = [str(x) for pair in _flat(fields).items() for x in pair]
        args = [f",{','.join(since)},", to, "" if fence is None else str(fence), job_id]
        if not flat:
            flat = ["touched", str(time.time())]
        return bool(self._move_script(keys=[f"surco:job:{job_id}"], args=[*args, *flat]))

    def release(self, job_id: str) -> None:
        """Queue and notify of a waiting job if all it needs is there; skip it if that can never be."""
        job = self.get(job_id)
        if job is None or job.state != WAITING:
            return
        states = {j.id: j.state for j in self.many([*job.required, *job.optional])}
        lost = [n for n in job.required if states.get(n) in ENDED - {DONE}]
        if lost:
            reason = "; ".join(f"needs {n[:12]}, which is {states[n]}" for n in lost)
            if self.move(job_id, SKIPPED, since=[WAITING], reason=reason, ended=self.now()):
                self.release_children(job_id)
            return
        hard = all(states.get(n) == DONE for n in job.required)
        if hard and all(states.get(n, DEAD) in ENDED for n in job.optional):
            self._queue(job, since=[WAITING])

    def release_children(self, job_id: str) -> None:
        for child in sorted(self.redis.smembers(f"surco:children:{job_id}")):
            self.release(child)

    def _queue(self, job: Job, *, since: Iterable[str], fence: int | None = None, **fields: Any) -> bool:
        moved = self.move(job.id, QUEUED, since=since, fence=fence, queued=self.now(), **fields)
        if moved:
            self.notify(job.queue, job.id)
        return moved

    def start(self, job_id: str, worker: str) -> int | None:
        """Begin an attempt of a job whose lease is held; returns its fence, None if it must not run."""
        job = self.get(job_id)
        if job is None or job.state not in (QUEUED, RUNNING):
            return None
        fence = self.redis.hincrby(f"surco:job:{job_id}", "fence", 1)
        started = self.move(
            job_id, RUNNING, since=[QUEUED, RUNNING], fence=fence,
            attempts=job.attempts + 1, started=self.now(), worker=worker, reason="",
        )  # fmt: skip
        return fence if started else None

    def finish(self, job_id: str, result: dict[str, Any], *, fence: int | None = None) -> bool:
        """The job is done; release those that waited for it."""
        since = [RUNNING] if fence is not None else [WAITING, QUEUED, RUNNING, DEAD, SKIPPED, CANCELLED]
        moved = self.move(job_id, DONE, since=since, fence=fence, result=result, ended=self.now(), reason="")
        if moved:
            self.release_children(job_id)
        return moved

    def fail(self, job_id: str, reason: str, *, fence: int | None = None, fatal: bool = False) -> str:
        """An attempt failed: back to the queue, or dead if it was the last or would fail again."""
        job = self.get(job_id)
        if job is None:
            return ""
        if not fatal and job.attempts < MAX_ATTEMPTS:
            return QUEUED if self._queue(job, since=[RUNNING], fence=fence, reason=reason) else ""
        if self.move(job_id, DEAD, since=[RUNNING], fence=fence, reason=reason, ended=self.now()):
            self.release_children(job_id)
            return DEAD
        return ""

    def requeue(self, job_id: str, *, fence: int) -> bool:
        """The worker shuts down: queue the job again; the attempt does not count."""
        job = self.get(job_id)
        attempts = max(0, (job.attempts if job else 1) - 1)
        return bool(job) and self._queue(job, since=[RUNNING], fence=fence, attempts=attempts)  # type: ignore[arg-type]

    def refuse(self, job_id: str, reason: str, *, fence: int) -> bool:
        """The worker has not the code for the job: queue it again; the attempt does not count.

        No message is sent: the reconciler's next one may reach a worker that has the code, and a worker that
        has it not is not asked more often than that.
        """
        job = self.get(job_id)
        attempts = max(0, (job.attempts if job else 1) - 1)
        return self.move(
            job_id, QUEUED, since=[RUNNING], fence=fence, queued=self.now(), attempts=attempts, reason=reason
        )

    def cancel(self, job_id: str) -> bool:
        since = [WAITING, QUEUED, RUNNING]
        moved = self.move(job_id, CANCELLED, since=since, reason="cancelled by the user", ended=self.now())
        if moved:
            self.release_children(job_id)
        return moved

    def retry(self, job_id: str) -> bool:
        """Put an ended but not done job back, and the jobs that were skipped because of it."""
        moved = self.move(
            job_id, WAITING, since=[DEAD, CANCELLED, SKIPPED], attempts=0, reason="", ended=0, result={}
        )
        if moved:
            self.release(job_id)
            for child in self.many(sorted(self.redis.smembers(f"surco:children:{job_id}"))):
                if child.state == SKIPPED:
                    self.retry(child.id)
        return moved

    def drop(self, job_id: str) -> None:
        """Forget a job."""
        job = self.get(job_id)
        if job is None:
            return
        with self.redis.pipeline() as pipe:
            pipe.delete(f"surco:job:{job_id}", f"surco:log:{job_id}")
            pipe.zrem("surco:jobs", job_id)
            for state in STATES:
                pipe.srem(f"surco:state:{state}", job_id)
            for need in {*job.required, *job.optional}:
                pipe.srem(f"surco:children:{need}", job_id)
            pipe.execute()

    # -- progress, log and sweeps ----------------------------------------------------------------

    def progress(self, job_id: str, done: float, total: float, note: str) -> None:
        value = json.dumps({"done": done, "total": total, "note": note})
        self.redis.hset(f"surco:job:{job_id}", "progress", value)

    def log(self, job_id: str, line: str) -> None:
        self.redis.xadd(f"surco:log:{job_id}", {"line": line}, maxlen=5000, approximate=True)

    def log_lines(self, job_id: str, *, follow: bool = False) -> Iterator[str]:
        """Lines a job logged; with `follow`, on until it ends."""
        last = "0"
        while True:
            ended = not follow or (job := self.get(job_id)) is None or job.state in ENDED
            block = None if ended else 1000
            found = self.redis.xread({f"surco:log:{job_id}": last}, count=500, block=block)
            for _, entries in found or []:
                for number, entry in entries:
                    last = number
                    yield entry["line"]
            if ended and not found:
                return

    def add_sweep(self, sweep_id: str, name: str, spec: dict[str, Any], jobs: list[str]) -> None:
        row = {"name": name, "spec": json.dumps(spec), "jobs": json.dumps(jobs)}
        if self.redis.hsetnx(f"surco:sweep:{sweep_id}", "created", self.now()):
            self.redis.zadd("surco:sweeps", {sweep_id: self.now()})
        self.redis.hset(f"surco:sweep:{sweep_id}", mapping=row)

    def sweep_name(self, sweep_id: str) -> str:
        """Name of a sweep, "" of one that is not known."""
        return self.redis.hget(f"surco:sweep:{sweep_id}", "name") or ""

    def sweeps(self) -> list[dict[str, Any]]:
        """All sweeps, newest first: `id`, `name`, `spec`, `jobs`, `created`."""
        found = []
        for sweep_id in self.redis.zrevrange("surco:sweeps", 0, -1):
            row = self.redis.hgetall(f"surco:sweep:{sweep_id}")
            found.append({
                "id": sweep_id, "name": row["name"], "spec": json.loads(row["spec"]),
                "jobs": json.loads(row["jobs"]), "created": float(row["created"]),
            })  # fmt: skip
        return found


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in fields.items()}
