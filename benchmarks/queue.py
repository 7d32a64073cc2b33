"""What the machinery costs: `make bench-queue`.

Three figures, ours and the peer's from one run on this machine, and how the ledger grows
(`benchmarks.ledger_scale`):

- empty jobs a second through ledger and lease, against raw Celery with the same settings;
- the time from submit to start on an idle worker;
- a training job through the queue, against the same loop in a plain script.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid

from benchmarks import machine
from benchmarks.ledger_scale import section
from benchmarks.own_servers import ROOT, servers, worker
from jobs.kinds import parse_spec
from services.queue.broker import celery_app
from services.queue.client import Client
from services.queue.ledger import DONE, ENDED
from services.settings import Settings
from surco.files import write_bytes


def until(done: object, *, pause: float = 0.02) -> None:
    while not done():  # type: ignore[operator]
        time.sleep(pause)


def raw_rate(settings: Settings, client: Client, count: int, processes: int) -> float:
    """Empty tasks a second, raw Celery."""
    process = worker(
        settings, "celery", "-A", "benchmarks.raw_celery", "worker", "-Q", "cpu", "-c", str(processes),
        "--without-gossip", "--without-mingle",
    )  # fmt: skip
    app = celery_app(settings)
    try:
        client.ledger.redis.set("raw:done", 0)
        app.send_task("raw.empty", args=[0], queue="cpu")
        until(lambda: int(client.ledger.redis.get("raw:done") or 0) >= 1)
        start = time.monotonic()
        for number in range(count):
            app.send_task("raw.empty", args=[number], queue="cpu")
        until(lambda: int(client.ledger.redis.get("raw:done") or 0) >= count + 1)
        return count / (time.monotonic() - start)
    finally:
        process.terminate()
        process.wait(60)


def surco_rates(settings: Settings, client: Client, count: int, processes: int) -> tuple[float, list[float]]:
    """Empty jobs a second through ledger, store and lease; and seconds from submit to start when idle."""
    process = worker(settings, "services.cli", "worker", "--concurrency", str(processes))
    run = uuid.uuid4().hex

    def submit(label: str) -> str:
        return client.submit("noop", parse_spec("noop", {"label": f"{run} {label}"})).id

    def done(job: str) -> bool:
        found = client.ledger.get(job)
        return found is not None and found.state in ENDED

    try:
        first = submit("first")
        until(lambda: done(first))
        waits = []
        for number in range(7):
            time.sleep(3)  # until the next process of the pool is there
            job = submit(f"idle {number}")
            until(lambda job=job: done(job))
            found = client.ledger.get(job)
            waits.append(found.started - found.created if found else float("nan"))
        start = time.monotonic()
        ids = [submit(str(number)) for number in range(count)]
        key = "surco:in:done"
        until(lambda: None not in client.ledger.redis.zmscore(key, ids), pause=0.2)
        return count / (time.monotonic() - start), waits
    finally:
        process.terminate()
        process.wait(60)


def training(settings: Settings, client: Client, steps: int) -> tuple[float, float]:
    """Seconds of one training job by queue and in a plain script, imports and checkpoints in both."""
    from jobs.prepare import Spec as Prepare

    process = worker(settings, "services.cli", "worker", "--concurrency", "1")
    try:
        data = client.submit("prepare", Prepare.of("demo"))
        spec = {"dataset": data.id, "size": 128, "init": "scratch", "steps": steps, "seed": int(time.time())}
        job = client.submit("train", parse_spec("train", spec))
        until(lambda: (found := client.ledger.get(job.id)) is not None and found.state in ENDED, pause=0.1)
        found = client.ledger.get(job.id)
        if found is None or found.state != DONE:
            raise RuntimeError(f"the training job did not end well: {found}")
        queued = found.seconds
    finally:
        process.terminate()
        process.wait(60)
    with tempfile.TemporaryDirectory() as folder:
        for what in ("prepare", "train"):  # apart, so that training pays for its imports as the job does
            out = subprocess.run(
                [sys.executable, "-c", PLAIN, what, folder, json.dumps(spec)],
                check=True, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
            ).stdout  # fmt: skip
    return queued, float(out.decode().split()[-1])


# The same prepare and train in plain processes on a folder; prints the seconds since its first line.
PLAIN = """
import json, sys, time
start = time.monotonic()
from pathlib import Path
from jobs.local import local_context, run_local
from jobs.prepare import Spec as Prepare
from jobs.kinds import find_kind, parse_spec
what, folder, spec = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
if what == "prepare":
    run_local("prepare", Prepare.of("demo"), folder)
else:
    context = local_context(folder, "0" * 64)
    context.log = lambda line: None
    find_kind("train").run(parse_spec("train", spec), context)
print(time.monotonic() - start)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1000, help="empty jobs to count; 0: training alone")
    parser.add_argument("--processes", type=int, default=2, help="worker processes of both")
    parser.add_argument("--steps", type=int, default=400, help="steps of the training job")
    args = parser.parse_args()
    with servers() as settings:
        client = Client.open(settings)
        rows = empty_jobs(settings, client, args.jobs, args.processes) if args.jobs else []
        queued, script = training(settings, client, args.steps)
        scale = section(settings, [1000, 10_000, 50_000], workers=1000, seconds=30)
    rows.append(
        f"training job, {args.steps} steps; the same in a plain script | {queued:.1f} s | {script:.1f} s "
        f"| {100 * (queued / script - 1):+.1f} % | 3 %"
    )
    command = (
        f"python -m benchmarks.queue --jobs {args.jobs} --processes {args.processes} --steps {args.steps}"
    )
    head = [
        "# What the machinery costs",
        "",
        f"`{command}`",
        "",
        f"Commit {machine.commit()}; {machine.kind()}.",
    ]
    table = ["| | Surco | peer | | bound |", "|---|---|---|---|---|", *(f"| {row} |" for row in rows)]
    text = "\n".join([*head, "", *table, "", scale])
    print(text)
    write_bytes(machine.RESULTS / "queue.md", text.encode())


def empty_jobs(settings: Settings, client: Client, count: int, processes: int) -> list[str]:
    """Rows of the table: the rate of empty jobs beside raw Celery's, and the wait on an idle worker."""
    raw = raw_rate(settings, client, count, processes)
    ours, waits = surco_rates(settings, client, count, processes)
    middle, worst = statistics.median(waits), max(waits)
    return [
        f"{count} empty jobs; raw Celery, same settings | {ours:.2f}/s | {raw:.2f}/s "
        f"| ratio {ours / raw:.2f} | at least 0.5",
        f"submit to start on an idle worker | median {middle:.2f} s, worst {worst:.2f} s | | | 1 s",
    ]


if __name__ == "__main__":
    main()
