"""What a message of the queue may be: the name of our one task and the id of one job, in Celery's envelope.

Whoever can write to Redis can put anything into a queue. Celery trusts the envelope and ends, or goes deaf,
over a text for a time limit or a list for the task's name, so it never sees what came: a message is read
here by a closed schema, and Celery is handed a new one that holds the job's id and nothing else.
"""

import base64
import binascii
import json
import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

TASK = "surco.run"
LARGEST = 64 * 1024  # bytes; ours have about 1,000

_Id = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BadMessage(ValueError):
    """Something in a queue that is no message of ours; the text says why."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Headers(_Part):
    task: Literal["surco.run"]
    id: _Id
    timelimit: tuple[None, None] | None = None
    eta: None = None
    expires: None = None
    group: None = None
    chord: None = None
    compression: None = None
    stamps: dict[str, Any] | None = Field(None, max_length=0)
    retries: int = Field(0, ge=0, le=100)


class _Properties(_Part):
    body_encoding: Literal["base64"]
    priority: int = Field(0, ge=0, le=9)


class _Message(_Part):
    body: str
    content_type: Literal["application/json"] = Field(alias="content-type")
    content_encoding: Literal["utf-8"] = Field(alias="content-encoding")
    headers: _Headers
    properties: _Properties


class _Embed(_Part):
    callbacks: None = None
    errbacks: None = None
    chain: None = None
    chord: None = None


_Nothing = Annotated[dict[str, Any], Field(max_length=0)]
_BODY: TypeAdapter[tuple[tuple[_Id], dict[str, Any], _Embed]] = TypeAdapter(
    tuple[tuple[_Id], _Nothing, _Embed], config=ConfigDict(strict=True)
)


def read(raw: bytes) -> tuple[str, int]:
    """Job id and priority of what lay in a queue; raises `BadMessage` with the reason."""
    if len(raw) > LARGEST:
        raise BadMessage(f"{len(raw)} bytes are more than a message has")
    try:
        message = _Message.model_validate_json(raw)
        body = base64.b64decode(message.body, validate=True)
        (job,), _, _ = _BODY.validate_json(body)
    except ValidationError as error:
        raise BadMessage(_reason(error)) from None
    except (binascii.Error, ValueError):
        raise BadMessage("the body is not base64") from None
    if job != message.headers.id:
        raise BadMessage("header and body name different jobs")
    return job, message.properties.priority


def envelope(job: str, queue: str, priority: int = 0) -> dict[str, Any]:
    """The message that Celery is given for a job: what `read` takes, under a delivery tag of its own."""
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = base64.b64encode(json.dumps([[job], {}, embed]).encode()).decode()
    headers = {
        "lang": "py", "task": TASK, "id": job, "root_id": job, "parent_id": None, "group": None,
        "retries": 0, "timelimit": [None, None], "eta": None, "expires": None, "ignore_result": True,
        "argsrepr": f"('{job[:12]}',)", "kwargsrepr": "{}", "origin": "surco",
    }  # fmt: skip
    properties = {
        "correlation_id": job, "reply_to": "", "delivery_mode": 2, "delivery_tag": str(uuid.uuid4()),
        "delivery_info": {"exchange": queue, "routing_key": queue}, "priority": priority,
        "body_encoding": "base64",
    }  # fmt: skip
    return {
        "body": body, "content-type": "application/json", "content-encoding": "utf-8",
        "headers": headers, "properties": properties,
    }  # fmt: skip


def _reason(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
