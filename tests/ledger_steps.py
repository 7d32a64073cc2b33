"""Steps that the ledger's tests share."""

import json
from typing import Any

from jobs.kinds import parse_spec
from services.queue.client import Client
from services.queue.ledger import Job


def submit(queue: Client, label: str, **fields: Any) -> Job:
    priority = fields.pop("priority", 0)
    return queue.submit("noop", parse_spec("noop", {"label": label, **fields}), priority=priority)


def state(queue: Client, job: Job) -> str:
    found = queue.ledger.get(job.id)
    return found.state if found else "gone"


def claim(queue: Client, job: Job, worker: str = "here:1") -> Job:
    found = queue.claim(job.id, worker)
    assert found is not None
    return found.job


def expire(queue: Client, job: Job) -> None:
    queue.ledger.redis.delete(f"surco:lease:{job.id}")


def snapshot(queue: Client) -> dict[str, str]:
    """Type of every key of the ledger."""
    connection = queue.ledger.redis
    return {key: connection.type(key) for key in sorted(connection.keys("surco:*"))}


def publish(queue: Client, job: Job, result: dict[str, Any]) -> None:
    done = json.dumps({"result": result, "artifacts": [], "prefix": ""}).encode()
    assert queue.store.put_bytes(f"jobs/{job.id}/DONE.json", done, if_absent=True)
