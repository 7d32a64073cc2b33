"""Faults in mid-training, in containers: attempts, fence, and the weights of a run that was left alone."""

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from services.queue.ledger import DONE, QUEUED, RUNNING, Job
from tests.containers.conftest import AWAY, STAY
from tests.containers.site import WORKER, Site, docker, inspect
from tests.containers.table import Table, commit
from tests.containers.training import STEPS, Training

pytestmark = pytest.mark.timeout(1500)
_numbers = count(int(time.time()) % 700 if STAY else 1)  # what stays up has had the first ones
Ended = Callable[..., Job]


@pytest.fixture
def training(site: Site, calm: str) -> Iterator[Training]:
    """A training in its middle, and afterwards one sound worker, whatever the fault left."""
    yield Training(site, next(_numbers)).submit().amid()
    site.compose("--profile", "small", "rm", "--stop", "--force", "worker-small")
    site.up()


@pytest.fixture
def ended(training: Training, calm: str, table: Table) -> Ended:
    """Waits for the training's end, holds it against the calm run, and notes it in the table."""

    def check(fault: str, *, points: bool = True) -> Job:
        began = time.monotonic()
        job = training.done()
        resumed, weights = training.resumed_at(), training.weights()
        told = "not all: the outbox went with its volume"
        if points:
            found = training.points()
            told = f"{len(set(found))} of {STEPS}, each once"
            assert found == list(range(1, STEPS + 1))
        same = "the same" if weights == calm else "OTHERS"
        steps = ", ".join(map(str, resumed)) or "–"
        took = f"{time.monotonic() - began:.0f}"
        table.add(fault, job.attempts, job.fence, steps, took, same, told, commit())
        assert weights == calm
        assert job.attempts <= 3 and job.fence >= job.attempts
        return job

    return check


def test_a_stop_with_grace_parks_the_job(site: Site, training: Training, ended: Ended) -> None:
    (worker,) = site.containers(WORKER)
    began = time.monotonic()
    site.compose("stop", WORKER)
    took = time.monotonic() - began
    job = training.job
    assert job is not None and job.state == QUEUED
    assert inspect(worker, "{{.State.ExitCode}}") != "137", "the engine had to kill it after its grace"
    site.compose("start", WORKER)
    job = ended(f"stop with grace (parked and gone in {took:.0f} s)")
    assert job.attempts == 1 and job.fence == 2  # a parting counts no attempt
    assert training.resumed_at()


def test_kill_9_of_a_worker(site: Site, training: Training, ended: Ended) -> None:
    (worker,) = site.containers(WORKER)
    before = inspect(worker, "{{.RestartCount}}")
    site.kill_worker(worker)
    site.until("the engine restarted it", lambda: inspect(worker, "{{.RestartCount}}") != before)
    assert ended("kill -9 of all of a worker").attempts == 2
    assert training.resumed_at()


def test_kill_9_of_the_jobs_process(site: Site, training: Training, ended: Ended) -> None:
    (worker,) = site.containers(WORKER)
    job = training.job
    assert job is not None
    docker("exec", worker, "sh", "-c", f"kill -9 {job.worker.rpartition(':')[2]}")
    assert ended("kill -9 of the job's process").attempts == 2


def test_every_server_restarted_in_turn(site: Site, training: Training, ended: Ended) -> None:
    for server in ("redis", "minio", "postgres", "mlflow"):
        site.compose("restart", server)
    site.up("--no-recreate")
    assert ended("Redis, S3, Postgres and MLflow restarted, one after the other").attempts <= 2


@pytest.mark.parametrize(
    ("server", "name"), [("redis", "Redis"), ("minio", "S3"), ("mlflow", "MLflow"), ("postgres", "Postgres")]
)
def test_a_server_away(site: Site, training: Training, ended: Ended, server: str, name: str) -> None:
    with site.away(server, seconds=AWAY):
        pass
    job = ended(f"{name} away for {AWAY:.0f} s")
    if server in ("mlflow", "postgres", "minio"):
        assert job.attempts == 1 and job.fence == 1  # nobody lost a lease


@pytest.mark.parametrize(("server", "name"), [("redis", "Redis"), ("s3", "S3"), ("mlflow", "MLflow")])
def test_the_way_to_a_server_cut(
    site: Site, training: Training, ended: Ended, server: str, name: str
) -> None:
    seconds = min(AWAY, 60.0)
    with site.cut(server, seconds=seconds):
        pass
    job = ended(f"no way from the worker to {name} for {seconds:.0f} s")
    if server != "redis":
        assert job.attempts == 1 and job.fence == 1


@pytest.fixture
def two_workers(site: Site) -> None:
    """Before the training begins, so that it does not end while the second one starts."""
    site.up("--no-recreate", "--scale", f"{WORKER}=2", WORKER)


def test_of_two_workers_one_is_lost(site: Site, two_workers: None, training: Training, ended: Ended) -> None:
    job = training.job
    assert job is not None and job.state == RUNNING
    host = job.worker.partition(":")[0]
    docker("rm", "--force", next(one for one in site.containers(WORKER) if one.startswith(host)))
    job = ended("two workers, the one that trains lost for good")
    assert job.attempts == 2 and not job.worker.startswith(host)


def test_the_volume_of_a_worker_is_lost(site: Site, training: Training, ended: Ended) -> None:
    site.compose("kill", WORKER)
    site.compose("rm", "--force", WORKER)
    docker("volume", "rm", f"{site.project}_{WORKER}")
    site.up(WORKER)
    assert ended("a worker and its volume lost", points=False).attempts == 2
    assert training.resumed_at()


def test_everything_down_and_up(site: Site, training: Training, ended: Ended) -> None:
    site.compose("down")
    site.up()
    assert ended("everything down and up").attempts == 1


def test_a_full_disk(site: Site, calm: str, table: Table) -> None:
    """The worker on the small disk hands its job on; another one ends it, and no attempt is counted."""
    site.compose("stop", WORKER)
    site.up("--no-deps", "worker-small")
    training = Training(site, next(_numbers)).submit().amid()
    (small,) = site.containers("worker-small")
    docker("exec", small, "sh", "-c", "dd if=/dev/zero of=/var/lib/surco/ballast bs=1M", check=False)
    site.until("the job was handed on", lambda: training.state() in (QUEUED, DONE))
    site.compose("start", WORKER)
    job = training.done()
    docker("exec", small, "rm", "/var/lib/surco/ballast")
    weights, resumed = training.weights(), training.resumed_at()
    same = "the same" if weights == calm else "OTHERS"
    told = f"{len(set(training.points()))} of {STEPS}"
    site.compose("--profile", "small", "rm", "--stop", "--force", "worker-small")
    table.add(
        "disk of a worker full, another one there", job.attempts, job.fence, ", ".join(map(str, resumed)),
        f"{time.monotonic() - training.began:.0f}", same, told, commit(),
    )  # fmt: skip
    assert weights == calm and job.attempts == 1 and job.fence >= 2
