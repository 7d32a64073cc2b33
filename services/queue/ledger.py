"""The ledger: what every job is, needs and has come to. A message only notifies; this is the truth.

One Redis hash a job and sorted sets over them. Every change of state is one Lua script that looks at all it
decides on and changes all that follows (`lua/common.lua` lists the keys), so nothing can come between.
"""

import json
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from services.errors import ServerDown
from services.queue.job import (
    CANCELLED,
    DEAD,
    DONE,
    ENDED,
    MAX_ATTEMPTS,
    QUEUED,
    RUNNING,
    SKIPPED,
    STATES,
    WAITING,
    Job,
    flat,
    parse,
)
from services.queue.reading import BATCH, GROWING, Reading, chunks, row_key
from services.queue.scripts import Scripts

__all__ = [
    "BATCH",
    "CANCELLED",
    "DEAD",
    "DONE",
    "ENDED",
    "MAX_ATTEMPTS",
    "QUEUED",
    "RUNNING",
    "SKIPPED",
    "STATES",
    "WAITING",
    "Answer",
    "Job",
    "Ledger",
]  # fmt: skip

_RELEASING, _MIRROR = "surco:releasing", "surco:mirror"


log = logging.getLogger("surco.queue")


@dataclass(frozen=True)
class Answer:
    """What came of a claim: `claimed`, `held`, `spent`, `foreign` or `none`, as `lua/claim.lua` says."""

    status: str
    job_id: str = ""
    value: str = ""  # the attempt's id; of `held` the holder's token
    job: Job | None = None


class Ledger(Reading):
    """Jobs and their states in Redis; `notify` puts one message for each (queue, job id) on its queue."""

    def __init__(self, client: redis.Redis, notify: Callable[[Sequence[tuple[str, str]]], None]):
        super().__init__(client)
        self.notify = notify
        self._lua = Scripts(client)

    # -- growing -------------------------------------------------------------------------------

    def add(self, job_id: str, *, state: str = WAITING, **fields: Any) -> tuple[bool, str]:
        """Enter a job, queued where all it needs is there: whether it is new, and its state.

        `fields` are those of `Job`; `kind`, `queue`, `spec`, `required` and `optional` among them. A job that
        is there already stays as it is.
        """
        return self.add_many([{"id": job_id, "state": state, **fields}])[0]

    def add_many(self, rows: Sequence[dict[str, Any]]) -> list[tuple[bool, str]]:
        """Enter jobs, each a dict of `add`'s arguments, needs before those that need them."""
        answers: list[tuple[bool, str]] = []
        for part in chunks(rows):
            pipe = self.redis.pipeline(transaction=False)
            for row in part:
                fields = {k: v for k, v in row.items() if k not in ("id", "state")}
                args = [x for pair in flat(fields).items() for x in pair]
                self._lua.add(
                    keys=[row_key(row["id"])], args=[row["id"], row.get("state", WAITING), *args], client=pipe
                )
            found = [(bool(new), state) for new, state in pipe.execute()]
            self._notify_queued(
                (r["queue"], r["id"]) for r, a in zip(part, found, strict=True) if a == (True, QUEUED)
            )
            answers += found
        return answers

    def index(self, job_ids: Sequence[str]) -> int:
        """Take rows of an older layout into the indexes; returns how many were not there."""
        return sum(self._each("index", job_ids))

    # -- moving --------------------------------------------------------------------------------

    def claim(
        self, asked: str, worker: str, token: str, seconds: float, *, broken: str = "", skip: str = "",
        codes: Iterable[str] | None = None,
    ) -> Answer:  # fmt: skip
        """Begin an attempt on a message's job or on its queue's foremost; see `lua/claim.lua`.

        With `codes`, only on a job that was asked for by one of these versions of the code.
        """
        answer = self._lua.claim(
            keys=[row_key(asked)],
            args=[
                asked, worker, token, int(1000 * seconds), MAX_ATTEMPTS, secrets.token_hex(4), broken, skip,
                "*" if codes is None else ",".join(sorted(c for c in codes if c)),
            ],
        )  # fmt: skip
        status, *rest = answer
        if status != "claimed":
            return Answer(status, *rest)
        job_id, attempt, *row = rest
        job = parse(job_id, dict(zip(row[::2], row[1::2], strict=True)))
        return Answer(status, job_id, attempt, job)

    def finish(self, job_id: str, result: dict[str, Any], *, attempt: str | None = None) -> bool:
        """The job's DONE.json is in S3: it is done. Releases those that waited for it.

        With `attempt`, False where another one has begun since.
        """
        args = [job_id, attempt or "", json.dumps(result)]
        moved = bool(self._lua.finish(keys=[row_key(job_id)], args=args))
        if moved:
            self.release_children([job_id])
        return moved

    def fail(
        self,
        job_id: str,
        reason: str,
        *,
        attempt: str | None = None,
        fatal: bool = False,
        final: bool = False,
    ) -> str:
        """An attempt failed: "queued" again, or "last" where the job must end, and "dead" if it is `final`.

        Between "last" and `final` whoever calls asks S3 whether the job is done after all.
        """
        args = [job_id, attempt or "", reason, int(fatal), int(final), MAX_ATTEMPTS]
        state: str = self._lua.fail(keys=[row_key(job_id)], args=args)
        if state == QUEUED:
            self._notify_queued([(self.redis.hget(row_key(job_id), "queue"), job_id)])
        elif state == DEAD:
            self.release_children([job_id])
        return state

    def requeue(self, job_id: str, *, attempt: str) -> bool:
        """The worker shuts down: queue the job again; the attempt does not count."""
        moved = bool(self._lua.requeue(keys=[row_key(job_id)], args=[job_id, attempt]))
        if moved:
            self._notify_queued([(self.redis.hget(row_key(job_id), "queue"), job_id)])
        return moved

    def note(self, job_id: str, reason: str) -> bool:
        """Say why a queued job still waits."""
        return bool(self._lua.note(keys=[row_key(job_id)], args=[reason]))

    def ask_again(self, job_id: str, spec: dict[str, Any]) -> bool:
        """Give a job another spec of the same identity; False where it runs, is done or is gone."""
        return bool(self._lua.ask_again(keys=[row_key(job_id)], args=[json.dumps(spec)]))

    def cancel(self, job_ids: Sequence[str], reason: str = "cancelled by the user") -> list[str]:
        """Cancel those that have not ended; returns their ids. What needs them is skipped."""
        moved = self._each("cancel", job_ids, reason)
        ended = [i for i, m in zip(job_ids, moved, strict=True) if m]
        self.release_children(ended)
        return ended

    def retry(self, job_id: str) -> bool:
        """Put an ended but not done job back, and the jobs that were skipped because of it."""
        state = self._lua.retry(keys=[row_key(job_id)], args=[job_id])
        if state == QUEUED:
            self._notify_queued([(self.redis.hget(row_key(job_id), "queue"), job_id)])
        if state:
            self.release_children([job_id])
        return bool(state)

    def drop(self, job_id: str) -> None:
        """Forget a job; a worker that still runs it leaves nothing on the ledger."""
        self._lua.drop(keys=[row_key(job_id)], args=[job_id])
        self.release_children([job_id])

    def release(self, job_ids: Sequence[str], need: str = "") -> list[str]:
        """Decide on jobs after something that they need changed; returns those whose state changed."""
        changed: list[str] = []
        for part in chunks(job_ids):
            found = list(zip(part, self._each("release", part, need), strict=True))
            self._notify_queued((queue, i) for i, (state, moved, queue) in found if moved and state == QUEUED)
            changed += [i for i, (_, moved, _) in found if moved]
        return changed

    def release_children(self, job_ids: Iterable[str]) -> int:
        """Decide on all that depends on these jobs, and on what depends on what that skips or brings back."""
        count, work = 0, list(job_ids)
        while work:
            job_id = work.pop()
            score = self.redis.zscore(_RELEASING, job_id)
            if score is None:
                continue
            for part in chunks(c for c, _ in self.redis.hscan_iter(f"surco:children:{job_id}", count=BATCH)):
                changed = self.release(part, job_id)
                count += len(changed)
                work += changed
            self._lua.settle(keys=[_RELEASING], args=[job_id, score])
        return count

    def release_pending(self, limit: int) -> int:
        """What `release_children` was not called for, or did not finish: a worker died in between."""
        return self.release_children(self.redis.zrange(_RELEASING, 0, limit - 1))

    def release_oldest(self, limit: int) -> int:
        """Decide on the waiting jobs that were looked at longest ago."""
        return len(self.release(self.redis.zrange(f"surco:in:{WAITING}", 0, limit - 1)))

    def overdue(self, grace: float, limit: int) -> tuple[int, list[Job]]:
        """How many running jobs were looked at, and those of them whose lease is gone."""
        looked, *ids = self._lua.overdue(keys=[f"surco:in:{RUNNING}"], args=[grace, limit])
        return looked, self.many(ids)

    # -- ends that S3 has still to hear of -------------------------------------------------------

    def unmirrored(self, limit: int, *, grace: float = 0.0) -> list[str]:
        """Jobs whose end is not in S3, or not taken back there, for `grace` seconds or longer."""
        return list(self.redis.zrangebyscore(_MIRROR, "-inf", self.now() - grace, start=0, num=limit))

    def mirror_note(self, job_id: str) -> float | None:
        """The time of a job's note that S3 has to hear of it; None without one."""
        found: float | None = self.redis.zscore(_MIRROR, job_id)
        return found

    def mirrored(self, job_id: str, note: float) -> bool:
        """S3 was told what was true at `note`; False where the note is another one by now."""
        return bool(self._lua.settle(keys=[_MIRROR], args=[job_id, note]))

    # -- progress, log and sweeps ----------------------------------------------------------------

    def progress(self, job_id: str, done: float, total: float, note: str) -> None:
        value = json.dumps({"done": done, "total": total, "note": note})
        self._lua.progress(keys=[row_key(job_id)], args=[value])

    def cost(self, job_id: str, cost: dict[str, Any]) -> None:
        """Note what an attempt cost, as `services.worker.cost` measures it."""
        self._lua.cost(keys=[row_key(job_id)], args=[json.dumps(cost)])

    def log(self, job_id: str, line: str) -> None:
        self._lua.log(keys=[row_key(job_id), f"surco:log:{job_id}"], args=[line, 5000])

    def add_sweep(
        self, sweep_id: str, name: str, spec: dict[str, Any], jobs: list[str], *, grows_by: str = ""
    ) -> None:
        """Enter a sweep, or write it anew; `join` then ties its jobs to it.

        `grows_by` is the job that says which further jobs the sweep gets; see `services.queue.growing`.
        """
        row = {"name": name, "spec": json.dumps(spec), "jobs": json.dumps(jobs)}
        now = self.now()
        with self.redis.pipeline() as pipe:
            pipe.hsetnx(f"surco:sweep:{sweep_id}", "created", now)
            pipe.hset(f"surco:sweep:{sweep_id}", mapping=row)
            pipe.zadd("surco:sweeps", {sweep_id: now}, nx=True)
            if grows_by:
                pipe.hset(GROWING, sweep_id, grows_by)
            pipe.execute()

    def stop_growing(self, sweep_id: str) -> None:
        """The sweep has all the jobs that it will have."""
        self.redis.hdel(GROWING, sweep_id)

    def forget_sweep(self, sweep_id: str) -> None:
        """Take a sweep off the ledger; its jobs stay."""
        with self.redis.pipeline() as pipe:
            pipe.delete(f"surco:sweep:{sweep_id}", f"surco:open:{sweep_id}")
            pipe.hdel(GROWING, sweep_id)
            pipe.zrem("surco:sweeps", sweep_id)
            pipe.execute()

    def join(self, sweep_id: str, jobs: Sequence[str], *, more: bool = False) -> None:
        """Tie jobs on the ledger to their sweep, whose end is told when the last of them has ended.

        With `more` to come, it is not.
        """
        pipe = self.redis.pipeline(transaction=False)
        parts = list(chunks(jobs)) or [[]]
        for number, part in enumerate(parts, 1):
            args = [sweep_id, int(number == len(parts) and not more), *part]
            self._lua.join(keys=[f"surco:open:{sweep_id}"], args=args, client=pipe)
        pipe.execute()

    # -- helpers -------------------------------------------------------------------------------

    def _each(self, script: str, job_ids: Sequence[str], *args: Any) -> list[Any]:
        """One script for each of these jobs, in round trips of `BATCH`."""
        found: list[Any] = []
        for part in chunks(job_ids):
            pipe = self.redis.pipeline(transaction=False)
            for job_id in part:
                getattr(self._lua, script)(keys=[row_key(job_id)], args=[job_id, *args], client=pipe)
            found += pipe.execute()
        return found

    def _notify_queued(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Queued they are, whatever becomes of their messages: the reconciler sends lost ones anew."""
        pairs = list(pairs)
        try:
            if pairs:
                self.notify(pairs)
        except ServerDown as down:
            log.warning("%d queued jobs have no message yet: %s", len(pairs), down)
