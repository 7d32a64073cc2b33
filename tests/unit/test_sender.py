"""From outboxes to MLflow: nothing lost, nothing twice, whatever fails at whatever moment.

The store is MLflow's own on SQLite, the ledger's server a real Valkey; `tests.mlflow_store` loses requests
and answers, and runs other senders in the middle of a call.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.tracking import delivery as delivery_module
from services.tracking.attempts import ENTRIES
from tests.mlflow_store import FaultyClient, with_metrics
from tests.tracking_field import Field, logged, steps

# -- points ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [FaultyClient.lose_request, FaultyClient.lose_answer])
def test_a_batch_that_failed_is_sent_again_and_once(field: Field, fault: Callable[..., None]) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1, 2, 3, 4, 5)
    outbox.close()
    fault(field.mlflow, "log_batch", with_metrics)
    sender.send_all()
    assert field.left()  # not acknowledged: it failed
    sender.send_all()
    assert logged(field) == [1, 2, 3, 4, 5] and not field.left()


def test_what_a_lost_answer_left_is_read_back_and_not_sent(field: Field) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1, 2, 3)
    field.mlflow.lose_answer("log_batch", with_metrics)
    sender.send_all()
    before = field.mlflow.calls["log_batch"]
    sender.send_all()
    assert field.mlflow.calls["log_batch"] == before  # there was nothing left to send
    steps(outbox, 3, 4)
    sender.send_all()
    assert logged(field) == [1, 2, 3, 4]


def test_steps_that_a_resumed_attempt_does_again_are_told_once(field: Field) -> None:
    field.job("j")
    first, sender = field.outbox("j"), field.sender()
    steps(first, 1, 2, 3)
    sender.send_all()
    first.close()
    second = field.outbox("j")
    steps(second, 2, 3, 4, value=9.0)
    field.sender().send_all()  # a sender that has seen nothing of it
    assert sorted(field.mlflow.points(field.run("j"), "loss")) == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 9.0)]


def test_a_long_history_is_read_to_its_end(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking._tracking_service import client as pages

    monkeypatch.setattr(pages, "GET_METRIC_HISTORY_MAX_RESULTS", 3)
    field.job("j")
    first = field.outbox("j")
    steps(first, *range(20))
    field.sender().send_all()
    steps(field.outbox("j"), *range(21), value=9.0)
    field.sender().send_all()
    assert logged(field) == list(range(21))


def test_more_points_than_one_request_takes(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "MOST_POINTS", 100)
    field.job("j")
    outbox = field.outbox("j")
    outbox.append(metrics={f"m{i}": 1.0 for i in range(120)}, step=1)
    steps(outbox, *range(1050))  # also more than the sender reads at once
    outbox.close()
    field.sender().send_all()
    assert logged(field) == list(range(1050)) and not field.left()
    assert len(field.run("j").data.metrics) == 121
    assert field.mlflow.calls["log_batch"] >= 12


def test_two_machines_with_the_same_job_double_no_point(field: Field) -> None:
    """The second sends in the middle of the first: it has to wait, and then reads what is there."""
    field.job("j")
    one, two = field.sender("a"), field.sender("b", FaultyClient(field.folder, same_as=field.mlflow))
    steps(old := field.outbox("j", "a"), 1, 2, 3)
    steps(new := field.outbox("j", "b"), 2, 3, 4, value=9.0)
    field.mlflow.meanwhile("log_batch", two.send_all, with_metrics)
    one.send_all()
    assert logged(field) == [1, 2, 3]
    for outbox in (old, new):
        outbox.close()
    for _ in range(2):
        one.send_all()
        two.send_all()
    assert logged(field) == [1, 2, 3, 4] and not field.left("a") and not field.left("b")


def test_a_sender_whose_turn_passed_forgets_what_it_had_read(field: Field) -> None:
    field.job("j")
    one, two = field.sender("a"), field.sender("b", FaultyClient(field.folder, same_as=field.mlflow))
    steps(old := field.outbox("j", "a"), 1)
    one.send_all()  # it has read the run's history now
    field.redis.delete("surco:tracking:turn:j")  # frozen for longer than its turn
    steps(new := field.outbox("j", "b"), 2, 3)
    new.close()
    two.send_all()
    steps(old, 2, 3)
    one.send_all()
    assert logged(field) == [1, 2, 3]


def test_two_processes_of_one_machine_send_an_outbox_once(field: Field) -> None:
    field.job("j")
    outbox = field.outbox("j")
    steps(outbox, 1, 2)
    outbox.close()
    other = field.sender("a", FaultyClient(field.folder, same_as=field.mlflow))
    field.mlflow.meanwhile("log_batch", other.send_all, with_metrics)
    field.sender().send_all()
    other.send_all()
    assert logged(field) == [1, 2] and not field.left()


# -- lines that are none, and what MLflow refuses --------------------------------------------------------


def test_a_torn_line_blocks_neither_its_job_nor_another(field: Field) -> None:
    for job in ("j", "k"):
        field.job(job)
    outbox, other = field.outbox("j"), field.outbox("k")
    steps(outbox, 1)
    assert outbox.root is not None
    with (outbox.root / ENTRIES).open("ab") as file:
        file.write(b'{"t": 1, "metr\nno json\n\0\0\n')
    steps(outbox, 2)
    steps(other, 1)
    for one in (outbox, other):
        one.close()
    field.sender().send_all()
    assert logged(field, "j") == [1, 2] and logged(field, "k") == [1] and not field.left()
    assert "no json" in (field.settings().home / "outbox-aside" / "j.txt").read_text()


def test_a_job_that_cannot_be_carried_keeps_no_other_from_it(field: Field) -> None:
    for job in ("j", "k"):
        field.job(job)
        steps(box := field.outbox(job), 1)
        box.close()
    for _ in range(3):
        field.mlflow.lose_request("log_batch", lambda run, **k: with_metrics(**k) and run == field_run())

    def field_run() -> str:
        return str(field.run("j").info.run_id)

    field.sender().send_all()
    assert logged(field, "j") == [] and logged(field, "k") == [1]


def test_what_mlflow_refuses_for_good_is_put_aside(field: Field, tmp_path: Path) -> None:
    field.job("j")
    outbox = field.outbox("j")
    song = tmp_path / "song.wav"
    song.write_bytes(b"sound")
    outbox.append(metrics={"loss": 1.0, "no such* name": 2.0}, step=1)
    outbox.append(params={"size": "32"})
    outbox.append(params={"size": "64", "more": "1"})  # a parameter never changes
    outbox.append(artifact=outbox.keep(song), folder="audio")
    assert outbox.root is not None
    (outbox.root / "files" / "00001" / "song.wav").unlink()
    steps(outbox, 2)
    outbox.close()
    field.sender().send_all()
    assert logged(field) == [1, 2] and not field.left()
    assert field.run("j").data.params == {"size": "32", "more": "1"}
    kept = (field.settings().home / "outbox-aside" / "j.txt").read_text()
    assert "no such*" in kept and "song.wav" in kept


def test_an_outbox_without_its_head_is_kept_whole_and_out_of_the_way(field: Field) -> None:
    for job in ("j", "k"):
        field.job(job)
    outbox, other = field.outbox("j"), field.outbox("k")
    assert outbox.root is not None
    (outbox.root / "head.json").write_text("{")
    for one in (outbox, other):
        steps(one, 1)
        one.close()
    field.sender().send_all()
    assert logged(field, "k") == [1] and not field.left()
    assert list((field.settings().home / "outbox-aside").rglob(ENTRIES))


def test_a_run_that_a_user_deleted_is_made_anew(field: Field) -> None:
    field.job("j")
    outbox, sender = field.outbox("j"), field.sender()
    steps(outbox, 1)
    sender.send_all()
    field.mlflow.real.delete_run(field.run("j").info.run_id)
    steps(outbox, 2)
    outbox.close()
    sender.send_all()
    sender.send_all()
    assert logged(field) == [2] and not field.left()
