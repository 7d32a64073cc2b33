"""What became of a sweep's jobs, told in sentences: what is not there, of how many, and why."""

from collections import defaultdict
from collections.abc import Sequence

from services.queue.ledger import DONE, ENDED, SKIPPED, Job

UNFINISHED = 3  # exit code of a command that followed jobs of which some did not get done
_LONGEST = 200  # letters of a reason in a sentence


def outcome(jobs: Sequence[Job]) -> list[str]:
    """One sentence a kind of which a job ended without being done; empty where all are done.

    A job that was skipped is told by the cause: what it needed stands in its own sentence.
    """
    of: dict[str, list[Job]] = defaultdict(list)
    for job in jobs:
        of[job.kind].append(job)
    found = []
    for kind, same in of.items():
        lost = [j for j in same if j.state in ENDED and j.state != DONE]
        if not lost:
            continue
        first = next((j for j in lost if j.state != SKIPPED), lost[0])
        states = " and ".join(sorted({j.state for j in lost}))
        labels = ", ".join(j.label for j in lost if j.label and j.label != kind)
        of_what = f"{len(lost)} of {len(same)} {kind} jobs" if len(same) > 1 else f"The {kind} job"
        verb = "are" if len(lost) > 1 else "is"
        where = f" ({labels})" if labels else ""
        found.append(f"{of_what}{where} {verb} {states}: {_short(first.reason) or 'no reason was left'}.")
    return found


def _short(reason: str) -> str:
    line = reason.strip().splitlines()[0].rstrip(".") if reason.strip() else ""
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
