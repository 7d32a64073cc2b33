"""Who works: the list of workers that prove they are alive, and the reconciler's last look.

A worker signs its own key only while its consumer's loop turns and the broker answers that loop, so a
worker that is deaf drops off the list although its other threads live. `python -m services.worker.health`
says whether a worker of this host is signed in and sound: exit 0, else 1. It loads neither Celery nor torch.

Each signature of a sound worker touches a file as well, `<home>/alive/<host>`. A container's health check
looks at its age in a shell (`CHECK`), for it runs beside jobs that use every core: an interpreter that starts
up there takes half a minute where the machine is busy, and a check that is late counts as failed.
"""

import json
import logging
import os
import socket
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from services.queue.connection import connect
from services.settings import Settings, load_settings

log = logging.getLogger("surco.worker")

WORKERS = "surco:worker:"  # one key a worker, gone when nobody renews it
LISTED = "surco:signed"  # their names by the time they signed last
RECONCILER = "surco:health:reconciler"
DRAIN = "surco:drain:"
ALIVE = "alive"  # folder in the home; a file a host, as new as the last signature
CHECK = 'test -n "$(find "$SURCO_HOME/alive/$HOSTNAME" -mmin -2)"'
_DAY = 86_400
_NEWEST = 20  # of those that signed last: where all of them are gone, so are the older ones


@dataclass(frozen=True)
class Vitals:
    """What a worker says of itself. Times are on Redis's clock, spans in seconds on the worker's own."""

    name: str  # host:pid
    at: float = 0.0
    queues: list[str] = field(default_factory=list)
    processes: int = 0
    running: int = 0
    draining: bool = False
    reconciler_silent: float = 0.0
    trouble: str = ""


@dataclass(frozen=True)
class Look:
    """The reconciler's last look over the ledger."""

    by: str
    at: float
    counts: dict[str, int] = field(default_factory=dict)
    error: str = ""


def name() -> str:
    """This process's name in the list of workers."""
    return f"{socket.gethostname()}:{os.getpid()}"


def life(settings: Settings) -> float:
    """Seconds for which a signature counts."""
    return max(2.0, 4 * settings.reconcile_seconds)


def server_time(client: Any) -> float:
    seconds, micros = client.time()
    return float(seconds + micros / 1e6)


def sign(client: Any, vitals: Vitals, settings: Settings) -> None:
    """Put a worker on the list, for the time of a signature's life."""
    now = server_time(client)
    with client.pipeline(transaction=False) as pipe:
        pipe.set(f"{WORKERS}{vitals.name}", json.dumps(asdict(vitals) | {"at": now}), ex=int(life(settings)))
        pipe.zadd(LISTED, {vitals.name: now})
        pipe.zremrangebyscore(LISTED, "-inf", now - _DAY)
        pipe.execute()


def mark_alive(settings: Settings, vitals: Vitals) -> None:
    """Touch this host's file, unless its reconciler stands still; a disk that is full is no death."""
    if vitals.reconciler_silent > silence(settings):
        return
    path = settings.home / ALIVE / socket.gethostname()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        log.warning("The sign of life %s cannot be touched: %s", path, error)


def silence(settings: Settings) -> float:
    """Seconds for which the reconciler's thread of a sound worker may be silent."""
    return max(60.0, 6 * settings.reconcile_seconds)


def workers(client: Any) -> list[Vitals]:
    """Workers whose signature still counts."""
    names = client.zrange(LISTED, 0, -1)
    if not names:
        return []
    rows = client.mget([f"{WORKERS}{one}" for one in names])
    return [found for row in rows if row and (found := _parse(Vitals, row)) is not None]


def any_worker(client: Any) -> bool:
    """Whether a signature counts; two commands, however many workers and keys there are."""
    newest = client.zrevrange(LISTED, 0, _NEWEST - 1)
    return bool(newest) and bool(client.exists(*(f"{WORKERS}{one}" for one in newest)))


def tell_look(client: Any, look: Look) -> None:
    """Note the reconciler's look, or the error it met."""
    client.set(RECONCILER, json.dumps(asdict(look)))


def last_look(client: Any) -> Look | None:
    """The reconciler's last look, or None before the first."""
    row = client.get(RECONCILER)
    return _parse(Look, row) if row else None


def _parse(kind: Any, row: str) -> Any:
    try:
        known = json.loads(row)
        return kind(**{k: v for k, v in known.items() if k in kind.__dataclass_fields__})
    except (ValueError, TypeError, AttributeError):
        return None


def sound(client: Any, settings: Settings, host: str) -> tuple[bool, str]:
    """Whether a worker of `host` is signed in, its reconciler's thread alive, and a sentence on it."""
    here = [one for one in workers(client) if one.name.startswith(f"{host}:")]
    if not here:
        return False, f"no worker of {host} has signed in lately"
    well = [one for one in here if one.reconciler_silent <= silence(settings)]
    if not well:
        return (
            False,
            f"the reconciler of {here[0].name} has been silent for {here[0].reconciler_silent:.0f} s",
        )
    trouble = well[0].trouble and f", but {well[0].trouble}"
    return True, f"{well[0].name} takes {' and '.join(well[0].queues) or 'nothing'}{trouble}"


def main() -> int:
    """The health check's exit code; the finding goes to stdout."""
    try:
        settings = load_settings()
        with connect(settings) as client:
            well, finding = sound(client, settings, socket.gethostname())
    except (redis.RedisError, OSError, ValueError) as error:
        well, finding = False, f"{type(error).__name__}: {error}"
    print(finding)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
