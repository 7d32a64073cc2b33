"""The queue: a Celery message carries a job id, and nothing else.

Losing a message loses nothing, and a message that comes twice does nothing twice: the ledger knows
what is to be done, and the reconciler sends a lost message anew.
"""

import json
import socket
from typing import Any

import redis
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from services.errors import ServerDown
from services.queue.messages import TASK
from services.settings import Settings

QUEUES = ("gpu", "cpu")
DAY = 86_400  # longer than any job: a message is not given to a second worker while the first is at it

# Redis may be restarting: publishing tries for about two seconds, then says that it is down.
_PUBLISH_RETRIES = {"max_retries": 4, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1.0}


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


def celery_config(settings: Settings) -> dict[str, Any]:
    """Celery's settings for long jobs on a GPU, each of which may be killed at any time."""
    transport = {
        "visibility_timeout": DAY,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,  # without it kombu 5.7 looks only every tenth interval
        **socket_options(patience(settings)),
    }
    return {
        "broker_url": settings.redis_url,
        "broker_transport": "services.queue.transport:Transport",
        # The ledger has the results. A backend would subscribe to each, and raise RuntimeError without Redis.
        "result_backend": None,
        "broker_transport_options": transport,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,  # Redis answered with an error: connect anew, do not end
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,  # the result is in the ledger
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_retry_on_worker_lost": False,  # `services.worker.deaths` tells the ledger, which sends it anew
        "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in QUEUES],
        "task_default_queue": "cpu",
        "task_default_exchange": "cpu",
        "task_default_routing_key": "cpu",
        "task_publish_retry_policy": _PUBLISH_RETRIES,
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",  # CUDA does not survive a fork
        "worker_proc_alive_timeout": 120,
        "worker_max_tasks_per_child": 1,  # a job's GPU memory goes with its process
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_soft_shutdown_timeout": 30,
        "worker_enable_soft_shutdown_on_idle": True,
        # True loses the job when the Redis that dies holds broker and results alike.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,  # nobody calls, and each worker would hold a subscription
        "imports": ["services.worker.app"],
    }


def celery_app(settings: Settings) -> Celery:
    """The Celery application on the broker of these settings."""
    app = Celery("surco")
    app.config_from_object(celery_config(settings))
    return app


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


class Notifier:
    """Notifies a queue of a job, and tells which jobs have a message and where it is."""

    def __init__(self, app: Celery, client: redis.Redis):
        self.app = app
        self.redis: Any = client
        known = client.connection_pool.connection_kwargs
        self.address = f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"

    def __call__(self, queue: str, job_id: str) -> None:
        try:
            self.app.send_task(TASK, args=[job_id], task_id=job_id, queue=queue)
        except (OperationalError, redis.RedisError) as error:
            raise ServerDown("Redis", self.address, f"takes no message ({error})") from error

    def waiting(self) -> set[str]:
        """Ids of the jobs whose message waits in a queue."""
        return {_job_id(text) for queue in QUEUES for text in self.redis.lrange(queue, 0, -1)}

    def delivered(self) -> set[str]:
        """Ids of the jobs whose message a worker, alive or dead, took and did not acknowledge."""
        return {_job_id(text) for text in self.redis.hvals("unacked")}


def _job_id(text: str) -> str:
    """The job that a stored message names; empty for what is no message of ours."""
    try:
        message = json.loads(text)
        message = message[0] if isinstance(message, list) else message
        return str(message["headers"]["id"])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""
