"""What the doctor asks the queue: who works, whether the reconciler does, and what was set aside."""

import json

import redis

from services.cli.check import Check
from services.queue.connection import connect
from services.queue.transport import QUARANTINE
from services.settings import Settings
from services.worker.health import last_look, server_time, sound, workers

_SHOWN = 4  # workers by name


def check_workers(settings: Settings) -> Check:
    """Workers that prove they are alive; jobs that wait with none there are a fault."""
    if not settings.redis_url:
        return Check("workers", False, "no address of Redis is set", "set SURCO_REDIS_URL")
    try:
        with connect(settings) as client:
            known, queued = workers(client), client.zcard("surco:in:queued")
            unsound = [w.name for w in known if not sound(client, settings, w.name.rpartition(":")[0])[0]]
    except redis.RedisError:
        return Check("workers", False, "Redis does not answer", "see the line of redis")
    if not known:
        if queued:
            return Check("workers", False, f"none, and {queued} jobs wait", "start one with `surco worker`")
        return Check("workers", True, "none; `surco worker` starts one")
    names = ", ".join(
        w.name + (" (draining)" if w.draining else f" ({w.trouble})" if w.trouble else "")
        for w in known[:_SHOWN]
    ) + (" ..." if len(known) > _SHOWN else "")
    if unsound:
        return Check("workers", False, f"{unsound[0]} reconciles no more", "restart it; see its log")
    return Check("workers", True, f"{len(known)}: {names}")


def check_reconciler(settings: Settings) -> Check:
    """Its last look is not long ago, and met no error."""
    remedy = "see the workers' logs; any worker that is restarted takes over"
    if not settings.redis_url:
        return Check("reconciler", False, "no address of Redis is set", "set SURCO_REDIS_URL")
    try:
        with connect(settings) as client:
            look, now, any_worker = last_look(client), server_time(client), bool(workers(client))
    except redis.RedisError:
        return Check("reconciler", False, "Redis does not answer", "see the line of redis")
    if not any_worker:
        return Check("reconciler", True, "rests: no worker is there")
    if look is None:
        return Check("reconciler", False, "has never looked", remedy)
    ago = now - look.at
    if abs(ago) > max(30.0, 6 * settings.reconcile_seconds):
        return Check("reconciler", False, f"{look.by} looked last {ago:.0f} s ago", remedy)
    if look.error:
        return Check("reconciler", False, f"{look.by} meets {look.error}", remedy)
    return Check("reconciler", True, f"{look.by} looked {max(ago, 0):.0f} s ago")


def check_quarantine(settings: Settings) -> Check:
    """Messages that were none are told, and are no fault."""
    try:
        with connect(settings) as client:
            count, newest = client.llen(QUARANTINE), client.lindex(QUARANTINE, 0)
    except (redis.RedisError, ValueError):
        return Check("quarantine", True, "not looked at: Redis does not answer")
    if not count:
        return Check("quarantine", True, "empty")
    reason = str(json.loads(newest or "{}").get("reason", ""))[:120]
    return Check("quarantine", True, f"{count} bad messages lie in {QUARANTINE}; the newest: {reason}")
