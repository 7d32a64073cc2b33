"""What is not there is told as it is: the cause of a skipped job, and songs that will never come."""

import json
from pathlib import Path

import pytest

from jobs.graph import parse_sweep
from jobs.kinds import parse_spec
from jobs.local import local_context
from jobs.report import evidence
from jobs.spec import canonical, job_id
from services.queue.client import Client
from services.results.fetch import done_job
from services.results.songs import pull_songs
from surco.errors import InputError


def test_the_report_tells_dead_from_skipped_and_names_the_cause(tmp_path: Path) -> None:
    context = local_context(tmp_path, "f" * 64)
    train = parse_spec("train", {"dataset": "d" * 64, "size": 64})
    dead = job_id("train", train)
    embed = parse_spec("embed", {"codec": dead, "dataset": "d" * 64})
    between = job_id("embed", embed)
    cluster = parse_spec("cluster", {"vectors": between, "dataset": "d" * 64})
    skipped = job_id("cluster", cluster)
    for kind, spec, job in (("train", train, dead), ("embed", embed, between), ("cluster", cluster, skipped)):
        record = canonical({"kind": kind, "spec": spec.model_dump(mode="json")})
        context.store.put_bytes(f"jobs/{job}/spec.json", record)
    end = json.dumps({"state": "dead", "reason": "no room on the disk"}).encode()
    context.store.put_bytes(f"jobs/{dead}/ENDED.json", end)
    spec = parse_spec(
        "report", {"sizes": [64], "jobs": {"train": [dead], "cluster": [skipped], "edits": [None]}}
    )
    told = {job.kind: job for job in evidence(spec, context).jobs}
    assert (told["train"].state, told["train"].reason) == ("dead", "no room on the disk")
    assert (told["cluster"].state, told["cluster"].cause) == ("skipped", dead)
    assert told["cluster"].reason == "no room on the disk" and "edits" not in told


def test_songs_that_will_never_come_are_not_waited_for(queue: Client) -> None:
    sweep = queue.sweep(queue.submit_sweep(parse_sweep({"sizes": [64], "study": [64], "prior": False})))
    with pytest.raises(InputError, match=r"no songs yet; `surco watch"):
        pull_songs(queue, sweep["id"], Path("songs"))
    jobs = queue.ledger.many(sweep["jobs"])
    queue.cancel_many([j.id for j in jobs][::-1])
    with pytest.raises(
        InputError, match=r"has no songs\. The generate job .*cancelled.*`surco show"
    ) as refused:
        pull_songs(queue, sweep["id"], Path("songs"))
    assert "waits" not in str(refused.value)
    with pytest.raises(InputError, match=r"The listen job .*is cancelled.*`surco retry"):
        done_job(queue, sweep, "listen")
