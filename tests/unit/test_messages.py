"""Whatever lies in a queue: only a job's id reaches Celery, the rest lies in quarantine with its reason."""

import contextlib
import json
from collections.abc import Iterator
from queue import Empty
from typing import Any

import pytest
import redis

from services.queue.broker import QUEUES, Notifier, celery_app
from services.queue.messages import BadMessage, envelope, read
from services.queue.transport import KEPT, QUARANTINE
from tests.hostile_messages import HOSTILE, JOB, sent
from tests.private_valkey import PrivateValkey


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_message_is_refused_with_a_reason(name: str) -> None:
    raw, reason = HOSTILE[name]
    with pytest.raises(BadMessage) as caught:
        read(raw)
    assert reason.lower() in str(caught.value).lower()


@pytest.fixture
def consumer(valkey: PrivateValkey) -> Iterator[tuple[Any, list[Any]]]:
    """A channel that consumes both queues as a worker's does, and what it delivered."""
    got: list[Any] = []
    app = celery_app(valkey.settings())
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        for queue in QUEUES:
            channel.exchange_declare(queue, "direct")
            channel.queue_declare(queue=queue)
            channel.queue_bind(queue, queue, queue)
            channel.basic_consume(queue, False, got.append, consumer_tag=queue)
        yield channel, got


def step(channel: Any) -> None:
    """One BRPOP and its answer."""
    if channel.client.connection is None:
        channel.client.connection = channel.client.connection_pool.get_connection()
    channel._brpop_start(0.05)
    with contextlib.suppress(Empty):
        channel._brpop_read()


def test_everything_hostile_goes_to_quarantine_and_the_message_behind_it_arrives(
    valkey: PrivateValkey, consumer: tuple[Any, list[Any]]
) -> None:
    channel, got = consumer
    with valkey.client() as client:
        for raw, _ in HOSTILE.values():
            client.lpush("cpu", raw)
        Notifier(client)("cpu", JOB)
        for _ in range(len(HOSTILE) + 1):
            step(channel)
        assert [message.headers["id"].partition("/")[0] for message in got] == [JOB]
        entries = [json.loads(line) for line in client.lrange(QUARANTINE, 0, -1)]
        assert len(entries) == len(HOSTILE)
        assert all(e["queue"] == "cpu" and e["reason"] and e["time"] > 1e9 for e in entries)
        assert client.llen("cpu") == 0 and client.hlen("unacked") == 1
        got[0].ack()
        assert client.hlen("unacked") == 0


def test_the_quarantine_keeps_the_newest_only(valkey: PrivateValkey, consumer: tuple[Any, list[Any]]) -> None:
    with valkey.client() as client:
        for number in range(KEPT + 5):
            client.lpush("cpu", f"bad {number}")
            step(consumer[0])
        assert client.llen(QUARANTINE) == KEPT
        assert json.loads(client.lindex(QUARANTINE, 0))["message"] == f"bad {KEPT + 4}"


def test_celery_sees_nothing_of_a_message_but_the_job(
    valkey: PrivateValkey, consumer: tuple[Any, list[Any]]
) -> None:
    channel, got = consumer
    with valkey.client() as client:
        client.lpush("gpu", sent(headers__origin={"x": []}, headers__argsrepr=[[]], properties__reply_to=9))
        step(channel)
    expected = envelope(JOB, "gpu")
    assert {**got[0].headers, "id": JOB} == expected["headers"]
    assert got[0].properties["reply_to"] == ""


def test_a_queue_of_another_type_is_set_aside(valkey: PrivateValkey, consumer: tuple[Any, list[Any]]) -> None:
    channel, got = consumer
    with valkey.client() as client:
        client.set("cpu", "no list")
        step(channel)
        assert client.get(f"{QUARANTINE}:cpu") == "no list"
        client.lpush("cpu", sent())
        step(channel)
    assert len(got) == 1


def test_a_poisoned_record_of_delivered_messages_is_set_aside(
    valkey: PrivateValkey, consumer: tuple[Any, list[Any]]
) -> None:
    channel, _ = consumer
    with valkey.client() as client:
        for tag, value in (("one", "[1, 2"), ("two", "7"), ("three", "[" * 100_000)):
            client.hset("unacked", tag, value)
            client.zadd("unacked_index", {tag: 1.0})
        channel.qos.restore_visible(num=10, interval=1)
        assert client.hlen("unacked") == 0 and client.zcard("unacked_index") == 0
        assert client.llen(QUARANTINE) == 3


def test_a_redis_at_its_limit_costs_a_message_and_not_the_worker(
    valkey: PrivateValkey, consumer: tuple[Any, list[Any]]
) -> None:
    channel, got = consumer
    with valkey.client() as client:
        client.lpush("cpu", sent(), b"garbage")
        client.config_set("maxmemory", "1")
        try:
            step(channel)
            step(channel)
        finally:
            client.config_set("maxmemory", "0")
        assert got == [] and client.llen("cpu") == 0  # the reconciler sends it anew
        client.lpush("cpu", sent())
        step(channel)
    assert len(got) == 1


def test_notifying_a_redis_that_takes_nothing_is_one_sentence(valkey: PrivateValkey) -> None:
    from services.errors import ServerDown

    with valkey.client() as client:
        client.config_set("maxmemory", "1")
        try:
            with pytest.raises(ServerDown, match="takes no message"):
                Notifier(client)("cpu", JOB)
        finally:
            client.config_set("maxmemory", "0")
    assert issubclass(redis.OutOfMemoryError, redis.ResponseError)


def test_each_delivery_has_an_id_of_its_own_and_the_stored_one_keeps_the_jobs(
    valkey: PrivateValkey, consumer: tuple[Any, list[Any]]
) -> None:
    """With one id for both, Celery takes a running job for finished once its second message was answered."""
    channel, got = consumer
    with valkey.client() as client:
        client.lpush("cpu", sent(), sent())
        step(channel)
        step(channel)
        assert len({message.headers["id"] for message in got}) == 2
        stored = [json.loads(text)[0] for text in client.hvals("unacked")]
        assert [one["headers"]["id"] for one in stored] == [JOB, JOB]
        channel.qos.restore_unacked()  # as at a lost connection
        assert read(client.lindex("cpu", 0).encode())[0] == JOB
