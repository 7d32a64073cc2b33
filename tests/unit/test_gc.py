"""Garbage collection: what goes, what stays for others' sake, and what comes in between."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.queue.client import Client
from services.queue.ledger import CANCELLED, DONE, QUEUED, Job
from services.queue.rebuild import SweepRecord
from services.results.gc import Waste, carry_out, plan
from services.results.inventory import Inventory, take_inventory
from services.results.usage import ALONE, usage
from services.worker import parting
from services.worker.tidy import DAY, leftovers, tidy
from surco.errors import InputError
from tests.mlflow_store import FaultyClient

pytestmark = pytest.mark.slow


def ident(name: str) -> str:
    return (name.encode().hex() * 64)[:64]


@pytest.fixture
def mlflow(tmp_path: Path) -> FaultyClient:
    client = FaultyClient(tmp_path)
    client.real.create_experiment("surco")
    return client


@pytest.fixture
def job(queue: Client) -> Callable[..., str]:
    """Enters a job as it is when it has ended: row, spec, DONE.json, artifacts, cache."""

    def enter(name: str, *needs: str, sweep: str = "", state: str = DONE, size: int = 1000) -> str:
        identity = ident(name)
        queue.ledger.add(
            identity, kind="noop", queue="cpu", spec={}, required=[ident(n) for n in needs], optional=[],
            sweep=sweep, label=name, state=state,
        )  # fmt: skip
        queue.store.put_bytes(f"jobs/{identity}/spec.json", b"{}")
        prefix = f"jobs/{identity}/attempts/0001-aaaa"
        queue.store.put_bytes(f"{prefix}/out.bin", bytes(size))
        if state == DONE:
            done = {"result": {}, "artifacts": ["out.bin"], "prefix": prefix}
            queue.store.put_bytes(f"jobs/{identity}/DONE.json", json.dumps(done).encode())
        cached = queue.settings.cache / identity / "out.bin"
        cached.parent.mkdir(parents=True)
        cached.write_bytes(bytes(10))
        return identity

    return enter


def sweep(queue: Client, name: str, *jobs: str) -> str:
    ids = [ident(j) for j in jobs]
    record = {"name": name, "spec": {}, "jobs": ids}
    queue.store.put_bytes(f"sweeps/{name}.json", json.dumps(record).encode())
    queue.ledger.add_sweep(name, name, {}, ids)
    queue.ledger.join(name, ids)
    return name


def names(wastes: list[Waste], what: str) -> set[str]:
    return {waste.name for waste in wastes if waste.what == what}


def later(queue: Client, prefix: str) -> None:
    """Make stored objects two days old."""
    for key in queue.store.keys(prefix):
        os.utime(queue.store.root / key, (time.time() - 2 * DAY,) * 2)  # type: ignore[attr-defined]


@pytest.fixture
def two_sweeps(queue: Client, job: Callable[..., str]) -> None:
    job("data", sweep="a")
    job("codec", "data", sweep="a")
    job("scores", "codec", sweep="a")
    job("report", "scores", sweep="a")  # handed in later, for the sweep
    job("other", "data", sweep="b")
    sweep(queue, "a", "data", "codec", "scores")
    sweep(queue, "b", "data", "other")


def test_a_sweep_goes_but_for_what_others_need(queue: Client, mlflow: FaultyClient, two_sweeps: None) -> None:
    found = plan(queue, sweeps=["a"], mlflow=mlflow)
    assert names(found, "job") == {ident("codec"), ident("scores"), ident("report")}
    assert queue.ledger.get(ident("codec")) is not None, "a plan changes nothing"
    gone = carry_out(queue, found, mlflow=mlflow)
    assert names(gone, "job") == names(found, "job")
    assert {job.id for job in queue.ledger.recent(99)} == {ident("data"), ident("other")}
    kept = {key.split("/")[1] for key in queue.store.keys("jobs/")}
    assert kept == {ident("data"), ident("other")}
    assert queue.store.keys("sweeps/") == ["sweeps/b.json"]
    assert [identity for identity, _ in queue.ledger.sweep_names()] == ["b"]
    assert {path.name for path in queue.settings.cache.iterdir()} == kept
    # With nothing else there, the other sweep's jobs go as well.
    carry_out(queue, plan(queue, sweeps=["b"], mlflow=mlflow), mlflow=mlflow)
    assert queue.store.keys("") == [] and queue.ledger.recent(99) == []


def test_what_a_job_of_its_own_reads_stays(
    queue: Client, mlflow: FaultyClient, two_sweeps: None, job: Callable[..., str]
) -> None:
    job("song", "codec")
    found = plan(queue, sweeps=["a"], mlflow=mlflow)
    assert names(found, "job") == {ident("scores"), ident("report")}


def test_a_job_handed_in_between_plan_and_deed_keeps_what_it_needs(
    queue: Client, mlflow: FaultyClient, two_sweeps: None, job: Callable[..., str]
) -> None:
    found = plan(queue, sweeps=["a"], mlflow=mlflow)
    job("song", "codec")
    gone = carry_out(queue, found, mlflow=mlflow)
    assert names(gone, "job") == {ident("scores"), ident("report")}
    assert queue.published(ident("codec")) == {}


def test_a_job_asked_for_again_while_it_goes_keeps_its_spec(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = job("codec", sweep="a")
    sweep(queue, "a", "codec")
    drop = queue.ledger.drop

    def drop_and_ask(job_id: str) -> None:
        drop(job_id)
        assert queue.published(job_id) is None, "whoever asks now must find it not done"
        queue.ledger.add(job_id, kind="noop", queue="cpu", spec={}, required=[], optional=[])

    monkeypatch.setattr(queue.ledger, "drop", drop_and_ask)
    carry_out(queue, plan(queue, sweeps=["a"], mlflow=mlflow), mlflow=mlflow)
    assert queue.store.get_bytes(f"jobs/{identity}/spec.json") == b"{}"
    assert queue.ledger.states([identity]) == {identity: QUEUED}


def test_a_sweep_that_still_runs_or_a_wiped_ledger_is_refused(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str]
) -> None:
    identity = job("codec", sweep="a", state="waiting")
    sweep(queue, "a", "codec")
    with pytest.raises(InputError, match=r"not ended.*surco cancel"):
        plan(queue, sweeps=["a"], mlflow=mlflow)
    queue.ledger.redis.flushall()
    with pytest.raises(InputError, match=r"not on the ledger.*surco rebuild"):
        plan(queue, sweeps=["a"], mlflow=mlflow)
    later(queue, "")
    assert plan(queue, mlflow=mlflow) == [], "what the ledger does not know is left as it is"
    assert queue.store.get_bytes(f"jobs/{identity}/spec.json") is not None


def test_attempts_that_nobody_named_and_checkpoints_of_done_jobs_go(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str]
) -> None:
    done, dead, bare = job("done"), job("dead", state=CANCELLED), job("bare")
    queue.store.delete(f"jobs/{bare}/attempts/0001-aaaa/out.bin")  # what was published had no files
    queue.store.put_bytes(f"jobs/{bare}/attempts/0003-cccc/out.bin", bytes(7))
    for identity in (done, dead):
        queue.store.put_bytes(f"jobs/{identity}/attempts/0002-bbbb/out.bin", bytes(7))
        queue.store.put_bytes(f"jobs/{identity}/checkpoints/000000009-0001-aaaa/LATEST.json", b"{}")
    assert plan(queue, mlflow=mlflow) == [], "they are young"
    later(queue, "jobs/")
    gone = carry_out(queue, plan(queue, mlflow=mlflow), mlflow=mlflow)
    assert {(w.what, w.name, w.part) for w in gone} == {
        ("attempt", done, "0002-bbbb"), ("checkpoint", done, "000000009-0001-aaaa"),
        ("attempt", dead, "0001-aaaa"), ("attempt", dead, "0002-bbbb"), ("attempt", bare, "0003-cccc"),
    }  # fmt: skip
    assert f"jobs/{done}/attempts/0001-aaaa/out.bin" in queue.store.keys("jobs/")
    assert len(queue.store.keys(f"jobs/{dead}/checkpoints/")) == 1, "a retry goes on from it"


def test_an_attempt_that_is_published_or_runs_by_now_stays(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str]
) -> None:
    one, two = job("one", state=CANCELLED), job("two", state="waiting")
    later(queue, "jobs/")
    queue.ledger.release([two])
    found = plan(queue, mlflow=mlflow)
    assert names(found, "attempt") == {one, two}
    done = {"result": {}, "artifacts": [], "prefix": f"jobs/{one}/attempts/0001-aaaa"}
    queue.store.put_bytes(f"jobs/{one}/DONE.json", json.dumps(done).encode())
    queue.ledger.redis.hset(f"surco:job:{two}", mapping={"state": "running", "attempt_id": "0001-aaaa"})
    assert carry_out(queue, found, mlflow=mlflow) == []
    assert len(queue.store.keys("jobs/")) == 5


def test_runs_of_jobs_that_are_gone_are_marked_deleted_with_their_artifacts(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str]
) -> None:
    kept, client = job("kept"), mlflow.real
    place = client.get_experiment_by_name("surco").experiment_id
    old = int((time.time() - 2 * DAY) * 1000)
    runs = {
        name: client.create_run(place, start_time=start, tags={"job_id": i, "surco_kind": "noop"}).info.run_id
        for name, i, start in (
            ("kept", kept, old), ("gone", ident("gone"), old), ("young", ident("young"), None),
            ("registered", ident("registered"), old),
        )
    }  # fmt: skip
    client.create_registered_model("codec")
    client.create_model_version("codec", f"mlflow-artifacts:/{place}", run_id=runs["registered"])
    for run in runs.values():
        queue.store.put_bytes(f"mlflow/{place}/{run}/artifacts/a.wav", bytes(50))
    gone = carry_out(queue, plan(queue, mlflow=mlflow), mlflow=mlflow)
    assert names(gone, "run") == {runs["gone"], runs["registered"]}
    assert {run.info.run_id for run in mlflow.runs()} == {runs["kept"], runs["young"]}
    left = {key.split("/")[2] for key in queue.store.keys("mlflow/")}
    assert left == {runs["kept"], runs["young"], runs["registered"]}, "a model's files stay"


def test_logs_go_with_their_job_or_in_time(
    queue: Client, mlflow: FaultyClient, job: Callable[..., str]
) -> None:
    now = queue.ledger.now()
    for name, ended in (("old", now - 40 * DAY), ("new", now - DAY)):
        queue.ledger.log(job(name), "a line")
        queue.ledger.redis.hset(f"surco:job:{ident(name)}", "ended", ended)
    queue.ledger.redis.xadd(f"surco:log:{ident('gone')}", {"line": "left"})
    gone = carry_out(queue, plan(queue, mlflow=mlflow), mlflow=mlflow)
    assert names(gone, "log") == {ident("old"), ident("gone")}
    assert list(queue.ledger.log_lines(ident("new"))) == ["a line"]


def test_mlflow_away_keeps_nothing_else_from_going(
    queue: Client, mlflow: FaultyClient, two_sweeps: None
) -> None:
    mlflow.lose_request("get_experiment_by_name")
    assert len(names(carry_out(queue, plan(queue, sweeps=["a"], mlflow=mlflow)), "job")) == 3


def test_a_workers_start_clears_what_killed_attempts_left(queue: Client, job: Callable[..., str]) -> None:
    settings, running = queue.settings, job("running", state="waiting")
    queue.ledger.redis.zadd("surco:in:running", {running: 1})
    queue.ledger.redis.hset(f"surco:job:{running}", mapping={"state": "running", "attempt_id": "0001-aaaa"})
    killed = settings.work / f"{ident('x')[:16]}-0001-bbbb"
    for folder in (killed, settings.work / f"{running[:16]}-0001-aaaa", settings.work / "young-0001-cccc"):
        (folder / "out").mkdir(parents=True)
        (folder / "out" / "a.bin").write_bytes(bytes(100))
    part = settings.cache / running / "b.bin.12345678.part"
    part.write_bytes(bytes(5))
    (settings.cache / ident("gone")).mkdir()
    (settings.cache / ident("gone") / "c.bin").write_bytes(bytes(5))
    for path in (*settings.work.rglob("*"), *settings.cache.rglob("*")):
        if "young" not in str(path):
            os.utime(path, (time.time() - 2 * DAY,) * 2)
    found = {one.path: one.size for one in leftovers(settings, queue.ledger)}
    assert found == {killed: 100, part: 5, settings.cache / ident("gone"): 5}
    assert tidy(settings, queue.ledger) == 110
    assert not any(path.exists() for path in found)
    assert (settings.work / f"{running[:16]}-0001-aaaa" / "out" / "a.bin").exists()
    queue.ledger.redis.flushall()
    wiped = leftovers(settings, queue.ledger, older_than=0)
    assert not any(settings.cache in one.path.parents for one in wiped), "an empty ledger was wiped"


def test_a_full_disk_is_cleared_of_what_killed_attempts_left_before_a_job_is_refused(
    queue: Client, job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, killed = job("next"), queue.settings.work / f"{ident('x')[:16]}-0001-bbbb"
    killed.mkdir(parents=True)
    monkeypatch.setattr(parting, "free_bytes", lambda folder: 0 if killed.exists() else parting.LEAST_FREE)
    monkeypatch.setattr(parting, "step_aside", lambda settings, leaving: None)
    assert not parting.has_room(queue, waiting, "here")  # it may still be at work
    os.utime(killed, (time.time() - 11 * queue.settings.lease_seconds,) * 2)
    assert parting.has_room(queue, waiting, "here") and not killed.exists()


def test_usage_tells_disk_by_sweep(
    queue: Client, mlflow: FaultyClient, two_sweeps: None, job: Callable[..., str]
) -> None:
    job("song", "codec", size=5)
    place = mlflow.real.get_experiment_by_name("surco").experiment_id
    run = mlflow.real.create_run(place, tags={"job_id": ident("codec"), "surco_kind": "noop"}).info.run_id
    queue.store.put_bytes(f"mlflow/{place}/{run}/artifacts/a.wav", bytes(70))
    queue.store.put_bytes(f"mlflow/{place}/models/m-1/b.bin", bytes(9))
    found = usage(queue, mlflow=mlflow)
    by_name = {row["name"]: row for row in found["sweeps"]}

    def stored(*jobs: str) -> int:
        return sum(
            len(queue.store.get_bytes(k) or b"") for j in jobs for k in queue.store.keys(f"jobs/{ident(j)}/")
        )

    assert by_name["a"]["s3"] == stored("data", "codec", "scores", "report")
    assert by_name["a"]["own"] == stored("scores", "report") and by_name["b"]["own"] == stored("other")
    assert (by_name["a"]["mlflow"], by_name["a"]["cache"], by_name["a"]["jobs"]) == (70, 40, 4)
    assert by_name[ALONE]["s3"] == stored("song")
    assert found["total"]["mlflow"] == 79 and found["total"]["cache"] == 60


def test_what_a_sweep_owns_is_what_would_go_with_it(queue: Client, two_sweeps: None, job: Callable[..., str],
                                                    mlflow: FaultyClient) -> None:  # fmt: skip
    job("own", "codec")  # handed in alone, needs what sweep a made
    found = take_inventory(queue, mlflow=mlflow)
    for name in ("a", "b"):
        assert found.own(name) == found.members(name) - found.needed_without({name})
    assert found.own("a") == {ident("scores"), ident("report")}


def test_the_inventory_walks_each_sweep_once_however_many_are_asked_about() -> None:
    """At 50,000 jobs in 500 sweeps, a walk over all for each would be 25 million steps."""
    asked = []

    class Counting(dict[str, Job]):
        def get(self, key: str, default: Any = None) -> Any:
            asked.append(key)
            return super().get(key, default)

    count = 40
    sweeps = {
        f"s{n}": SweepRecord(name="s", spec={}, jobs=[f"{n}.{k}" for k in range(5)]) for n in range(count)
    }
    jobs = {
        i: Job(i, "noop", "cpu", DONE, {}, sweep=f"s{n}") for n in range(count) for i in sweeps[f"s{n}"].jobs
    }
    found = Inventory(Counting(jobs), sweeps, {}, {})
    assert all(len(found.own(sweep)) == 5 for sweep in sweeps)
    assert len(asked) == 5 * count
    assert found.readers_first(set(jobs)) and len(asked) == 10 * count
