"""The outbox: entries survive, are taken once, and a half-written line is no entry."""

from pathlib import Path

from services.tracking.outbox import Outbox


def test_entries_are_taken_once_and_in_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    for step in range(3):
        outbox.append(metrics={"loss": 1.0}, step=step)
    found = list(outbox.entries())
    assert [entry["step"] for _, entry in found] == [0, 1, 2]
    outbox.take(found[1][0])
    assert [entry["step"] for _, entry in Outbox(tmp_path / "outbox").entries()] == [2]


def test_a_half_written_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    outbox.append(tags={"a": "b"})
    path = outbox.root / "entries.jsonl"
    with path.open("a") as file:
        file.write('{"t": 1, "metr')
    assert len(list(outbox.entries())) == 1
    with path.open("a") as file:
        file.write('ics": {}, "step": 0}\n')
    assert len(list(outbox.entries())) == 2


def test_files_are_kept_though_the_original_goes(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    names = []
    for text in ("one", "two"):
        path = tmp_path / "song.wav"
        path.write_text(text)
        names.append(outbox.keep(path))
        path.unlink()
    assert [(outbox.root / name).read_text() for name in names] == ["one", "two"]


def test_one_process_flushes_at_a_time(tmp_path: Path) -> None:
    one, two = Outbox(tmp_path / "outbox"), Outbox(tmp_path / "outbox")
    with one.flushing() as mine, two.flushing() as theirs:
        assert mine and not theirs
    with two.flushing() as mine:
        assert mine
