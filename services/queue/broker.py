"""The queue: a Celery message carries a job id, and nothing else.

Losing a message loses nothing, and a message that comes twice does nothing twice: the ledger knows
what is to be done, and the reconciler sends a lost message anew.
"""

import json
from collections.abc import Sequence
from typing import Any

import redis
from celery import Celery
from kombu import Exchange, Queue

from services.errors import ServerDown
from services.queue.connection import patience, socket_options
from services.queue.messages import envelope
from services.settings import Settings

QUEUES = ("gpu", "cpu")
DAY = 86_400  # longer than any job: a message is not given to a second worker while the first is at it

# Redis may be restarting: publishing tries for about two seconds, then says that it is down.
_PUBLISH_RETRIES = {"max_retries": 4, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 1.0}


def soft_shutdown(settings: Settings) -> float:
    """Seconds that jobs have to end by themselves once the worker must go: half a lease, at most 30."""
    return min(30.0, settings.lease_seconds / 2)


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
        "worker_lost_wait": 1.0,  # seconds that a dead process's answer may still be on its way
        "worker_max_tasks_per_child": 1,  # a job's GPU memory goes with its process
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_soft_shutdown_timeout": soft_shutdown(settings),
        "worker_enable_soft_shutdown_on_idle": False,
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


class Notifier:
    """Puts messages on queues: "there is work", in Celery's envelope."""

    def __init__(self, client: redis.Redis):
        self.redis: Any = client
        known = client.connection_pool.connection_kwargs
        self.address = f"{known.get('host', 'localhost')}:{known.get('port', 6379)}"

    def __call__(self, queue: str, job_id: str) -> None:
        self.many([(queue, job_id)])

    def many(self, pairs: Sequence[tuple[str, str]]) -> None:
        """A message for each (queue, job), 500 in a round trip; `ServerDown` where Redis takes none."""
        try:
            for start in range(0, len(pairs), 500):
                pipe = self.redis.pipeline(transaction=False)
                for queue, job in pairs[start : start + 500]:
                    pipe.lpush(queue, json.dumps(envelope(job, queue)))
                pipe.execute()
        except redis.RedisError as error:
            raise ServerDown("Redis", self.address, f"takes no message ({error})") from error

    def missing(self, *, grace: float, patience: float) -> dict[str, int]:
        """How many messages fewer there are than queued jobs, by queue.

        A message that a worker took less than `patience` seconds ago may still begin a job, and a job that
        was queued less than `grace` seconds ago may still get its message. What bears a time further ahead
        than that was written before a clock was set back, or by a worker whose clock is wrong (messages are
        noted at the worker's own time): it is old. Counts alone, for any message may begin any job of its
        queue: two round trips, however long the queues are.
        """
        seconds, micros = self.redis.time()
        now = seconds + micros / 1e6
        pipe = self.redis.pipeline(transaction=False)
        pipe.zcount("surco:in:queued", f"({now - grace}", now + grace)
        pipe.zcount("unacked_index", now - patience, now + patience).hlen("unacked").hlen("surco:workers")
        for queue in QUEUES:
            pipe.llen(queue).zcard(f"surco:rank:{queue}")
        answers = [_number(answer) for answer in pipe.execute(raise_on_error=False)]
        fresh, recent, taken, running, *counts = answers
        # Taken and at no job yet: those that a dead worker took long ago are not among the recent.
        coming = fresh + min(recent, max(0, taken - running))
        pairs = zip(QUEUES, counts[::2], counts[1::2], strict=True)
        return {queue: max(0, jobs - there - coming) for queue, there, jobs in pairs}


def _number(answer: Any) -> int:
    """A count, 0 where the key is of another type: whoever put that there has made the queue unusable."""
    return answer if isinstance(answer, int) else 0
