"""What is handed in: the pack, its manifest, the choice of the song."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from evidence_material import song

from jobs.graph import parse_sweep
from services.queue.client import Client
from services.results.hand_in import (
    choose_song,
    deliver,
    find_parts,
    notebook_parameters,
    pack,
    write_manifest,
)
from surco.errors import InputError
from surco.metrics.judge import Opinion


def folder(root: Path) -> Path:
    made = root / "work" / "tp4-g01"
    (made / "song").mkdir(parents=True)
    (made / "report-es.pdf").write_bytes(b"%PDF")
    (made / "song" / "a.flac").write_bytes(b"fLaC")
    return made


def test_manifest_names_every_file_by_checksum(tmp_path) -> None:
    made = folder(tmp_path)
    found = json.loads(write_manifest(made, {"sweep": "s", "command": "surco deliver"}).read_text())
    assert found["sha256"] == {
        "report-es.pdf": hashlib.sha256(b"%PDF").hexdigest(),
        "song/a.flac": hashlib.sha256(b"fLaC").hexdigest(),
    }
    assert found["command"] == "surco deliver"
    assert {"torch", "numpy"} <= set(found["versions"])


def test_pack_gives_folder_and_zip_alike_and_the_same_bytes_twice(tmp_path) -> None:
    made = folder(tmp_path)
    first = pack(made, tmp_path / "out")
    data = first.read_bytes()
    assert first.name == "tp4-g01.zip"
    with zipfile.ZipFile(first) as file:
        assert file.testzip() is None
        assert set(file.namelist()) == {"tp4-g01/report-es.pdf", "tp4-g01/song/a.flac"}
    assert (tmp_path / "out" / "tp4-g01" / "song" / "a.flac").read_bytes() == b"fLaC"
    (made / "song" / "a.flac").rename(made / "song" / "b.flac")
    pack(made, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out" / "tp4-g01" / "song").iterdir()] == ["b.flac"]
    (made / "song" / "b.flac").rename(made / "song" / "a.flac")
    assert pack(made, tmp_path / "out").read_bytes() == data
    assert not list((tmp_path / "out").glob("*.part"))


def heard(asked: float) -> Opinion:
    return Opinion("jazz", asked, asked, True)


def test_song_is_drawn_no_copy_and_most_in_style() -> None:
    songs = [
        song("edited", sources=["x"], copies=[], style=heard(0.9)),
        song("copied", sources=[], copies=["y"], style=heard(0.95)),
        song("vague", sources=[], copies=[], style=heard(0.2)),
        song("good", sources=[], copies=[], style=heard(0.6)),
    ]
    assert choose_song(songs).name == "good"
    assert choose_song(songs[:2]).name == "copied"
    assert choose_song([songs[2].model_copy(update={"style": None})]).name == "vague"


@pytest.mark.parametrize(("group", "lang", "words"), [("one", "es", "--group"), ("01", "fr", "'fr'")])
def test_bad_arguments_are_refused_before_anything_is_asked(tmp_path, group, lang, words) -> None:
    with pytest.raises(InputError, match=words):
        deliver(None, {}, group=group, lang=lang, out=tmp_path)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_notebook_is_given_the_music_that_was_learnt_and_how_it_was_cut(queue: Client) -> None:
    asked = parse_sweep(
        {
            "name": "handin",
            "sizes": [64],
            "study": [64],
            "dataset": "demo",
            "outside": "demo-outside",
            "prepare": {"clips_per_track": 2},
            "report": {"language": "es"},
        }
    )
    sweep = queue.sweep(queue.submit_sweep(asked))
    for job in queue.ledger.many(sweep["jobs"]):
        queue.ledger.finish(job.id, {"songs": [1], "size": 64} if job.kind == "generate" else {})
    for order in (sweep["jobs"], sweep["jobs"][::-1]):
        parts = find_parts(queue, {**sweep, "jobs": order}, "es")
        told = notebook_parameters(parts["prepare"], parts["generate"], song("a", genre="jazz"), queue)
        assert told["DATASET"] == "demo"
        assert told["OPTIONS"] == {"clips_per_track": 2, "seed": 0}
        assert (told["SIZE"], told["GENRE"]) == (64, "jazz")
