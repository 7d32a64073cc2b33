"""The faults of a campaign: each a function that does one bad thing and says in a few words what it was.

A fault that lasts starts a timer that ends it, so that faults overlap as they do in life. A fault that
finds nothing to break returns "" and is not counted.
"""

import contextlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable

import redis

from jobs.kinds import parse_spec
from services.errors import ServerDown
from services.queue.broker import QUEUES, celery_app
from services.queue.ledger import DEAD, ENDED, RUNNING
from services.queue.messages import TASK
from services.worker.signing import DEAF
from surco.errors import InputError
from tests.chaos.field import BALLAST, LEASE, Field

Fault = Callable[[Field, random.Random], str]
FAULTS: dict[str, tuple[int, Fault]] = {}  # name: weight and function


def fault(weight: int) -> Callable[[Fault], Fault]:
    def enter(function: Fault) -> Fault:
        FAULTS[function.__name__.replace("_", " ")] = (weight, function)
        return function

    return enter


def later(seconds: float, do: Callable[[], object]) -> None:
    """End a fault after a while; what is gone by then is no matter."""

    def quietly() -> None:
        with contextlib.suppress(OSError, redis.RedisError, ServerDown, InputError):
            do()

    timer = threading.Timer(seconds, quietly)
    timer.daemon = True
    timer.start()


# -- processes -----------------------------------------------------------------------------------


@fault(6)
def kill_a_child(field: Field, rng: random.Random) -> str:
    running = [j for j in field.rows() if j.state == RUNNING and ":" in j.worker]
    if not running:
        return ""
    job = rng.choice(running)
    # After a death in native code the kernels are compiled anew, which takes a minute of one core: seldom.
    number = rng.choices([signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT], [18, 1, 1])[0]
    try:
        os.kill(int(job.worker.split(":")[1]), number)
    except (ProcessLookupError, ValueError):
        return ""
    return f"{number.name} to the process of {job.kind} {job.id[:8]}"


@fault(3)
def kill_a_worker(field: Field, rng: random.Random) -> str:
    worker = rng.choice(field.workers)
    if not worker.alive:
        return ""
    worker.kill()
    return f"SIGKILL to all of {worker.name}"


@fault(2)
def stop_a_worker(field: Field, rng: random.Random) -> str:
    worker = rng.choice(field.workers)
    if not worker.alive or worker.stopping_since is not None:
        return ""
    worker.stop_gently()
    return f"SIGTERM to {worker.name}"


@fault(3)
def freeze_a_worker(field: Field, rng: random.Random) -> str:
    worker = rng.choice(field.workers)
    if not worker.alive:
        return ""
    seconds = rng.uniform(0.5, 2.5) * LEASE
    worker.signal_all(signal.SIGSTOP)
    later(seconds, lambda: worker.signal_all(signal.SIGCONT))
    return f"{worker.name} frozen for {seconds:.0f} s, leases last {LEASE:.0f} s"


@fault(2)
def freeze_a_child(field: Field, rng: random.Random) -> str:
    children = [pid for worker in field.workers for pid in worker.children()]
    if not children:
        return ""
    pid, seconds = rng.choice(children), rng.uniform(0.5, 2.0) * LEASE
    os.kill(pid, signal.SIGSTOP)
    later(seconds, lambda: os.kill(pid, signal.SIGCONT))
    return f"a child frozen for {seconds:.0f} s"


# -- network -------------------------------------------------------------------------------------


@fault(5)
def reset_connections(field: Field, rng: random.Random) -> str:
    name = rng.choice(list(field.proxies))
    count = field.proxies[name].reset()
    return f"{count} sockets to {name} reset" if count else ""


@fault(5)
def stall_a_server(field: Field, rng: random.Random) -> str:
    name, seconds = rng.choice(list(field.proxies)), rng.uniform(1, 2 * LEASE)
    if rng.random() < 0.1:
        seconds = (DEAF + 2) * LEASE  # a worker that hears nothing for so long must not stay deaf
    proxy = field.proxies[name]
    proxy.stalled.set()
    later(seconds, proxy.stalled.clear)
    return f"{name} silent for {seconds:.0f} s"


@fault(4)
def refuse_connections(field: Field, rng: random.Random) -> str:
    name, seconds = rng.choice(list(field.proxies)), rng.uniform(1, LEASE)
    proxy = field.proxies[name]
    proxy.refusing.set()
    proxy.reset()
    later(seconds, proxy.refusing.clear)
    return f"{name} refuses for {seconds:.0f} s"


@fault(6)
def swallow_answers(field: Field, rng: random.Random) -> str:
    name, count = rng.choice(["s3", "mlflow", "redis"]), rng.randint(1, 3)
    field.proxies[name].swallow = count
    return f"the next {count} answers of {name} are lost"


# -- servers -------------------------------------------------------------------------------------


@fault(2)
def kill_a_server(field: Field, rng: random.Random) -> str:
    name = rng.choice(["redis", "s3", "mlflow"])
    try:
        field.stack.kill_server(name)
    except (ServerDown, KeyError, TypeError, OSError):
        return ""
    return f"SIGKILL to {name}"


@fault(1)
def wipe_redis(field: Field, rng: random.Random) -> str:
    field.client.ledger.redis.flushall()
    field.wiped = True
    field.rebuild()
    return "Redis wiped and rebuilt from S3"


@fault(2)
def fill_redis(field: Field, rng: random.Random) -> str:
    connection, seconds = field.client.ledger.redis, rng.uniform(1, 5)
    connection.config_set("maxmemory", str(connection.info("memory")["used_memory"] - 1))
    later(seconds, lambda: connection.config_set("maxmemory", "0"))
    return f"Redis at its memory limit for {seconds:.0f} s"


@fault(3)
def set_a_clock(field: Field, rng: random.Random) -> str:
    worker, seconds = rng.choice(field.workers), rng.choice([-600, -60, 60, 600])
    if not worker.clock:
        return ""
    worker.clock.write_text(f"{seconds}\n")
    return f"the clock of {worker.name} set {seconds:+d} s off"


# -- disks and files -----------------------------------------------------------------------------


@fault(3)
def fill_a_disk(field: Field, rng: random.Random) -> str:
    worker = rng.choice(field.workers)
    if not worker.small_disk:
        return ""
    ballast, seconds = worker.home / BALLAST, rng.uniform(1, 6)
    with contextlib.suppress(OSError), ballast.open("wb") as file:
        while True:
            file.write(b"\0" * (1 << 20))
            file.flush()
    later(seconds, lambda: ballast.unlink(missing_ok=True))
    return f"the disk of {worker.name} full for {seconds:.0f} s"


@fault(4)
def spoil_a_checkpoint(field: Field, rng: random.Random) -> str:
    store = field.client.store
    keys = [
        key
        for job in field.rows()
        if job.kind == "train" and job.state not in ENDED
        for key in store.keys(f"jobs/{job.id}/checkpoints/")
    ]
    if not keys:
        return ""
    key = rng.choice(keys)
    data = store.get_bytes(key) or b""
    how = rng.choice(["cut", "foreign", "gone"])
    if how == "gone":
        store.delete(key)
    else:
        store.put_bytes(key, data[: len(data) // 2] if how == "cut" else rng.randbytes(64))
    return f"{key.split('/')[-1]} of a checkpoint {how}"


@fault(3)
def spoil_an_outbox(field: Field, rng: random.Random) -> str:
    files = [p for w in field.workers for p in (w.home / "outbox").rglob("*.jsonl")]
    if not files:
        return ""
    path = rng.choice(files)
    with contextlib.suppress(OSError), path.open("ab") as file:
        file.write(rng.choice([b'{"t": 1, "metr\n', b"\0\0\0\0\n", b"no json at all\n"]))
        return f"a torn line in {path.parent.name[:8]}/{path.name}"
    return ""


# -- messages and users --------------------------------------------------------------------------


@fault(4)
def repeat_messages(field: Field, rng: random.Random) -> str:
    rows = [j for j in field.rows() if j.state not in ENDED]
    if not rows:
        return ""
    job = rng.choice(rows)
    for _ in range(5):
        field.client.notifier(job.queue, job.id)
    return f"five more messages for {job.id[:8]}"


@fault(3)
def lose_messages(field: Field, rng: random.Random) -> str:
    return f"{field.client.ledger.redis.delete(*QUEUES)} queues emptied of their messages"


@fault(4)
def send_garbage(field: Field, rng: random.Random) -> str:
    connection = field.client.ledger.redis
    app = celery_app(field.settings)
    what = rng.choice(["text", "json", "task", "arguments", "bytes", "limits", "deep"])
    if what == "task":
        app.send_task("surco.unknown", args=["?"], queue="cpu")
    elif what == "arguments":
        app.send_task(TASK, args=rng.choice([[], [1, 2, 3], [{}], [["x"]]]), queue="cpu")
    elif what == "limits":
        message = {"body": "W10=", "headers": {"task": TASK, "id": "x", "timelimit": "soon"}}
        message |= {"properties": {"delivery_info": {}, "delivery_tag": "x", "body_encoding": "base64"}}
        connection.lpush("cpu", json.dumps(message))
    elif what == "deep":
        connection.lpush("cpu", "[" * 20_000 + "]" * 20_000)
    else:
        odd = {
            "text": "no message",
            "json": rng.choice(["[]", "{}", '{"a": 1}', "null"]),
            "bytes": "\x00\x01",
        }
        connection.lpush(rng.choice(QUEUES), odd[what])
    return f"garbage in a queue ({what})"


@fault(3)
def cancel_and_retry(field: Field, rng: random.Random) -> str:
    rows = [j for j in field.rows() if j.state not in ENDED]
    if not rows:
        return ""
    job = rng.choice(rows)
    field.client.cancel(job)
    later(rng.uniform(0.2, 4), lambda: field.client.retry(job))
    return f"{job.kind} {job.id[:8]} cancelled, retried soon after"


@fault(3)
def retry_the_dead(field: Field, rng: random.Random) -> str:
    dead = [j for j in field.rows() if j.state == DEAD]
    if not dead:
        return ""
    job = rng.choice(dead)
    field.client.retry(job)
    return f"{job.kind} {job.id[:8]} taken off the dead list"


@fault(2)
def submit_under_fire(field: Field, rng: random.Random) -> str:
    """A user whose own network is bad: they see a sentence or a job, and may ask again."""
    from services.queue.client import Client

    seen = field.workers[0].settings
    spec = parse_spec("noop", {"label": f"fire-{field.seed}-{rng.random()}", "seconds": 0.3})
    for _ in range(2):
        with contextlib.suppress(ServerDown, redis.RedisError, InputError):
            job = Client.open(seen).submit("noop", spec)
            field.submitted[job.id] = job
            return f"submitted {job.id[:8]} through the bad network"
    return "a submit through the bad network was told that a server is away"
