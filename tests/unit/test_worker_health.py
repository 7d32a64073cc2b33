"""The reconciler's thread outlives everything; a worker signs only while it lives; who is there is told."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from jobs.kinds import parse_spec
from jobs.local import FolderStore
from jobs.spec import job_id
from services.cli.doctor_queue import check_quarantine, check_reconciler, check_workers
from services.cli.drain import chosen
from services.queue.broker import Notifier
from services.queue.client import Client
from services.queue.connection import connect
from services.queue.ledger import Ledger
from services.queue.transport import Pulse, quarantine
from services.settings import Settings
from services.worker import reconciler as module
from services.worker.health import (
    ALIVE,
    CHECK,
    DRAIN,
    RECONCILER,
    WORKERS,
    Look,
    Vitals,
    any_worker,
    last_look,
    name,
    sign,
    tell_look,
    workers,
)
from services.worker.reconciler import Reconciler
from services.worker.signing import DEAF, Signing
from surco.errors import InputError
from tests.private_valkey import PrivateValkey


def make_client(settings: Settings) -> Client:
    connection = connect(settings)
    notifier = Notifier(connection)
    store = FolderStore(settings.home / "store")
    return Client(settings, Ledger(connection, notifier.many), store, notifier)  # type: ignore[arg-type]


def lost_message(client: Client) -> str:
    """A job that is queued, whose message nobody has."""
    spec = parse_spec("noop", {"label": "lost"})
    job, fields = job_id("noop", spec), spec.model_dump(mode="json")
    with contextlib.suppress(redis.OutOfMemoryError):
        client.ledger.add(job, kind="noop", queue="cpu", spec=fields, required=[], optional=[])
    client.ledger.redis.delete("cpu")
    return job


def at_its_limit(server: PrivateValkey, client: Client) -> Callable[[], None]:
    client.ledger.redis.config_set("maxmemory", "1")
    return lambda: client.ledger.redis.config_set("maxmemory", "0")


def away(server: PrivateValkey, client: Client) -> Callable[[], None]:
    server.stop()
    return server.start


def raising(error: Exception) -> Callable[[PrivateValkey, Client], Callable[[], None]]:
    def fault(server: PrivateValkey, client: Client) -> Callable[[], None]:
        known = client.ledger.now

        def broken() -> float:
            raise error

        client.ledger.now = broken  # type: ignore[method-assign]

        def heal() -> None:
            client.ledger.now = known  # type: ignore[method-assign]

        return heal

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        at_its_limit,
        away,
        raising(RuntimeError("broker gone")),
        raising(RecursionError()),
        raising(KeyError(1)),
    ],
    ids=["memory limit", "away", "RuntimeError", "RecursionError", "KeyError"],
)
def test_the_reconciler_outlives_a_fault_and_goes_on_after_it(fault: Callable[..., Any]) -> None:
    with PrivateValkey() as server:
        client = make_client(server.settings(reconcile_seconds=0.05))
        lost_message(client)
        heal = fault(server, client)
        thread = Reconciler(client, 0.05)  # the fault is there before it starts
        thread.turn()
        heal()
        lost_message(client)  # again where the server came back empty
        time.sleep(0.1)  # older than the grace of a message under way
        thread.turn()
        assert client.ledger.redis.llen("cpu") == 1
        look = last_look(client.ledger.redis)
        assert look is not None and look.by == name() and not look.error


def test_an_error_of_the_reconciler_is_told_in_redis(valkey: PrivateValkey) -> None:
    client = make_client(valkey.settings())
    raising(RuntimeError("a poison row"))(valkey, client)
    Reconciler(client, 1).turn()
    assert "a poison row" in last_look(client.ledger.redis).error  # type: ignore[union-attr]


def test_the_lock_of_a_dead_reconciler_is_broken_whatever_the_clock_says(
    valkey: PrivateValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock set back leaves the lock of a dead holder for hours: here it has a day to live."""
    client = make_client(valkey.settings())
    raw = client.ledger.redis
    raw.set("surco:reconciler", "of the dead", ex=86_400)
    raw.set(RECONCILER, "its last look")
    ours = Reconciler(client, 10)
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    assert not ours._mine()
    clock[0] += 59
    assert not ours._mine()
    raw.set(RECONCILER, "another look: it lives")
    clock[0] += 59
    assert not ours._mine()
    clock[0] += 61
    assert ours._mine()
    assert raw.get("surco:reconciler") != "of the dead"


def vitals(**fields: Any) -> Vitals:
    return Vitals(**{"name": name(), "queues": ["cpu"], "processes": 2, **fields})


def test_a_worker_signs_only_while_its_consumer_lives(valkey: PrivateValkey) -> None:
    settings = valkey.settings(lease_seconds=10)
    client = connect(settings)
    silent, done = [0.0], []
    signing = Signing(
        client, settings, vitals, drain=lambda: done.append("drain"), end=lambda: done.append("end"),
        silent=lambda: silent[0],
    )  # fmt: skip
    signing.turn()
    assert [w.name for w in workers(client)] == [name()]
    client.delete(f"{WORKERS}{name()}")
    silent[0] = 11.0
    signing.turn()
    assert workers(client) == [] and done == []
    silent[0] = DEAF * 10 + 1.0
    signing.turn()
    signing.turn()
    assert done == ["end"]


def passes(settings: Settings) -> bool:
    """Whether the health check of a container of this host would pass, by the shell's word."""
    env = {**os.environ, "SURCO_HOME": str(settings.home), "HOSTNAME": socket.gethostname()}
    return (
        subprocess.run(["sh", "-c", CHECK], env=env, stderr=subprocess.DEVNULL, check=False).returncode == 0
    )


def test_a_containers_check_passes_while_signatures_are_new(valkey: PrivateValkey, tmp_path: Path) -> None:
    settings = valkey.settings(lease_seconds=10).model_copy(update={"home": tmp_path})
    silent, stuck = [0.0], [0.0]
    signing = Signing(
        connect(settings), settings, lambda: vitals(reconciler_silent=stuck[0]), drain=lambda: None,
        silent=lambda: silent[0],
    )  # fmt: skip
    assert not passes(settings)
    signing.turn()
    assert passes(settings)
    file = settings.home / ALIVE / socket.gethostname()
    for value, much in ((silent, 11.0), (stuck, 1e3)):  # a deaf consumer, a reconciler that stands still
        value[0] = much
        os.utime(file, (time.time() - 180,) * 2)
        signing.turn()
        assert not passes(settings)
        value[0] = 0.0
        signing.turn()
        assert passes(settings)


def test_a_worker_signs_although_its_file_cannot_be_touched(valkey: PrivateValkey, tmp_path: Path) -> None:
    settings = valkey.settings(lease_seconds=10).model_copy(update={"home": tmp_path})
    (settings.home / ALIVE).write_text("no folder")
    client = connect(settings)
    Signing(client, settings, vitals, drain=lambda: None, silent=lambda: 0.0).turn()
    assert [w.name for w in workers(client)] == [name()]


def test_a_worker_told_to_drain_does_so_once_and_says_so(valkey: PrivateValkey) -> None:
    settings = valkey.settings()
    client = connect(settings)
    done: list[str] = []
    signing = Signing(
        client, settings, lambda: vitals(draining=signing.draining), drain=lambda: done.append("drain"),
        silent=lambda: 1e6,
    )  # fmt: skip
    client.set(f"{DRAIN}{name()}", "1")
    signing.turn()
    signing.turn()  # the loop has ended: it still signs, for its jobs go on
    assert done == ["drain"]
    assert [w.draining for w in workers(client)] == [True]


def test_signing_outlives_a_redis_that_is_away() -> None:
    with PrivateValkey() as server:
        settings = server.settings()
        signing = Signing(connect(settings), settings, vitals, drain=lambda: None, silent=lambda: 0.0)
        server.stop()
        signing.turn()
        server.start()
        signing.turn()
        assert len(workers(connect(settings))) == 1


def test_the_pulse_is_the_loop_and_the_brokers_answer() -> None:
    pulse = Pulse(turned=100.0)
    assert pulse.silent(101.0) == 1.0
    pulse.asked = 90.0  # it turns, and the broker owes an answer for ten seconds more
    assert pulse.silent(101.0) == 11.0
    pulse.hear()
    assert pulse.silent(101.0) == 1.0


def health_check(server: PrivateValkey) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ, "SURCO_HOME": server.folder.name, "SURCO_REDIS_URL": server.url,
        "SURCO_S3_ENDPOINT": "127.0.0.1:1", "SURCO_MLFLOW_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "services.worker.health"],
        env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_the_health_check_of_a_container(valkey: PrivateValkey) -> None:
    client = valkey.client()
    nobody = health_check(valkey)
    assert nobody.returncode == 1 and "no worker" in nobody.stdout
    sign(client, vitals(), valkey.settings())
    well = health_check(valkey)
    assert well.returncode == 0 and name() in well.stdout
    imported = {line.rpartition("|")[2].strip() for line in well.stderr.splitlines()}
    assert not imported & {"celery", "kombu", "torch", "minio"}
    sign(client, vitals(reconciler_silent=1e4), valkey.settings())
    assert health_check(valkey).returncode == 1
    with PrivateValkey() as gone:
        gone.stop()
        assert health_check(gone).returncode == 1


def test_the_doctor_reads_who_works(valkey: PrivateValkey) -> None:
    settings = valkey.settings()
    client = connect(settings)
    assert check_workers(settings).ok and check_reconciler(settings).ok
    client.zadd("surco:in:queued", {"x": 1})
    assert not check_workers(settings).ok
    sign(client, vitals(draining=True), settings)
    assert check_workers(settings).ok and "draining" in check_workers(settings).detail
    assert not check_reconciler(settings).ok  # a worker is there, and nobody has looked
    seconds = float(client.time()[0])
    for look, ok in (
        (Look("a:1", seconds), True),
        (Look("a:1", seconds - 3600), False),
        (Look("a:1", seconds + 3600), False),  # the clock was set back since
        (Look("a:1", seconds, {}, "S3Error: no"), False),
    ):
        tell_look(client, look)
        assert check_reconciler(settings).ok is ok
    quarantine(client, "cpu", b"\xff{", "no JSON")
    assert "no JSON" in check_quarantine(settings).detail


def test_a_damaged_signature_is_no_worker(valkey: PrivateValkey) -> None:
    client = valkey.client()
    client.zadd("surco:signed", {"x:1": 1, "y:2": 2})
    client.mset({f"{WORKERS}x:1": "up", f"{WORKERS}y:2": "[1]"})
    assert workers(client) == []


def test_one_worker_is_found_among_many_gone_in_two_commands(valkey: PrivateValkey) -> None:
    settings, client = valkey.settings(), valkey.client()
    assert not any_worker(client)
    client.zadd("surco:signed", {f"gone:{n}": n for n in range(1000)})
    assert not any_worker(client)
    sign(client, vitals(), settings)
    before = client.info("stats")["total_commands_processed"]
    assert any_worker(client)
    assert client.info("stats")["total_commands_processed"] - before <= 3


def test_which_workers_drain() -> None:
    known = [Vitals("host:1"), Vitals("host:22")]
    assert [w.name for w in chosen(known, "host:2")] == ["host:22"]
    assert chosen(known, "host") == known
    assert chosen(known[:1], "") == known[:1]
    for start, few in (("", known), ("other", known), ("", [])):
        with pytest.raises(InputError, match="surco drain --list"):
            chosen(few, start)
