"""The songs of a sweep or of one generate job: which there are, and their files fetched from the store."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.queue.client import Client
from services.queue.ledger import DONE, ENDED, Job
from services.results.fetch import artifact, done_record, jobs_of
from services.results.outcome import outcome
from surco.errors import InputError
from surco.files import safe_join

if TYPE_CHECKING:
    from surco.prior.song_report import MadeSong


@dataclass(frozen=True)
class Pulled:
    """A song, and its files here: sound, and a picture where one was drawn."""

    song: "MadeSong"
    files: list[Path]

    def to_json(self) -> dict[str, Any]:
        return {**json.loads(self.song.model_dump_json()), "files": [str(path) for path in self.files]}


def pull_songs(client: Client, which: str, out: Path) -> list[Pulled]:
    """Fetch the songs of a sweep or job into a folder of `out`; files that are there already stay.

    which : id or name of a sweep, or the beginning of a generate job's id; the newest sweep where empty

    Raises InputError where there is neither, where the job makes no songs, and where there are none yet.
    """
    name, made, wait = song_jobs(client, which)
    found: list[Pulled] = []
    taken: set[str] = set()
    for job in made:
        done = done_record(client, job)
        if done is None or "songs.json" not in done["artifacts"]:
            continue
        for song in _listed(client, job):
            wanted = [*song.files, *([song.picture] if song.picture else [])]
            last = f"-{job.id[:8]}" if song.name in taken else ""  # another job's song has its name
            taken.add(song.name)
            paths = []
            for file in wanted:
                own = Path(file)
                path = safe_join(out / name, f"{own.stem}{last}{own.suffix}", "song")
                if not path.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    artifact(client, job, file, path)
                paths.append(path)
            found.append(Pulled(song, paths))
    if not found:
        raise _none(name, made, wait)
    return found


def song_jobs(client: Client, which: str) -> tuple[str, list[Job], str]:
    """A folder's name and the generate jobs of a sweep, or the one job meant, and what follows them."""
    try:
        sweep = client.sweep(which)
    except InputError as unknown:
        if not which:
            raise
        try:
            job = client.job(which)
        except InputError as error:
            raise (error if str(error).startswith("Several") else unknown) from None
        if job.kind != "generate":
            raise InputError(f"Job {job.id[:12]} is a {job.kind}; name a generate job or a sweep.") from None
        return f"generate-{job.id[:8]}", [job], f"`surco show {job.id[:12]}` says how it stands"
    name = f"{sweep['name']}-{sweep['id'][:8]}"
    return name, jobs_of(client, sweep, "generate"), f"`surco watch {sweep['id']}` waits for them"


def _listed(client: Client, job: Job) -> "list[MadeSong]":
    from surco.prior.song_report import Songs

    with tempfile.TemporaryDirectory(prefix="surco-") as scratch:
        return Songs.load(artifact(client, job, "songs.json", Path(scratch) / "songs.json")).songs


def _none(name: str, made: list[Job], wait: str) -> InputError:
    """Why there are no songs, and what to do."""
    if made and all(job.state in ENDED for job in made):
        why = " ".join(outcome(made)) or "Its jobs are done and made none."
        lost = next((j.id[:12] for j in made if j.state != DONE), made[0].id[:12])
        return InputError(f"{name} has no songs. {why} See `surco show {lost}`.")
    return InputError(f"{name} has no songs yet; {wait}.")
