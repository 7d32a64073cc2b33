"""The spool: entries survive, are taken once, and a half-written line is no entry."""

from pathlib import Path

from services.spool import Spool


def test_entries_are_taken_once_and_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    for step in range(3):
        spool.append(metrics={"loss": 1.0}, step=step)
    found = list(spool.entries())
    assert [entry["step"] for _, entry in found] == [0, 1, 2]
    spool.take(found[1][0])
    assert [entry["step"] for _, entry in Spool(tmp_path / "spool").entries()] == [2]


def test_a_half_written_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(tags={"a": "b"})
    path = spool.root / "entries.jsonl"
    with path.open("a") as file:
        file.write('{"t": 1, "metr')
    assert len(list(spool.entries())) == 1
    with path.open("a") as file:
        file.write('ics": {}, "step": 0}\n')
    assert len(list(spool.entries())) == 2


def test_files_are_kept_though_the_original_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    names = []
    for text in ("one", "two"):
        path = tmp_path / "song.wav"
        path.write_text(text)
        names.append(spool.keep(path))
        path.unlink()
    assert [(spool.root / name).read_text() for name in names] == ["one", "two"]


def test_one_process_flushes_at_a_time(tmp_path: Path) -> None:
    one, two = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    with one.flushing() as mine, two.flushing() as theirs:
        assert mine and not theirs
    with two.flushing() as mine:
        assert mine
