"""Songs fetched by job or sweep: their files, pictures and names, and what is no job of songs."""

from pathlib import Path
from typing import Any

import evidence_material
import pytest

from jobs.context import Context
from jobs.graph import parse_sweep
from jobs.local import FolderTracker
from services.queue.client import Client
from services.queue.ledger import Job
from services.results.songs import pull_songs
from surco.errors import InputError
from surco.prior.song_report import Songs

SWEEP: dict[str, Any] = {"sizes": [64, 128], "prior": False}


def publish(queue: Client, folder: Path, job: Job, names: list[str]) -> None:
    """What a worker leaves of a generate job whose songs have these names."""
    tracker = FolderTracker(folder / "tracking")
    context = Context(job.id, queue.store, tracker, folder / job.id[:8])
    (context.out / "songs").mkdir(parents=True)
    songs = [evidence_material.song(name, picture=f"songs/{name}.png", key="A minor") for name in names]
    Songs(size=512, songs=songs).save(context.out / "songs.json")
    for name in names:
        for suffix in ("wav", "png"):
            (context.out / "songs" / f"{name}.{suffix}").write_bytes(f"{job.id} {name}".encode())
    context.publish({})


def test_songs_of_a_sweep_or_job_come_with_their_pictures_and_none_hides_another(
    queue: Client, tmp_path: Path
) -> None:
    sweeps = [
        queue.sweep(queue.submit_sweep(parse_sweep({**SWEEP, "name": f"at-{size}", "study": [size]})))
        for size in SWEEP["sizes"]
    ]
    made = [j for s in sweeps for j in queue.ledger.many(s["jobs"]) if j.kind == "generate"]
    queue.ledger.add_sweep("2" * 8, "two", {}, [job.id for job in made])
    publish(queue, tmp_path, made[0], ["a", "b"])
    publish(queue, tmp_path, made[1], ["a"])
    found = pull_songs(queue, "two", tmp_path / "songs")
    assert [p.song.title for p in found] == ["A", "B", "A"]
    assert [f.name for p in found for f in p.files] == [
        "a.wav", "a.png", "b.wav", "b.png", f"a-{made[1].id[:8]}.wav", f"a-{made[1].id[:8]}.png",
    ]  # fmt: skip
    assert found[2].files[0].read_text() == f"{made[1].id} a"
    told = found[0].to_json()
    assert told["key"] == "A minor" and told["files"] == [str(f) for f in found[0].files]
    (alone,) = pull_songs(queue, made[1].id[:10], tmp_path / "one")
    assert alone.files[0] == tmp_path / "one" / f"generate-{made[1].id[:8]}" / "a.wav"
    with pytest.raises(InputError, match="is a prepare; name a generate job or a sweep"):
        pull_songs(queue, sweeps[0]["jobs"][0], tmp_path)
    with pytest.raises(InputError, match="No sweep 'none'"):
        pull_songs(queue, "none", tmp_path)
