"""Typeset a sweep's report from what its jobs stored, with the code of this checkout and without a worker.

    python -m benchmarks.report_pages [SWEEP] --out folder [--lang en --lang es] [--dpi 60]

To look at a change of texts or figures on a real sweep: no job runs again and none is handed in. With `--dpi`
every page is also drawn as a picture, by Poppler's pdftoppm.
"""

import argparse
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

from jobs import report
from jobs.context import Context
from jobs.local import FolderTracker
from services.queue.client import Client
from services.results.fetch import jobs_of
from services.settings import load_settings


def spec_of(client: Client, sweep: dict[str, Any], **given: Any) -> report.Spec:
    """The sweep's own report, or while it has none, one of the jobs that there are by now."""
    own = jobs_of(client, sweep, "report")
    if own:
        return report.ask(**{**own[-1].spec, **given})
    found = client.ledger.many(sweep["jobs"])
    sizes = sorted({int(j.label) for j in found if j.label.isdigit()})
    by_kind: dict[str, dict[int, str]] = defaultdict(dict)
    for job in found:
        if job.label.isdigit():
            by_kind[job.kind][int(job.label)] = job.id
    alone = {job.kind: job.id for job in found if not job.label.isdigit()}
    return report.ask(
        name=sweep["name"],
        sizes=sizes,
        dataset=next((j.id for j in found if j.kind == "prepare" and j.label != "outside"), None),
        choose=alone.get("choose"),
        summary=alone.get("summary"),
        jobs={kind: [jobs.get(size) for size in sizes] for kind, jobs in by_kind.items()},
        **given,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sweep", nargs="?", default="", help="id or name; the newest if not given")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lang", action="append", choices=("en", "es"))
    parser.add_argument("--dpi", type=int, default=0)
    asked = parser.parse_args()
    client = Client.open(load_settings())
    sweep = client.sweep(asked.sweep)
    for language in asked.lang or ("en", "es"):
        out = asked.out / f"{sweep['name']}-{language}"
        context = Context(
            job_id="0" * 64,
            store=client.store,
            tracker=FolderTracker(out / "tracking"),
            workdir=out,
            sweep=sweep["id"],
            cache=asked.out / "cache",
        )
        told = report.run(spec_of(client, sweep, language=language), context)
        print(context.out / "report.pdf", "missing:", ", ".join(told["missing"]) or "nothing")
        if asked.dpi:
            for old in out.glob("page-*.png"):
                old.unlink()
            command = [
                "pdftoppm",
                "-r",
                str(asked.dpi),
                "-png",
                str(context.out / "report.pdf"),
                str(out / "page"),
            ]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
