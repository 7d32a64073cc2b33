"""What a sweep leaves for its user, fetched from the store."""

from pathlib import Path
from typing import Any

from jobs.spec import JobSpec
from services.queue.client import Client
from services.queue.ledger import DONE, Job
from surco.errors import InputError


def jobs_of(client: Client, sweep: dict[str, Any], kind: str) -> list[Job]:
    """The sweep's jobs of a kind, in the order of its sizes."""
    return [j for j in client.ledger.many(sweep["jobs"]) if j.kind == kind]


def done_job(client: Client, sweep: dict[str, Any], kind: str) -> Job:
    """The sweep's one job of a kind; refused while it is not done."""
    found = jobs_of(client, sweep, kind)
    if not found:
        raise InputError(f"Sweep {sweep['name']} has no {kind} job.")
    if found[-1].state != DONE:
        raise InputError(
            f"The {kind} of sweep {sweep['name']} is {found[-1].state}; "
            f"`surco watch {sweep['id']}` waits for it."
        )
    return found[-1]


def artifact(client: Client, job: Job, name: str, target: Path) -> Path:
    """Fetch one published file of a done job."""
    import json

    done = json.loads(client.store.get_bytes(f"jobs/{job.id}/DONE.json") or b"{}")
    if name not in done.get("artifacts", []):
        raise InputError(f"Job {job.kind} {job.id[:12]} has no file {name}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    client.store.get(f"{done['prefix']}/{name}", target)
    return target


def collection(sweep: dict[str, Any]) -> str:
    """Name under which a sweep's songs stand in the store, `songs/<collection>/`."""
    return f"{sweep['name']}-{sweep['id'][:8]}"


def pull_songs(client: Client, sweep: dict[str, Any], out: Path) -> list[Path]:
    """Fetch every song of a sweep into `out`; those that are there already stay."""
    prefix = f"songs/{collection(sweep)}/"
    keys = client.store.keys(prefix)
    if not keys:
        raise InputError(
            f"Sweep {sweep['name']} has no songs yet; `surco watch {sweep['id']}` waits for them."
        )
    found = []
    for key in keys:
        path = out / collection(sweep) / key.removeprefix(prefix)
        if not path.exists():
            client.store.get(key, path)
        found.append(path)
    return found


def pull_page(client: Client, sweep: dict[str, Any], out: Path) -> Path:
    """Fetch a sweep's listening page."""
    return artifact(client, done_job(client, sweep, "listen"), "listen.html", out)


def report_spec(client: Client, sweep: dict[str, Any], *, lang: str, scores: list[Path]) -> JobSpec:
    """The spec of a report on a sweep in a language, with the results of blind tests if given."""
    from jobs.report import spec_of

    listed = [(j.kind, j.id, j.spec) for j in client.ledger.many(sweep["jobs"])]
    return spec_of(sweep["name"], listed, lang=lang, scores=[p.read_text(encoding="utf-8") for p in scores])
