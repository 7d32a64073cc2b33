"""Kombu's Redis transport, made to outlive what comes out of a queue and what happens to a connection.

- A message is read by `services.queue.messages` before Celery sees it; what is none goes to quarantine.
- A Redis that answers with an error (at its memory limit, its disk full, a queue's key of another type) is
  waited for; kombu 5.7 ends the worker.
- After the connection was lost, giving back or acknowledging a message asks a connection that is forgotten
  already for its address.
- `PULSE` knows when the consumer's loop last turned and whether the broker answers it.
"""

import json
import logging
import time
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from kombu.transport import redis, virtual
from redis.exceptions import RedisError, ResponseError

from services.queue.messages import BadMessage, envelope, read

log = logging.getLogger("surco.queue")

QUARANTINE = "surco:quarantine"
KEPT = 100  # entries of the quarantine list
SHOWN = 2000  # bytes of a bad message that are kept


@dataclass
class Pulse:
    """Proof of life of the loop that takes messages, on this process's monotonic clock."""

    turned: float = field(default_factory=time.monotonic)
    asked: float | None = None  # since when the broker owes an answer

    def turn(self) -> None:
        self.turned = time.monotonic()

    def ask(self) -> None:
        if self.asked is None:
            self.asked = time.monotonic()

    def hear(self) -> None:
        self.asked = None

    def silent(self, now: float | None = None) -> float:
        """Seconds for which the loop did not turn, or turned and got no answer."""
        now = time.monotonic() if now is None else now
        return max(now - self.turned, 0.0 if self.asked is None else now - self.asked)


PULSE = Pulse()


class Message(virtual.Message):
    """A delivery. Celery sees it under an id of its own, what is stored keeps the job's.

    Celery keeps the ids of tasks that succeeded. After a lost connection a job's message may come twice: the
    second is answered at once, in vain, and by the same id Celery would take the job that still runs for
    finished, would not tell it to stop when the worker must end, and would wait for it for ever.
    """

    def __init__(self, payload: Any, channel: Any = None, **options: Any):
        super().__init__(payload, channel=channel, **options)
        self.headers = {**self.headers, "id": f"{self.headers['id']}/{self.delivery_tag[:8]}"}


class QoS(redis.QoS):
    """Kombu's record of messages not yet acknowledged; what is none is set aside and never restored."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client=client, leftmost=leftmost)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            with self.channel.conn_or_acquire(client) as one:
                raw = one.hget(self.unacked_key, tag)
                quarantine(one, self.unacked_key, raw or b"", "a delivered message that cannot be read")
            self._remove_from_indices(tag).execute()


class Channel(redis.Channel):
    """Hands on messages of ours and sets the rest aside; remembers where its server is."""

    QoS = QoS
    Message = Message

    def __init__(self, connection: Any, **options: Any):
        self._server = connection.client
        super().__init__(connection, **options)

    def _connparams(self, asynchronous: bool = False) -> Any:
        if self.connection.client is None:
            self.connection.client = self._server
        return super()._connparams(asynchronous=asynchronous)

    def _brpop_start(self, timeout: float | None = None) -> None:
        PULSE.ask()
        super()._brpop_start(timeout)

    def _brpop_read(self, **options: Any) -> bool:
        """Take the answer to a BRPOP and deliver the message in it; raises `Empty` where there is none."""
        try:
            queue, raw = self._answer(**options)
        finally:
            self._in_poll = False
            self._flush_brpop_reauth()
        self._queue_cycle.rotate(queue)
        try:
            job, priority = read(raw)
        except BadMessage as bad:
            self._set_aside(queue, raw, str(bad))
            raise Empty from None
        message = envelope(job, queue, priority)
        try:
            self.connection._deliver(message, queue)
        except ResponseError as error:
            # Taken from the queue and nowhere noted: the reconciler sends it anew.
            log.warning("Redis refuses to note a message of job %s: %s", job[:12], error)
            raise Empty from None
        except (ValueError, TypeError, AttributeError) as error:
            log.warning("Celery does not take a message of job %s.", job[:12], exc_info=True)
            self.qos.reject(message["properties"]["delivery_tag"], requeue=False)
            self._set_aside(queue, raw, f"Celery does not take it: {error}")
            raise Empty from None
        return True

    def _answer(self, **options: Any) -> tuple[str, bytes]:
        try:
            answer = self.client.parse_response(self.client.connection, "BRPOP", **options)
        except ResponseError as error:
            PULSE.hear()
            log.warning("Redis refuses to give messages: %s", error)
            self._set_other_types_aside()
            time.sleep(1)  # the next BRPOP would be refused at once
            raise Empty from None
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        PULSE.hear()
        if not answer:
            raise Empty
        key, raw = answer
        return key.decode().rsplit(self.sep, 1)[0], raw

    def _set_aside(self, queue: str, raw: bytes, reason: str) -> None:
        log.warning("Something in the queue %s was no message and lies in %s: %s", queue, QUARANTINE, reason)
        with self.conn_or_acquire() as client:
            quarantine(client, queue, raw, reason)

    def _set_other_types_aside(self) -> None:
        """A key with a queue's name that is no list blocks its queue: move it out of the way."""
        try:
            with self.conn_or_acquire() as client:
                for queue in self.active_queues:
                    if client.type(queue) not in (b"list", b"none"):
                        client.rename(queue, f"{QUARANTINE}:{queue}")
                        quarantine(client, queue, b"", f"no list; renamed to {QUARANTINE}:{queue}")
        except RedisError as error:
            log.warning("The queues cannot be looked at: %s", error)


class Transport(redis.Transport):
    """`redis://` with the channel above."""

    Channel = Channel

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        super().register_with_event_loop(connection, loop)
        loop.on_tick.add(PULSE.turn)


def quarantine(client: Any, queue: str, raw: bytes, reason: str) -> None:
    """Note what was no message, with reason and server time; the list keeps the newest. Never raises."""
    try:
        seconds, micros = client.time()
        text = raw[:SHOWN].decode("utf-8", "backslashreplace")
        entry = {"time": seconds + micros / 1e6, "queue": queue, "reason": reason[:300], "message": text}
        with client.pipeline() as pipe:
            pipe.lpush(QUARANTINE, json.dumps(entry)).ltrim(QUARANTINE, 0, KEPT - 1).execute()
    except RedisError as error:
        log.warning("A bad message could not be kept: %s", error)
