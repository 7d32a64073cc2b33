"""The second round of a sweep: added once, whoever dies on the way, at the sizes that the first proposes."""

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from jobs.choose import around
from jobs.graph import first_round, parse_sweep, plan, second_round
from jobs.kinds import parse_spec
from jobs.local import local_context, run_local
from services.cli.watch import watch_sweep
from services.errors import ServerDown
from services.queue.client import Client
from services.queue.growing import grow_ready
from services.tracking.shared import Shared
from services.worker.reconciler import reconcile

SWEEP = {"name": "two", "sizes": [64, 256], "prior": False, "stress": False}
ROUND_TWO = {"cluster", "edits", "generate"}


def kinds_of(queue: Client, sweep: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for job in queue.ledger.many(queue.sweep(sweep)["jobs"]):
        found.setdefault(job.kind, []).append(job.label)
    return found


def publish(queue: Client, sweep: str, studied: list[int]) -> str:
    """The choose job of a sweep is done, in S3 and on the ledger, and its worker has not made it grow yet."""
    job = next(j for j in queue.ledger.many(queue.sweep(sweep)["jobs"]) if j.kind == "choose")
    result = {"asked": [64, 256], "studied": studied}
    done = {"result": result, "artifacts": [], "prefix": f"jobs/{job.id}/attempts/1"}
    queue.store.put_bytes(f"jobs/{job.id}/DONE.json", json.dumps(done).encode())
    queue.ledger.finish(job.id, result)
    return job.id


def test_a_sweep_begins_with_what_the_sizes_asked_for_need(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    kinds = kinds_of(queue, sweep)
    assert kinds["evaluate"] == ["64", "256"] and kinds["choose"] == ["sizes"]
    assert not ROUND_TWO & set(kinds) and "report" not in kinds
    assert queue.ledger.grows(sweep)


def test_what_the_second_round_lacks_is_made_and_what_is_there_is_used() -> None:
    asked = parse_sweep(SWEEP)
    first, made = first_round(asked)
    second, whole = second_round(asked, made, [128, 256, 512])
    of = {kind: [n.label for n in second if n.kind == kind] for kind in {n.kind for n in second}}
    assert of["train"] == of["embed"] == of["evaluate"] == ["128", "512"]
    assert of["cluster"] == ["128", "256", "512"]
    assert of["edits"] == of["generate"] == ["256"], "at the size that the round is about"
    assert "prepare" not in of and "choose" not in of
    at_256 = next(n for n in second if n.kind == "cluster" and n.label == "256")
    assert at_256.spec.vectors == next(n.id for n in first if n.kind == "embed" and n.label == "256")
    summary = next(n for n in second if n.kind == "summary").spec
    assert summary.sizes == [64, 128, 256, 512] and summary.studied == [128, 256, 512]
    assert summary.jobs["cluster"][0] is None and summary.jobs["train"][0] == made["train"]["64"]
    assert set(whole["train"]) == {"64", "128", "256", "512"} and set(made["train"]) == {"64", "256"}


def test_sizes_that_are_fixed_are_studied_in_one_go(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep({**SWEEP, "study": [64]}))
    kinds = kinds_of(queue, sweep)
    assert kinds["cluster"] == ["64"] and kinds["evaluate"] == ["64", "256"] and "choose" not in kinds
    assert not queue.ledger.grows(sweep)


def test_the_second_round_is_added_where_the_worker_was_lost_before_it(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [128, 256, 512])
    assert reconcile(queue)["grown"] == 1
    kinds = kinds_of(queue, sweep)
    assert kinds["cluster"] == ["128", "256", "512"] and kinds["report"] == ["report"]
    assert not queue.ledger.grows(sweep)
    assert reconcile(queue)["grown"] == 0


def test_a_second_round_added_twice_is_the_same_one(queue: Client) -> None:
    """S3 goes away after the jobs were entered and before the sweep's record says so."""
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [32, 64, 128])
    put = queue.store.put_bytes

    def away(key: str, data: bytes, **rest: Any) -> bool:
        if key.startswith("sweeps/"):
            raise ServerDown("S3", "a folder")
        return put(key, data, **rest)

    queue.store.put_bytes = away  # type: ignore[method-assign]
    assert grow_ready(queue) == 0
    half = {job.id for job in queue.ledger.recent(1000)}
    assert "cluster" not in kinds_of(queue, sweep), "the sweep does not list what it may not have"
    queue.store.put_bytes = put  # type: ignore[method-assign]
    assert grow_ready(queue) == 1
    assert {job.id for job in queue.ledger.recent(1000)} == half
    assert kinds_of(queue, sweep)["cluster"] == ["32", "64", "128"]


def test_the_second_round_outlives_a_wiped_redis(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [128, 256, 512])
    queue.ledger.redis.flushall()
    queue.rebuild()
    assert queue.ledger.grows(sweep) and reconcile(queue)["grown"] == 1
    jobs = queue.sweep(sweep)["jobs"]
    queue.ledger.redis.flushall()
    queue.rebuild()
    assert queue.sweep(sweep)["jobs"] == jobs and not queue.ledger.grows(sweep)


def test_a_sweep_handed_in_again_keeps_its_second_round(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [128, 256, 512])
    reconcile(queue)
    jobs = queue.sweep(sweep)["jobs"]
    lost = next(j for j in queue.ledger.many(jobs) if j.kind == "cluster")
    queue.cancel(lost)
    assert queue.submit_sweep(parse_sweep(SWEEP)) == sweep
    assert queue.sweep(sweep)["jobs"] == jobs and not queue.ledger.grows(sweep)
    assert queue.ledger.states([lost.id])[lost.id] == "waiting", "what was cancelled runs again"


def test_a_sweep_whose_sizes_were_never_found_ends(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    queue.cancel_many(queue.sweep(sweep)["jobs"][::-1])
    assert not queue.ledger.grows(sweep)
    grow_ready(queue)
    assert queue.ledger.open_jobs(sweep) == 0
    events = queue.ledger.redis.zrange("surco:events", 0, -1)
    assert f"sweep:{sweep}:1" in events


def test_a_sweep_that_grows_has_not_ended(queue: Client) -> None:
    """All jobs are done, and the second round is not entered yet: its run in MLflow stays open."""
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [64, 256])
    for job in queue.sweep(sweep)["jobs"]:
        queue.ledger.finish(job, {})
    assert queue.ledger.open_jobs(sweep) == 1, "its own entry keeps it open"
    assert Shared(queue.ledger).sweep_status(sweep) == "RUNNING"
    assert not queue.ledger.redis.zrange("surco:events", 0, -1)


def test_watch_goes_on_into_the_second_round(queue: Client) -> None:
    sweep = queue.submit_sweep(parse_sweep(SWEEP))
    publish(queue, sweep, [128, 256])
    for job in queue.sweep(sweep)["jobs"]:
        queue.ledger.finish(job, {})
    begun = queue.sweep(sweep)
    said = io.StringIO()

    def second() -> None:
        grow_ready(queue)
        queue.cancel_many(queue.sweep(sweep)["jobs"][::-1])

    later = threading.Timer(0.5, second)
    later.start()
    assert not watch_sweep(queue, begun, console=Console(file=said, width=120))
    later.join()
    assert "cluster 128" in said.getvalue() and "report" in said.getvalue()


def test_choosing_without_a_measurement_takes_the_middle(tmp_path: Path) -> None:
    spec = parse_spec("choose", {"sizes": [32, 64, 128, 256, 512], "evaluate": ["a" * 64]})
    result = local_context(tmp_path, "b" * 64).result(run_local("choose", spec, tmp_path))
    assert result["studied"] == [64, 128, 256] and result["smallest"] is None
    assert around([8]) == [8] and around([1, 2, 3, 4]) == [1, 2, 3]


@pytest.mark.parametrize("study", [[0], [4096], []])
def test_sizes_of_the_second_round_are_checked(study: list[int]) -> None:
    with pytest.raises(Exception, match=r"size|study"):
        plan(parse_sweep({**SWEEP, "study": study}))
