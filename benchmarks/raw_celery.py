"""The peer of `benchmarks.queue`: Celery with Surco's settings and an empty task, no ledger, no lease."""

import redis

from services.queue.broker import celery_app
from services.settings import load_settings

settings = load_settings()
app = celery_app(settings)
app.conf.imports = []
app.conf.broker_transport = "redis"  # Surco's own takes the messages of its one task only


@app.task(name="raw.empty")
def empty(number: int) -> None:
    """Count one."""
    with redis.Redis.from_url(settings.redis_url) as client:
        client.incr("raw:done")
