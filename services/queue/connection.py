"""Connections to Redis, each of whose waits ends: what the queue, the ledger and the health check share."""

import socket
from typing import Any

import redis

from services.errors import ServerDown
from services.settings import Settings


def patience(settings: Settings) -> float:
    """Seconds to wait for an answer of Redis: a sixth of a lease, at least 3 and at most 10."""
    return min(10.0, max(3.0, settings.lease_seconds / 6))


def socket_options(wait: float) -> dict[str, Any]:
    """redis-py's options for connections that end where a peer is silent for `wait` seconds or a few more.

    A cable that is cut, or a firewall that drops packets, closes no socket: reading is bounded by the
    timeout, an idle connection by TCP's keepalive, and what was written and never arrived by
    TCP_USER_TIMEOUT (RFC 5482).
    """
    tcp = {"TCP_KEEPIDLE": int(wait), "TCP_KEEPINTVL": max(1, int(wait / 2)), "TCP_KEEPCNT": 3}
    tcp["TCP_USER_TIMEOUT"] = int(2000 * wait)
    known = {getattr(socket, name): value for name, value in tcp.items() if hasattr(socket, name)}
    return {
        "socket_timeout": wait, "socket_connect_timeout": min(wait, 5), "socket_keepalive": True,
        "socket_keepalive_options": known, "health_check_interval": wait,
    }  # fmt: skip


def connect(settings: Settings) -> redis.Redis:
    """A Redis client that answers in text and gives up on a dead server within seconds."""
    return redis.Redis.from_url(
        settings.redis_url, decode_responses=True, **socket_options(2 * patience(settings))
    )  # fmt: skip


def ping(client: redis.Redis, settings: Settings) -> None:
    """Raise `ServerDown` where Redis does not answer."""
    try:
        client.ping()
    except redis.RedisError as error:
        raise ServerDown("Redis", settings.redis_address, f"does not answer ({error})") from None
