"""What the ledger costs as it grows: `make bench-queue` prints it, `python -m benchmarks.ledger_scale` alone.

On a real Valkey and a real SeaweedFS: handing in 1,000, 10,000 and 50,000 jobs, a look of the reconciler over
as many waiting ones, what the commands of the command line read, what an idle worker asks, and a thousand
simulated workers (`benchmarks.many_workers`).
"""

import argparse
import contextlib
import json
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import redis
from mlflow import MlflowClient
from rich.console import Console

from benchmarks import machine
from benchmarks.many_workers import Crowd
from benchmarks.own_servers import servers, worker
from jobs.kinds import parse_spec
from services.cli.job_table import print_jobs
from services.queue.client import Client, Request
from services.queue.following import Following
from services.results.gc import plan
from services.results.usage import usage
from services.settings import Settings
from services.worker.reconciler import reconcile
from surco.files import write_bytes

TITLE = "## Scale"
BEFORE = """\
Before (issue 17), with a ledger of sets that were read whole: a reconcile took 0.05, 0.5 and 17.8 s at 1,000,
10,000 and 50,000 waiting jobs (45,026 commands; its lock ran out at 30 s); `jobs --limit all` took 146 s;
47 commands a job handed in; an idle worker 4.2 commands a second and 9 to 15 connections."""
COLUMNS = """\
`handed in`: jobs a second, their specs in S3, round trips to Redis a job, and commands Redis ran for
each, those inside of scripts among them. The other columns: time, round trips, commands. `look`: a round of
the reconciler with as many jobs queued and as many waiting; `find`: a job by the beginning of its id; `jobs`:
the newest fifty; `state`: fifty of a state; `watch`: one look at a sweep of that many jobs, in which nothing
changed; `all`: every job of the ledger, twice as many, read and printed; `usage` and `gc` (a dry run):
as many, half of them in sweeps of a hundred, with S3 listed.

| jobs | handed in | look | find | jobs | state | watch | all | usage | gc |
|---|---|---|---|---|---|---|---|---|---|"""
PER_SWEEP = 100


@dataclass
class Cost:
    """What a piece of work cost: seconds, round trips of this process, commands the server counted."""

    seconds: float
    trips: int
    commands: int


@contextlib.contextmanager
def counted(client: Client) -> Iterator[Callable[[], Cost]]:
    """Count what happens inside; call what it gives for the cost so far."""
    trips = [0]
    send: Any = redis.Connection.send_packed_command

    def counting(self: Any, *args: Any, **options: Any) -> None:
        trips[0] += 1
        send(self, *args, **options)

    def commands() -> int:
        return int(client.ledger.redis.info("stats")["total_commands_processed"])

    before, start = commands(), time.monotonic()
    redis.Connection.send_packed_command = counting  # type: ignore[method-assign]
    cost: list[Cost] = []

    def so_far() -> Cost:
        if not cost:
            seconds, sent = time.monotonic() - start, trips[0]
            cost.append(Cost(seconds, sent, commands() - before - 1))
        return cost[0]

    try:
        yield so_far
        so_far()
    finally:
        redis.Connection.send_packed_command = send  # type: ignore[method-assign]


def at(client: Client, count: int, mlflow: Any) -> str:
    """A row of the table: a ledger of `count` jobs queued and as many waiting."""
    client.ledger.redis.flushdb()
    run = uuid.uuid4().hex
    requests = [Request("noop", parse_spec("noop", {"label": f"{run} {n}"})) for n in range(count)]
    with counted(client) as submit:
        jobs = client.submit_many(requests)
    need = jobs[0]
    waiting = [
        {
            "id": uuid.uuid4().hex * 2, "kind": "noop", "queue": "cpu", "spec": {}, "required": [need.id],
            "optional": [], "code": need.code,
        }
        for _ in range(count)
    ]  # fmt: skip
    client.ledger.add_many(waiting)
    reconcile(client, grace=0)
    with counted(client) as look:
        reconcile(client, grace=0)
    with counted(client) as find:
        client.job(jobs[count // 2].id[:16])
    with counted(client) as listing:
        found = client.ledger.recent(50)
    with counted(client) as states:
        client.ledger.in_state("waiting", limit=50)
    following = Following(client.ledger, [j.id for j in jobs])
    following.look()
    with counted(client) as watch:
        following.look()
    with counted(client) as everything, open(os.devnull, "w") as nowhere:
        print_jobs(client.ledger.recent(2 * count), console=Console(file=nowhere))
    assert len(found) == min(50, 2 * count)
    _into_sweeps(client, [j.id for j in jobs])
    with counted(client) as use:
        assert len(usage(client, mlflow=mlflow)["sweeps"]) >= count // PER_SWEEP
    with counted(client) as gc:
        plan(client, mlflow=mlflow)
    done = submit()
    handed_in = f"{count / done.seconds:.0f}/s, {done.trips / count:.3f}, {done.commands / count:.0f}"
    cells = [f"| {count:,}", handed_in]
    cells += [told(cost()) for cost in (look, find, listing, states, watch)]
    cells += [f"{cost().seconds:.1f} s" for cost in (everything, use, gc)]
    row = " | ".join(cells) + " |"
    print(row, flush=True)
    return row


def _into_sweeps(client: Client, jobs: list[str]) -> None:
    """Records of sweeps of a hundred jobs, in the place of those of the row before."""
    for key in client.store.keys("sweeps/"):
        client.store.delete(key)
    for n in range(0, len(jobs), PER_SWEEP):
        record = {"name": "scale", "spec": {}, "jobs": jobs[n : n + PER_SWEEP]}
        client.store.put_bytes(f"sweeps/scale-{n}.json", json.dumps(record).encode())


def told(cost: Cost) -> str:
    return f"{1000 * cost.seconds:.0f} ms, {cost.trips}, {cost.commands:,}"


def idle(settings: Settings, client: Client, seconds: float) -> str:
    """Commands a second and connections of one idle worker of two processes, beside what the stack asks."""
    connection = client.ledger.redis
    connection.flushdb()
    alone = int(connection.info("clients")["connected_clients"])
    probes = per_second(connection, 10)
    lock = connection.lock("surco:reconciler", timeout=600)
    lock.acquire()  # one of many workers: another one is the reconciler
    process = worker(settings, "services.cli", "worker", "--concurrency", "2")
    try:
        while not any(c["cmd"] == "brpop" for c in connection.client_list()):
            if process.poll() is not None:
                raise RuntimeError("the worker did not start")
            time.sleep(1)
        time.sleep(20)  # until its processes are there
        one = per_second(connection, seconds)
        connections = int(connection.info("clients")["connected_clients"]) - alone
        lock.release()
        time.sleep(2 * settings.reconcile_seconds)
        reconciling = per_second(connection, seconds)
    finally:
        process.terminate()
        process.wait(60)
    own = {name: one[name] - probes.get(name, 0) for name in one}
    often = ", ".join(f"{n} {c:.2f}" for n, c in sorted(own.items(), key=lambda p: -p[1])[:6])
    total = sum(own.values())
    more = sum(reconciling.values()) - sum(one.values())
    return (
        f"An idle worker of two processes: {total:.1f} commands a second ({often}), {connections}\n"
        f"connections; the one that is the reconciler: {more:.1f} more. Kombu's own are BRPOP\n"
        "each second, its look for messages to restore each ten, and a connection for each of the two."
    )


def per_second(connection: Any, seconds: float) -> dict[str, float]:
    """Commands a second that the server runs, by name."""
    connection.config_resetstat()
    time.sleep(seconds)
    stats = connection.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): found["calls"] / seconds for name, found in stats.items()}
    return {name: rate for name, rate in calls.items() if name not in ("info", "config|resetstat")}


def section(settings: Settings, counts: list[int], workers: int, seconds: float) -> str:
    """The whole section of the results file."""
    client = Client.open(settings)
    with tempfile.TemporaryDirectory() as folder:
        mlflow = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        rows = [at(client, count, mlflow) for count in counts]
    lines = [
        TITLE,
        "",
        COLUMNS,
        *rows,
        "",
        BEFORE,
        "",
        idle(settings, client, seconds),
        "",
        Crowd(settings, workers).run(seconds),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="1000,10000,50000", help="jobs on the ledger")
    parser.add_argument("--workers", type=int, default=1000, help="simulated workers")
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="of the idle worker and of the simulation"
    )
    args = parser.parse_args()
    counts = [int(count) for count in args.counts.split(",")]
    with servers() as settings:
        text = section(settings, counts, args.workers, args.seconds)
    text += f"\n`python -m benchmarks.ledger_scale`, commit {machine.commit()}; {machine.kind()}.\n"
    print(text)
    path = machine.RESULTS / "queue.md"
    head = path.read_text(encoding="utf-8").partition(f"\n{TITLE}")[0].rstrip() if path.exists() else ""
    write_bytes(path, f"{head}\n\n{text}".encode())


if __name__ == "__main__":
    main()
