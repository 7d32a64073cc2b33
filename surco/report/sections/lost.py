"""What is not there: which job it would come from, how that one ended and why, and what mends it."""

from collections.abc import Iterable

from surco.report.document import Missing
from surco.report.evidence import Evidence, Job
from surco.report.language import Language

SHORT = 12  # digits of an id in a command
ORDER = ("dead", "cancelled", "skipped", "unfinished")  # what is told first, where several are not done


def absent(evidence: Evidence, language: Language, kind: str, text: str, command: str) -> Missing:
    """The block for a section without findings of a kind.

    `text` is the key of the sentence, and `command` what makes it, where the sweep has no job of that kind.
    """
    job = first_lost(evidence, kind)
    if job is None:
        return Missing(language.say(text), command)
    return Missing(sentence(job, language), remedy(job))


def first_lost(evidence: Evidence, kind: str) -> Job | None:
    """The job of a kind that is not done: a dead one before one that waited for it, the chosen size first."""
    lost = [j for j in evidence.jobs if j.kind == kind and not j.done]
    return min(lost, key=lambda j: (ORDER.index(j.state), abs((j.size or 0) - evidence.chosen)), default=None)


def sentence(job: Job, language: Language, *others: Job) -> str:
    """How a job that is not done ended, and why, as markup; `others` ended alike."""
    reason = job.reason.strip().splitlines()[0].rstrip(".") if job.reason.strip() else ""
    names = [f"{language.name('job', j.kind)} {j.size or ''}".strip() for j in (job, *others)]
    return language.say(
        f"lost.{job.state}", job=", ".join(names), reason=reason or language.plain("word.no_reason")
    )


def alike(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs that are not done, those together that ended in one state for one reason."""
    groups: dict[tuple[str, str, str], list[Job]] = {}
    for job in jobs:
        groups.setdefault((job.state, job.reason, job.cause), []).append(job)
    return list(groups.values())


def remedy(job: Job, sweep: str = "") -> str:
    """The command that mends it: what it needed is run again, not what was skipped for it.

    What has not ended is waited for, with the whole `sweep` where it is given.
    """
    if job.state == "unfinished":
        return f"surco watch {sweep[:SHORT]}" if sweep else f"surco show {job.id[:SHORT]}"
    return f"surco retry {(job.cause or job.id)[:SHORT]}"
