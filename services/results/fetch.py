"""What a sweep leaves for its user, fetched from the store."""

from pathlib import Path
from typing import Any

from jobs.done import parse_done
from jobs.kinds import ask_spec
from jobs.spec import JobSpec
from services.queue.client import Client
from services.queue.ledger import DONE, ENDED, Job
from services.results.outcome import outcome
from surco.errors import InputError
from surco.files import regular_file


def jobs_of(client: Client, sweep: dict[str, Any], kind: str) -> list[Job]:
    """The sweep's jobs of a kind, in the order of its sizes."""
    return [j for j in client.ledger.many(sweep["jobs"]) if j.kind == kind]


def done_job(client: Client, sweep: dict[str, Any], kind: str) -> Job:
    """The sweep's one job of a kind; refused while it is not done."""
    found = jobs_of(client, sweep, kind)
    if not found and client.ledger.grows(sweep["id"]):
        raise InputError(
            f"The {kind} of sweep {sweep['name']} comes in its second round; "
            f"`surco watch {sweep['id']}` waits for it."
        )
    if not found:
        raise InputError(f"Sweep {sweep['name']} has no {kind} job.")
    if found[-1].state in ENDED and found[-1].state != DONE:
        raise InputError(f"{outcome(found)[0]} `surco retry {found[-1].id[:12]}` runs it again.")
    if found[-1].state != DONE:
        raise InputError(
            f"The {kind} of sweep {sweep['name']} is {found[-1].state}; "
            f"`surco watch {sweep['id']}` waits for it."
        )
    return found[-1]


def done_record(client: Client, job: Job) -> dict[str, Any] | None:
    """What DONE.json of a job says; None while there is none."""
    data = client.store.get_bytes(f"jobs/{job.id}/DONE.json")
    return None if data is None else parse_done(job.id, data)


def files_of(client: Client, job: Job) -> list[str]:
    """Names of what a done job published; none while it is not done."""
    done = done_record(client, job)
    return [] if done is None else sorted(done["artifacts"])


def artifact(client: Client, job: Job, name: str, target: Path) -> Path:
    """Fetch one published file of a done job."""
    done = done_record(client, job)
    if done is None or name not in done["artifacts"]:
        raise InputError(f"Job {job.kind} {job.id[:12]} has no file {name}.")
    target.parent.mkdir(parents=True, exist_ok=True)
    client.store.get(f"{done['prefix']}/{name}", target)
    return target


def pull_page(client: Client, sweep: dict[str, Any], out: Path) -> Path:
    """Fetch a sweep's listening page."""
    return artifact(client, done_job(client, sweep, "listen"), "listen.html", out)


def report_spec(
    client: Client, sweep: dict[str, Any], *, lang: str, scores: list[Path],
    front: dict[str, str] | None = None,
) -> JobSpec:  # fmt: skip
    """The spec of a report on a sweep in a language, with the results of blind tests if given.

    `front` holds what the front page says: group, authors, course and date, any of them.
    """
    own = jobs_of(client, sweep, "report")
    if not own:
        raise InputError(f"Sweep {sweep['name']} has no report to take after; submit the sweep again.")
    texts = [_text(path) for path in scores]
    return ask_spec("report", {**own[-1].spec, "language": lang, "scores": texts, **(front or {})})


def _text(path: Path) -> str:
    try:
        return regular_file(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8; give the file that the page saved.") from None
