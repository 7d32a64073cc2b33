"""A thousand workers on one Valkey: the ledger's own claims, leases and beats, in threads.

Each simulated worker takes a message with a blocking pop, claims through `Client.claim`, keeps its `Lease`
(a thread, as in the worker), asks once a second whether the attempt is still its own and tells its progress,
and finishes; nothing is modelled but the job's own work, which is the time between two beats. A reconciler
runs beside them. Every worker has a pool of connections of its own, as a process would.
"""

import resource
import statistics
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import redis

from jobs.local import FolderStore
from services.queue.broker import Notifier
from services.queue.client import Client
from services.queue.connection import connect
from services.queue.lease import Lease
from services.queue.ledger import DONE, QUEUED, RUNNING, Ledger
from services.settings import Settings
from services.worker.reconciler import reconcile


@dataclass
class Figures:
    """What the workers saw; lists are appended to by many threads."""

    claims: list[float] = field(default_factory=list)  # s
    beats: list[float] = field(default_factory=list)  # s
    lost: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


class Crowd:
    """`workers` workers and a reconciler on the Redis of these settings."""

    def __init__(self, settings: Settings, workers: int, job_seconds: float = 10.0):
        self.settings = settings.model_copy(update={"lease_seconds": 30.0})
        self.workers, self.job_seconds = workers, job_seconds
        self.figures = Figures()
        self.stop = threading.Event()

    def run(self, seconds: float) -> str:
        """Keep all of them busy for a while; returns a sentence with the figures."""
        _many_files(4 * self.workers + 200)
        control = self._client()
        control.ledger.redis.flushdb()
        count = int(self.workers * (seconds / self.job_seconds + 1))
        control.ledger.add_many([
            {
                "id": uuid.uuid4().hex * 2, "kind": "noop", "queue": "cpu", "spec": {}, "required": [],
                "optional": [], "code": "",
            }
            for _ in range(count)
        ])  # fmt: skip
        threading.stack_size(256 * 1024)
        threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(self.workers)]
        for thread in threads:
            thread.start()
        while control.ledger.counts()[RUNNING] < self.workers and not self.stop.wait(0.5):
            pass  # until all of them have connected and are at a job
        control.ledger.redis.config_resetstat()
        start, connections = time.monotonic(), 0
        while time.monotonic() - start < seconds:
            expired = reconcile(control)["expired"]
            self.figures.lost += ["expired"] * expired
            connections = max(connections, int(control.ledger.redis.info("clients")["connected_clients"]))
            time.sleep(2)
        stats, passed = control.ledger.redis.info("commandstats"), time.monotonic() - start
        # BRPOP waits and is counted as work where it answers at once; scripts hold what runs inside of them.
        outer = {n: s for n, s in stats.items() if n != "cmdstat_brpop"}
        rate = sum(s["calls"] for s in stats.values()) / passed
        script = outer["cmdstat_evalsha"]["usec_per_call"]
        busy = sum(outer[f"cmdstat_{n}"]["usec"] for n in ("evalsha", "hmget")) / 1e6 / passed
        self.stop.set()
        for thread in threads:
            thread.join(60)
        states = control.ledger.counts()
        jobs = control.ledger.in_state(DONE, RUNNING, QUEUED)
        twice = sum(job.fence > 1 for job in jobs)
        seen = self.figures
        return (
            f"{self.workers:,} workers in threads, on a worker's own code: jobs of {self.job_seconds:.0f} s, "
            f"a beat a second,\nleases of 30 s; {states[DONE]:,} jobs done, {twice} begun twice, "
            f"{len(seen.lost)} leases lost, {len(seen.failed)} errors;\n{rate:,.0f} commands a second, "
            f"{connections:,} connections. Redis was busy {100 * busy:.0f} % of the time,\n{script:.0f} µs a "
            "script. As the workers see it, which share this machine's cores:\n"
            f"claim {told(seen.claims)}; beat {told(seen.beats)}."
        )

    def _client(self) -> Client:
        connection = connect(self.settings)
        notifier = Notifier(connection)
        store: Any = FolderStore(self.settings.home / "store")
        return Client(self.settings, Ledger(connection, notifier.many), store, notifier)

    def _work(self, number: int) -> None:
        client = self._client()
        worker = f"simulated-{number}:{number}"
        while not self.stop.is_set():
            try:
                message = client.ledger.redis.brpop(["cpu"], timeout=1)
                if message:
                    self._job(client, message[1], worker)
            except (redis.RedisError, OSError) as error:
                self.figures.failed.append(str(error))

    def _job(self, client: Client, message: str, worker: str) -> None:
        import json

        asked = json.loads(message)["headers"]["id"]
        start = time.monotonic()
        claim = client.claim(asked, worker)
        self.figures.claims.append(time.monotonic() - start)
        if claim is None or isinstance(claim, str):
            return
        job = claim.job
        with Lease(client.ledger.redis, job.id, claim.token, self.settings.lease_seconds) as lease:
            end = time.monotonic() + self.job_seconds
            while time.monotonic() < end and not self.stop.wait(1):
                start = time.monotonic()
                if lease.lost.is_set() or client.ledger.holds(job.id, job.attempt_id) != RUNNING:
                    self.figures.lost.append(job.id)
                    return
                client.ledger.progress(job.id, 1, 2, "busy")
                self.figures.beats.append(time.monotonic() - start)
            if not client.ledger.finish(job.id, {}, attempt=job.attempt_id):
                self.figures.lost.append(job.id)


def told(seconds: list[float]) -> str:
    """Median and 99th percentile, ms."""
    if len(seconds) < 2:
        return "never"
    late = statistics.quantiles(seconds, n=100)[98]
    return f"median {1000 * statistics.median(seconds):.0f} ms, 99 % within {1000 * late:.0f} ms"


def _many_files(wanted: int) -> None:
    """Each connection is a file: raise this process's limit as far as that goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
