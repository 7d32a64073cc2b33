"""The outbox: entries survive, are taken once, and what is no entry blocks nothing."""

import errno
import fcntl
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from services.tracking import outbox as outbox_module
from services.tracking.attempts import ENTRIES, Attempt, aside, attempts, parse
from services.tracking.outbox import Outbox

HEAD = {"job": "j", "kind": "noop", "sweep": "", "label": "", "sweep_name": "", "on_sweep": False}


def written(folder: Path, *lines: dict[str, Any]) -> tuple[Outbox, Attempt]:
    outbox = Outbox(folder / "outbox" / "j", HEAD)
    for line in lines:
        outbox.append(**line)
    assert outbox.root is not None
    return outbox, Attempt(outbox.root)


def test_entries_are_taken_once_and_in_order(tmp_path: Path) -> None:
    _, attempt = written(tmp_path, *({"metrics": {"loss": 1.0}, "step": step} for step in range(3)))
    found = attempt.entries(over=False)
    assert [entry.step for _, entry in found] == [0, 1, 2]
    attempt.take(found[1][0])
    assert [entry.step for _, entry in Attempt(attempt.root).entries(over=False)] == [2]


def test_a_last_line_without_its_end_waits_while_the_writer_lives(tmp_path: Path) -> None:
    _, attempt = written(tmp_path, {"tags": {"a": "b"}})
    with (attempt.root / ENTRIES).open("a") as file:
        file.write('{"t": 1, "metr')
        file.flush()
        assert len(attempt.entries(over=False)) == 1
        file.write('ics": {"a": 1}, "step": 0}\n')
    assert len(attempt.entries(over=False)) == 2


def test_what_is_no_entry_is_put_aside_with_its_reason_and_blocks_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, attempt = written(tmp_path, {"tags": {"before": "1"}})
    with (attempt.root / ENTRIES).open("ab") as file:
        file.write(b'{"t": 1, "metr\n\0\0\0\n[]\n{"t": 1}\n{"t": 1, "artifact": "files/../../../x"}\n')
        file.write(b"[" * 100_000 + b"\n")
    outbox.append(tags={"after": "1"})
    outbox.close()
    with (attempt.root / ENTRIES).open("ab") as file:
        file.write(b'{"t": 1, "tags": {"torn"')
    told = []
    with caplog.at_level(logging.WARNING):
        while found := attempt.entries(over=True):
            told += [entry.tags for _, entry in found]
            attempt.take(found[-1][0])
    assert told == [{"before": "1"}, {"after": "1"}]
    kept = (aside(attempt.root) / "j.txt").read_text()
    assert '{"t": 1, "metr' in kept and '"torn"' in kept and "../../../x" in kept
    assert sum("put aside" in record.message for record in caplog.records) == 7


def test_files_are_kept_though_the_original_goes(tmp_path: Path) -> None:
    outbox, attempt = written(tmp_path)
    names = []
    for text in ("one", "two"):
        path = tmp_path / "song.wav"
        path.write_text(text)
        names.append(outbox.keep(path))
        path.unlink()
    assert [(attempt.root / name).read_text() for name in names] == ["one", "two"]


def test_one_process_sends_at_a_time(tmp_path: Path) -> None:
    _, one = written(tmp_path)
    two = Attempt(one.root)
    with one.alone() as mine, two.alone() as theirs:
        assert mine and not theirs
    with two.alone() as mine:
        assert mine


def test_a_writer_lives_until_it_closes_or_dies(tmp_path: Path) -> None:
    outbox, attempt = written(tmp_path)
    assert attempt.writer_lives()
    outbox.close()
    assert not attempt.writer_lives()
    child = os.fork()
    if child == 0:  # a worker that is killed with its outbox open
        Outbox(tmp_path / "outbox" / "k", HEAD).append(tags={"a": "b"})
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    (killed,) = attempts(tmp_path / "outbox" / "k")
    assert not killed.writer_lives() and len(killed.entries(over=True)) == 1


def test_removing_an_attempt_leaves_the_next_ones_writes(tmp_path: Path) -> None:
    """Each attempt has its own folder, so there is nothing that both could touch."""
    first, attempt = written(tmp_path)
    first.close()
    second, _ = written(tmp_path, {"tags": {"second": "1"}})
    attempt.remove()
    second.append(tags={"more": "1"})
    (left,) = attempts(tmp_path / "outbox" / "j")
    assert [entry.tags for _, entry in left.entries(over=False)] == [{"second": "1"}, {"more": "1"}]


def test_the_last_removal_takes_the_folder_that_a_writer_is_about_to_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, attempt = written(tmp_path)
    first.close()
    real, removed = outbox_module.secrets.token_hex, []

    def between(size: int) -> str:  # the writer has seen the job's folder, and not yet made its own
        if not removed:
            removed.append(attempt.remove())
            assert not attempt.root.parent.exists()
        return real(size)

    monkeypatch.setattr(outbox_module.secrets, "token_hex", between)
    second, found = written(tmp_path, {"tags": {"second": "1"}})
    assert removed and second.lost == 0 and len(found.entries(over=False)) == 1


def test_no_attempt_is_seen_before_its_writer_holds_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = fcntl.flock, []

    def look(file: Any, how: int) -> None:
        seen.append(attempts(tmp_path / "outbox" / "j"))
        real(file, how)

    monkeypatch.setattr(outbox_module.fcntl, "flock", look)
    _outbox = written(tmp_path)
    monkeypatch.undo()
    assert seen == [[]]
    (attempt,) = attempts(tmp_path / "outbox" / "j")
    assert attempt.writer_lives()


def test_a_removal_cut_short_is_finished_and_not_read(tmp_path: Path) -> None:
    outbox, attempt = written(tmp_path, {"tags": {"a": "b"}})
    outbox.close()
    attempt.root.rename(attempt.root.with_name(f".gone-{attempt.root.name}"))
    assert attempts(tmp_path / "outbox" / "j") == []
    assert list((tmp_path / "outbox" / "j").iterdir()) == []


class FullDisk:
    """`FileIO.write` of a disk that takes half a line and then nothing, for as long as `full`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.full = True
        real = outbox_module.FileIO
        disk = self

        class File(real):  # type: ignore[misc, valid-type]
            def write(self, data: bytes) -> int:
                if not disk.full:
                    return int(super().write(data))
                if len(data) > 20:
                    return int(super().write(data[: len(data) // 2]))
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(outbox_module, "FileIO", File)


def test_a_full_disk_costs_entries_and_never_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = FullDisk(monkeypatch)
    disk.full = False
    outbox, attempt = written(tmp_path, {"tags": {"before": "1"}})
    disk.full = True
    with caplog.at_level(logging.WARNING):
        assert [outbox.append(metrics={"loss": 1.0}, step=i) for i in range(3)] == [False] * 3
    assert outbox.lost == 3
    assert len([r for r in caplog.records if "takes nothing" in r.message]) == 1  # told once
    disk.full = False
    outbox.append(tags={"after": "1"})  # no half line stands before it
    outbox.close()
    told = [entry.tags for _, entry in attempt.entries(over=True)]
    assert told == [{"before": "1"}, {"after": "1"}, {"outbox_entries_lost": "3"}]


def test_a_disk_that_is_full_from_the_start_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.write_text

    def full(path: Path, *args: Any, **kwargs: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    outbox = Outbox(tmp_path / "outbox" / "j", HEAD)
    song = tmp_path / "song.wav"
    song.write_bytes(b"sound")
    assert not outbox.append(tags={"lost": "1"}) and outbox.keep(song) == ""
    assert list((tmp_path / "outbox" / "j").iterdir()) == []
    monkeypatch.setattr(Path, "write_text", real)
    assert outbox.append(tags={"kept": "1"}) and outbox.keep(song)
    assert outbox.lost == 3
    (attempt,) = attempts(tmp_path / "outbox" / "j")
    assert attempt.head.job == "j" and len(attempt.entries(over=False)) == 1


def test_nothing_comes_after_the_end_though_a_thread_goes_on(tmp_path: Path) -> None:
    outbox, attempt = written(tmp_path)
    going, closed = threading.Event(), threading.Event()

    def measure() -> None:
        while not closed.is_set():
            outbox.append(metrics={"system/x": 1.0}, step=1)
            going.set()
        assert not outbox.append(metrics={"system/x": 1.0}, step=2)

    thread = threading.Thread(target=measure)
    thread.start()
    going.wait(10)
    outbox.append(end="FINISHED")
    outbox.close()
    size = (attempt.root / ENTRIES).stat().st_size
    closed.set()
    thread.join(10)
    assert (attempt.root / ENTRIES).stat().st_size == size


def test_an_entry_tells_exactly_one_thing() -> None:
    assert parse(b'{"t": 1, "metrics": {"a": NaN}, "step": 2}\n').metrics is not None
    for line in ('{"t": 1, "tags": {}, "params": {}}', '{"t": 1, "end": "DONE"}', '{"t": 1, "new": 1}'):
        with pytest.raises(ValueError):
            parse(line.encode())
    with pytest.raises(ValueError):
        parse(json.dumps({"t": 1, "model": "/etc/passwd"}).encode())
