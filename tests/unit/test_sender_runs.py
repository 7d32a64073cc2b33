"""Runs of MLflow: one a job and a sweep, whoever makes it, with the status that the ledger gives."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from services.queue.ledger import CANCELLED, DEAD, DONE, RUNNING, WAITING
from services.tracking import sender as sender_module
from services.tracking.addresses import VIEW
from tests.mlflow_store import FaultyClient
from tests.private_valkey import PrivateValkey
from tests.tracking_field import SWEEP, Field, logged, steps

# -- one run ---------------------------------------------------------------------------------------------


def parents(field: Field) -> list[Any]:
    return field.mlflow.runs(f"tags.sweep_id = '{SWEEP}'")


@pytest.mark.parametrize("fault", [FaultyClient.lose_request, FaultyClient.lose_answer])
def test_a_run_whose_making_failed_is_made_once(field: Field, fault: Callable[..., None]) -> None:
    field.job("j", sweep=SWEEP)
    steps(box := field.outbox("j", sweep=SWEEP), 1)
    sender = field.sender()
    for _ in range(2):  # the sweep's run, then the job's own
        fault(field.mlflow, "create_run")
        sender.send_all()
    sender.send_all()
    assert len(parents(field)) == 1 and logged(field) == [1] and box.lost == 0


@pytest.mark.parametrize("expired", [False, True])
def test_two_senders_make_one_parent_run(field: Field, expired: bool) -> None:
    """The second comes while the first makes the run; also where the first's turn has run out by then."""
    for job, machine in (("j", "a"), ("k", "b")):
        field.job(job, sweep=SWEEP)
        steps(field.outbox(job, machine, sweep=SWEEP), 1)  # both writers are gone
    one, two = field.sender("a"), field.sender("b", FaultyClient(field.folder, same_as=field.mlflow))

    def other() -> None:
        if expired:
            field.redis.delete(f"surco:tracking:turn:make {SWEEP}")
        two.send_all()

    field.mlflow.meanwhile("create_run", other)
    for sender in (one, two):
        sender.send_all()
    (parent,) = parents(field)
    assert logged(field, "j") == [1] and logged(field, "k") == [1]
    assert {field.run(j).data.tags["mlflow.parentRunId"] for j in "jk"} == {parent.info.run_id}
    assert field.mlflow.deleted() == (1 if expired else 0)


def test_a_run_that_comes_into_being_late_is_deleted(field: Field) -> None:
    """A request that was given up arrives after all, when the next one has made the run."""
    field.job("j")
    steps(outbox := field.outbox("j"), 1)
    sender = field.sender()
    sender.send_all()
    run = field.run("j")
    field.mlflow.real.create_run(run.info.experiment_id, tags={"job_id": "j", "surco_kind": "train"})
    assert sender.reconcile() == 1
    assert field.run("j").info.run_id == run.info.run_id and outbox.lost == 0


def test_after_a_wiped_redis_the_run_is_found_by_its_tag(field: Field) -> None:
    field.job("j")
    steps(outbox := field.outbox("j"), 1)
    field.sender().send_all()
    field.redis.flushall()
    field.job("j")
    steps(outbox, 2)
    field.sender().send_all()
    assert logged(field) == [1, 2]


# -- how it ends -----------------------------------------------------------------------------------------


def test_an_ended_jobs_outbox_goes_though_metrics_came_after_the_end(field: Field) -> None:
    field.job("j", DONE)
    outbox = field.outbox("j")
    outbox.append(end="FINISHED")
    steps(outbox, 1)
    outbox.close()
    field.sender().send_all()
    assert not (field.settings().outbox / "j").exists()
    assert logged(field) == [1] and field.run("j").info.status == "FINISHED"


def test_an_outbox_stays_while_its_writer_lives(field: Field) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1)
    sender.send_all()
    assert field.left()
    steps(outbox, 2)
    outbox.close()
    sender.send_all()
    assert not field.left() and logged(field) == [1, 2]


def killed_worker(field: Field, job: str) -> None:
    child = os.fork()
    if child == 0:
        steps(field.outbox(job), 1)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    ("state", "status"), [(DONE, "FINISHED"), (DEAD, "FAILED"), (CANCELLED, "KILLED"), (WAITING, "RUNNING")]
)
def test_the_run_of_a_dead_worker_has_the_status_of_its_job(field: Field, state: str, status: str) -> None:
    field.job("j", state)
    killed_worker(field, "j")
    field.sender().send_all()
    assert field.run("j").info.status == status and logged(field) == [1] and not field.left()


def test_a_job_that_ends_unheard_has_its_run_ended(field: Field) -> None:
    """The worker died, and the job on another machine, or waiting for its next attempt."""
    field.job("j", WAITING, sweep=SWEEP)
    outbox, sender = field.outbox("j", sweep=SWEEP), field.sender()
    steps(outbox, 1)
    outbox.close()
    sender.send_all()
    assert sender.reconcile() == 0
    field.state("j", DEAD)
    assert sender.reconcile() == 2  # its own run and the sweep's
    assert field.run("j").info.status == "FAILED" and parents(field)[0].info.status == "FAILED"


def test_a_job_that_was_dropped_has_its_run_ended_and_a_strangers_runs_on(field: Field) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1)
    sender.send_all()
    experiment = field.run("j").info.experiment_id
    stranger = field.mlflow.real.create_run(experiment, tags={"job_id": "x", "surco_kind": "train"})
    field.redis.delete("surco:job:j")
    assert sender.reconcile() == 1
    assert field.run("j").info.status == "KILLED"
    assert field.mlflow.real.get_run(stranger.info.run_id).info.status == "RUNNING"


def test_one_sender_reconciles_at_a_time(field: Field) -> None:
    field.job("j", WAITING)
    outbox = field.outbox("j")
    steps(outbox, 1)
    outbox.close()
    one, two = field.sender("a"), field.sender("b")
    one.send_all()
    one.reconcile()
    field.state("j", DEAD)
    assert two.reconcile() == 0 and one.reconcile() == 1


def test_a_job_retried_while_its_end_is_told_goes_on(field: Field) -> None:
    """Forced: the ledger moves between the sender's look at it and MLflow's answer."""
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1)
    sender.send_all()
    field.state("j", CANCELLED)
    outbox.append(end="KILLED")
    outbox.close()
    field.mlflow.meanwhile("set_terminated", lambda: field.state("j", RUNNING))
    sender.send_all()
    assert field.run("j").info.status == "RUNNING" and not field.left()


def test_a_late_end_of_an_old_attempt_does_not_undo_the_new_ones(field: Field) -> None:
    field.job("j")
    old = field.outbox("j", "a")
    steps(old, 1)
    old.append(end="KILLED")  # cancelled on this machine, then retried and done on another
    old.close()
    new = field.outbox("j", "b")
    steps(new, 2)
    new.append(end="FINISHED")
    new.close()
    field.state("j", DONE)
    field.sender("b").send_all()
    field.sender("a").send_all()
    assert field.run("j").info.status == "FINISHED" and logged(field) == [1, 2]


def test_a_sweeps_run_ends_with_its_last_job(field: Field) -> None:
    for job in ("j", "s"):
        field.job(job, sweep=SWEEP)
    sender = field.sender()
    for job, on_sweep, status in (("s", True, "RUNNING"), ("j", False, "FINISHED")):
        outbox = field.outbox(job, sweep=SWEEP, on_sweep=on_sweep)
        field.state(job, DONE)
        outbox.append(end="FINISHED")
        outbox.close()
        sender.send_all()
        assert parents(field)[0].info.status == status
    assert len(field.mlflow.runs()) == 2  # what speaks on the sweep's run has none of its own


def test_a_ledger_that_is_away_loses_nothing(field: Field, valkey: PrivateValkey) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1)
    outbox.close()

    def gone(*args: Any, **kwargs: Any) -> Any:
        raise redis.ConnectionError("Connection refused")

    real = sender._shared.redis.get
    sender._shared.redis.get = gone
    sender.send_all()
    assert field.left()
    sender._shared.redis.get = real
    sender.send_all()
    assert not field.left() and logged(field) == [1]


def test_the_thread_outlives_whatever_is_raised(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    sender, rounds = field.sender(), []

    def fail() -> None:
        rounds.append(1)
        if len(rounds) == 3:
            sender.stop.set()
        raise ValueError("")

    monkeypatch.setattr(sender, "send_all", fail)
    monkeypatch.setattr(sender_module, "FLUSH_SECONDS", 0.001)
    sender.start()
    sender.join(20)
    assert len(rounds) == 3


# -- what a person sees ------------------------------------------------------------------------------------


def test_the_sweeps_description_links_songs_page_and_report(field: Field, tmp_path: Path) -> None:
    field.job("g", DONE, sweep=SWEEP)
    field.job("s", DONE, sweep=SWEEP)
    made = field.outbox("g", sweep=SWEEP, kind="generate")
    told = field.outbox("s", sweep=SWEEP, kind="listen", on_sweep=True)
    for outbox, name, folder in ((made, "one.wav", "songs"), (told, "listen.html", "")):
        path = tmp_path / name
        path.write_bytes(b"x")
        outbox.append(artifact=outbox.keep(path), folder=folder)
        outbox.close()
    field.sender().send_all()
    (parent,), song = parents(field), field.run("g").info
    base = f"#/experiments/{song.experiment_id}/runs"
    assert parent.data.tags["mlflow.note.content"].splitlines() == [
        f"- [Listening page]({base}/{parent.info.run_id}/artifacts/listen.html?{VIEW})",
        f"- [Songs, 32]({base}/{song.run_id}/artifacts/songs?{VIEW})",
    ]
