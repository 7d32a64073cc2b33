"""`make weights`: parts in chunks, each going on where the one before it stopped."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.chunks import Chunk, minutes_left, told
from benchmarks.weights import CHUNK, Part, left, parts, remake

TOY = """
from pathlib import Path
from benchmarks.chunks import Chunk, told
folder = Path({folder!r})
chunk = Chunk(folder, 3, 0)
done = told(folder)["done"] + 1
chunk.tell(done)
if done == 3:
    (folder / "made").touch()
"""


def toy(out: Path, name: str) -> Part:
    return Part(name, ["-c", TOY.format(folder=str(out / name))], "made", 5)


def test_chunks_go_on_until_every_part_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = [toy(tmp_path, "one"), toy(tmp_path, "two")]
    assert not remake(wanted, tmp_path, chunks=2)
    assert told(tmp_path / "one")["done"] == 2 and not (tmp_path / "two").exists()
    assert "2 of 3 done" in capsys.readouterr().out
    assert remake(wanted, tmp_path)
    assert told(tmp_path / "two")["done"] == 3
    assert remake(wanted, tmp_path, chunks=0)  # nothing left to do


def test_a_part_that_fails_ends_it(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        remake([Part("bad", ["-c", "raise SystemExit(3)"], "made", 1)], tmp_path)


def test_the_time_left_follows_from_the_pace_so_far(tmp_path: Path) -> None:
    assert minutes_left(tmp_path) is None
    (tmp_path / "progress.json").write_text('{"done": 25, "total": 100, "seconds": 600}')
    assert minutes_left(tmp_path) == 30
    chunk = Chunk(tmp_path, 100, minutes=None)
    chunk.tell(50)
    assert told(tmp_path)["seconds"] >= 600 and not chunk.over()
    assert "50 of 100" in left(Part("x", [], "made", 1), tmp_path)


def test_every_part_names_a_script_that_takes_its_options() -> None:
    wanted = parts(Path("out"), Path("corpus"), "cpu")
    assert [part.name for part in wanted] == ["music", "codec", "vocoder", "listener", "texture", "pack"]
    assert CHUNK < 10
    for part in wanted:
        source = Path(*part.command[1].split(".")).with_suffix(".py").read_text()
        for option in (word for word in part.command if word.startswith("--")):
            assert f'"{option}"' in source
