"""The notification hook: SURCO_NOTIFY is told when a sweep ends and when a job dies.

The scripts that end a job note the event in Redis in the same step (`surco:events`); the reconciler takes the
notes and tells each once. A command gets the event as JSON on its standard input, an address as the body of a
POST. A hook that fails is logged and costs nothing else.
"""

import json
import logging
import shlex
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import urllib3

from services.queue.job import DEAD

if TYPE_CHECKING:
    from services.queue.client import Client

log = logging.getLogger("surco.notify")

PATIENCE = 30.0  # seconds that a hook may take
REMEMBERED = 7 * 86_400  # seconds for which a told event is not told again
_EVENTS = "surco:events"


def tell_events(client: "Client", limit: int = 20) -> threading.Thread | None:
    """Take what has happened and tell SURCO_NOTIFY of it in a thread, which is returned; None if nothing has.

    Where no hook is set the events are dropped. Raises what Redis raises.
    """
    connection = client.ledger.redis
    events = connection.zrange(_EVENTS, 0, limit - 1)
    if not events:
        return None
    told = []
    for event in events if client.settings.notify else []:
        # Claimed before it is told: two workers, or one that dies here, tell it once or not at all.
        if connection.set(f"surco:told:{event}", "", nx=True, ex=REMEMBERED):
            payload = describe(client, event)
            told += [payload] if payload else []
    connection.zrem(_EVENTS, *events)
    if not told:
        return None
    thread = threading.Thread(
        target=lambda: [deliver(client.settings.notify, one) for one in told], name="notify", daemon=True
    )
    thread.start()
    return thread


def describe(client: "Client", event: str) -> dict[str, Any] | None:
    """What the hook is told of an event: `dead:<job>:<attempt>` or `sweep:<id>:<round>`."""
    what, identity, _ = event.split(":", 2)
    if what == "dead":
        job = client.ledger.get(identity)
        if job is None or job.state != DEAD:
            return None  # retried or dropped since
        return {
            "event": "dead job", "job": job.id, "kind": job.kind, "label": job.label, "sweep": job.sweep,
            "reason": job.reason, "attempts": job.attempts,
        }  # fmt: skip
    sweep = client.ledger.sweep(identity)
    if sweep is None:
        return None
    states = client.ledger.states(sweep["jobs"])
    counts: dict[str, int] = {}
    for state in states.values():
        counts[state] = counts.get(state, 0) + 1
    return {"event": "sweep ended", "sweep": identity, "name": sweep["name"], "jobs": counts}


def deliver(hook: str, payload: dict[str, Any]) -> bool:
    """Tell a command or an http(s) address; False, and a line in the log, where that fails."""
    body = json.dumps(payload).encode()
    try:
        if hook.startswith(("http://", "https://")):
            answer = urllib3.request(
                "POST", hook, body=body, headers={"Content-Type": "application/json"}, timeout=PATIENCE,
                retries=False,
            )  # fmt: skip
            problem = "" if answer.status < 300 else f"it answered {answer.status}"
        else:
            run = subprocess.run(
                shlex.split(hook), input=body, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                timeout=PATIENCE, check=False,
            )  # fmt: skip
            said = run.stderr.decode(errors="replace").strip()[-200:]
            problem = "" if run.returncode == 0 else f"it ended with code {run.returncode} {said}"
    except (OSError, ValueError, subprocess.SubprocessError, urllib3.exceptions.HTTPError) as error:
        problem = str(error)[:200]
    if problem:
        log.warning("SURCO_NOTIFY was not told of %s: %s", payload["event"], problem)
    return not problem
