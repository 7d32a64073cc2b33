"""Things that may lie in a queue and are no message of ours, each with a part of the reason."""

import base64
import json
from typing import Any

from services.queue.messages import LARGEST, envelope

JOB = "a" * 64


def sent(**changes: Any) -> bytes:
    """A message as `Notifier` sends it, with parts changed: `headers__task=[1]` sets headers.task."""
    message = envelope(JOB, "cpu")
    for path, value in changes.items():
        *parents, name = path.split("__")
        where: Any = message
        for parent in parents:
            where = where[parent]
        where[name.replace("_", "-") if name.startswith("content") else name] = value
    return json.dumps(message).encode()


def body(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


DEEP = b"[" * 100_000
HOSTILE = {
    "garbage bytes": (b"\xff\xfe\x00\x9f", "JSON"),
    "nothing": (b"", "JSON"),
    "text": (b"this is no message", "JSON"),
    "a list": (b"[]", "object"),
    "a number": (b"7", "object"),
    "null": (b"null", "object"),
    "an empty object": (b"{}", "required"),
    "deep JSON": (DEEP[:LARGEST], "recursion"),
    "deep JSON, closed": (b'{"headers":' * 5000 + b"1" + b"}" * 5000, "recursion"),
    "too large": (b'"' + b"x" * LARGEST + b'"', "bytes"),
    "digits without end": (b'{"body":' + b"9" * 50_000 + b"}", "number out of range"),
    "a text for the time limit": (sent(headers__timelimit="soon"), "headers.timelimit"),
    "texts for time limits": (sent(headers__timelimit=["1", "2"]), "headers.timelimit"),
    "numbers for time limits": (sent(headers__timelimit=[0.001, 0.001]), "headers.timelimit"),
    "a list for the task": (sent(headers__task=["surco.run"]), "headers.task"),
    "a dict for the task": (sent(headers__task={"surco.run": 1}), "headers.task"),
    "a number for the task": (sent(headers__task=1), "headers.task"),
    "another task": (sent(headers__task="os.system"), "headers.task"),
    "no headers": (sent(headers=None), "headers"),
    "headers as a list": (sent(headers=["task", "id"]), "headers"),
    "headers as a text": (sent(headers="task"), "headers"),
    "a list for the id": (sent(headers__id=[JOB]), "headers.id"),
    "no job's id": (sent(headers__id="../../etc"), "headers.id"),
    "retries as a text": (sent(headers__retries="many"), "headers.retries"),
    "retries below none": (sent(headers__retries=-1), "headers.retries"),
    "a date in the future": (sent(headers__eta="2999-01-01T00:00:00"), "headers.eta"),
    "expires as a list": (sent(headers__expires=[]), "headers.expires"),
    "stamps": (sent(headers__stamps={"x": 1}), "headers.stamps"),
    "a compression": (sent(headers__compression="zlib"), "headers.compression"),
    "no properties": (sent(properties=None), "properties"),
    "properties as a text": (sent(properties="p"), "properties"),
    "priority as a text": (sent(properties__priority="high"), "properties.priority"),
    "another encoding": (sent(properties__body_encoding="utf-8"), "properties.body_encoding"),
    "pickle": (sent(content_type="application/x-python-serialize"), "content-type"),
    "another charset": (sent(content_encoding="binary"), "content-encoding"),
    "a body that is no base64": (sent(body="%%%"), "base64"),
    "a body as a number": (sent(body=5), "body"),
    "a body that is no JSON": (sent(body=base64.b64encode(b"\x80\x04K\x01.").decode()), "JSON"),
    "a deep body": (sent(body=base64.b64encode(DEEP[:40_000]).decode()), "recursion"),
    "no arguments": (sent(body=body([[], {}, {}])), "0"),
    "two arguments": (sent(body=body([[JOB, JOB], {}, {}])), "0"),
    "a dict as argument": (sent(body=body([[{}], {}, {}])), "0.0"),
    "arguments as a text": (sent(body=body([JOB, {}, {}])), "0"),
    "keyword arguments": (sent(body=body([[JOB], {"x": 1}, {}])), "1"),
    "a chain": (sent(body=body([[JOB], {}, {"chain": [{}]}])), "2.chain"),
    "callbacks": (sent(body=body([[JOB], {}, {"callbacks": ["x"]}])), "2.callbacks"),
    "two jobs": (sent(body=body([["b" * 64], {}, {}])), "different jobs"),
}
