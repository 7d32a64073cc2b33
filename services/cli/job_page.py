"""One job as a page: what it is, how it stands, what it was asked, what it found, and what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from jobs.kinds import all_kinds
from services.cli.job_table import SHORT, STYLES, clock, cost_of, minutes, took
from services.queue.ledger import CANCELLED, DEAD, DONE, QUEUED, RUNNING, SKIPPED, Job

LONGEST = 300  # letters of one value


def job_page(job: Job, needs: Sequence[Job], artifacts: Sequence[str], *, sweep: str, now: float) -> Group:
    """`needs` are the jobs that it reads, `artifacts` the names of the files it published."""
    head = Text.assemble(
        (f"{job.kind} {job.label}".strip(), "bold"), "  ", (job.state, STYLES[job.state]), f"  {job.id}"
    )
    about = _grid()
    for name, value in _about(job, sweep, now):
        about.add_row(name, escape(value))
    parts: list[Any] = [head, about]
    if needs:
        reads = _grid()
        for one in needs:
            state = f"[{STYLES[one.state]}]{one.state}[/]"
            reads.add_row(f"{one.id[:SHORT]}", f"{escape(f'{one.kind} {one.label}')}  {state}")
        parts += [Text("\nreads", "bold"), reads]
    parts += [Text("\nasked", "bold"), _fields(_asked(job))]
    if job.result:
        parts += [Text("\nfound", "bold"), _fields(job.result)]
    if artifacts:
        parts += [Text("\nfiles", "bold"), Text("  " + "\n  ".join(artifacts))]
    parts.append(Text(f"\n{_next(job)}", "dim"))
    return Group(*parts)


def _about(job: Job, sweep: str, now: float) -> Iterator[tuple[str, str]]:
    if job.reason:
        yield "why", job.reason.strip()
    if job.state == RUNNING and job.progress:
        of = f"{job.progress.get('done', 0)} of {job.progress.get('total', 0)}"
        yield "does", f"{job.progress.get('note', '')} ({of})"
    if sweep:
        yield "sweep", sweep
    yield "handed in", clock(job.created, now)
    if job.started:
        yield "started", f"{clock(job.started, now)}, attempt {job.attempts}, by {job.worker}"
    if job.seconds or job.state == RUNNING:
        yield "took", took(job, now)
    if job.cost:
        cost = cost_of(job)
        yield (
            "cost",
            f"{minutes(cost['cpu'])} of a processor, {cost['memory'] / 1e6:,.0f} MB of memory at most",
        )
    yield "queue", f"{job.queue}, priority {job.priority}"


def _asked(job: Job) -> dict[str, Any]:
    """The spec without its inputs, which stand as what the job reads."""
    kind = all_kinds().get(job.kind)
    inputs = {*job.required, *job.optional}
    shown = {k: v for k, v in job.spec.items() if not (isinstance(v, str) and v in inputs)}
    shown = {k: v for k, v in shown.items() if not _ids_alone(v, inputs)}
    fields = kind.spec.model_fields if kind else {}
    own = {
        k: v
        for k, v in shown.items()
        if k not in fields or v != fields[k].get_default(call_default_factory=True)
    }
    rest = len(shown) - len(own)
    return {
        **own,
        **(
            {"": f"and {rest} fields as they are by default (surco show {job.id[:SHORT]} --json)"}
            if rest
            else {}
        ),
    }


def _ids_alone(value: Any, inputs: set[str]) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(_ids_alone(v, inputs) for v in value.values())
    return isinstance(value, list) and bool(value) and all(v is None or v in inputs for v in value)


def _fields(values: Mapping[str, Any]) -> Table:
    table = _grid()
    for name, value in values.items():
        table.add_row(escape(name), escape(_short(value)))
    return table


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        text = ", ".join(f"{k} {_short(v)}" for k, v in value.items())
    elif isinstance(value, list):
        text = ", ".join(_short(v) for v in value) or "none"
    else:
        text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _next(job: Job) -> str:
    """The command that one most likely wants now."""
    short = job.id[:SHORT]
    return {
        DONE: f"surco logs {short} prints what it said",
        RUNNING: f"surco logs -f {short} follows it",
        QUEUED: f"surco cancel {short} takes it off the queue",
        DEAD: f"surco logs {short} says more; surco retry {short} runs it again",
        CANCELLED: f"surco retry {short} runs it again",
        SKIPPED: f"surco retry of what it needs brings it back; surco retry {short} tries now",
    }.get(
        job.state,
        f"surco watch {job.sweep} waits for it" if job.sweep else f"surco logs -f {short} follows it",
    )


def print_page(page: Group, console: Console) -> None:
    console.print(page, highlight=False)
