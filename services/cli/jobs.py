"""Commands about jobs that were handed in."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.cli.common import AsJson, console, job_row, print_json
from services.cli.job_page import job_page
from services.cli.job_table import SHORT, clock, cost_of, cost_table, print_jobs, told_apart
from services.queue.client import Client
from services.queue.ledger import DEAD, STATES, Job
from services.results.outcome import UNFINISHED
from services.settings import load_settings
from surco.errors import InputError

dead = typer.Typer(no_args_is_help=True)

JobArg = Annotated[str, typer.Argument(help="Job id, or how it starts.")]


def _client() -> Client:
    return Client.open(load_settings())


def jobs(
    state: Annotated[str, typer.Option(help=f"Only jobs in this state: {', '.join(STATES)}.")] = "",
    sweep: Annotated[str, typer.Option(help="Only jobs of this sweep.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    cost: Annotated[bool, typer.Option("--cost", help="Time and memory by job of a sweep.")] = False,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    if state and state not in STATES:
        raise InputError(f"--state {state[:40]!r} is no state; choose one of {', '.join(STATES)}.")
    ledger = (client := _client()).ledger
    if sweep or cost:
        ids = client.sweep(sweep)["jobs"]
        if state:
            states = ledger.states(ids)
            ids = [i for i in ids if states.get(i) == state]
        found = ledger.many(ids if cost else ids[:limit])
    else:
        found = ledger.in_state(state, limit=limit) if state else ledger.recent(limit)
    if as_json:
        print_json([{**job_row(j), **({"cost": cost_of(j)} if cost else {})} for j in found])
    elif cost:
        console.print(cost_table(found))
    else:
        print_jobs(found, names=told_apart(ledger.sweep_names()), now=ledger.now(), console=console)


def sweeps(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """List sweeps, newest first."""
    client = _client()
    found = [s for i, _ in client.ledger.sweep_names()[:limit] if (s := client.ledger.sweep(i))]
    rows = []
    for one in found:
        states = list(client.ledger.states(one["jobs"]).values())
        counts = {state: states.count(state) for state in STATES if state in states}
        rows.append({**{k: one[k] for k in ("id", "name", "created")}, "states": counts})
    if as_json:
        print_json(rows)
        return
    table = Table("sweep", "name", "handed in", "jobs", box=None, pad_edge=False)
    for row, one in zip(rows, found, strict=True):
        told = ", ".join(f"{n} {state}" for state, n in row["states"].items())
        more = ", a second round to come" if client.ledger.grows(one["id"]) else ""
        table.add_row(
            one["id"][:SHORT], escape(one["name"]), clock(one["created"], client.ledger.now()), told + more
        )
    console.print(table)


def show(job: JobArg, as_json: AsJson = False) -> None:
    """Show a job: how it stands, what it was asked, read, found and published."""
    client = _client()
    found = client.job(job)
    done = client.store.keys(f"jobs/{found.id}/attempts/")
    if as_json:
        print_json({**job_row(found), "spec": found.spec, "artifacts": done})
        return
    needs = client.ledger.many([*found.required, *found.optional])
    names = [key.split("/", 4)[-1] for key in done]
    apart = told_apart(client.ledger.sweep_names())
    sweep = f"{apart.get(found.sweep, '')} ({found.sweep})" if found.sweep else ""
    console.print(job_page(found, needs, names, sweep=sweep, now=client.ledger.now()), highlight=False)


def logs(
    job: JobArg, follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it ends.")] = False
) -> None:
    """Print what a job logged."""
    client = _client()
    for line in client.ledger.log_lines(client.job(job).id, follow=follow):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def cancel(
    job: Annotated[str, typer.Argument(help="Job id, or how it starts.")] = "",
    sweep: Annotated[str, typer.Option(help="All jobs of this sweep that have not ended.")] = "",
) -> None:
    """Cancel a job, or what is left of a sweep; what needs it is skipped."""
    if bool(job) == bool(sweep):
        raise InputError("Give one job to cancel, or --sweep and its id or name.")
    client = _client()
    if sweep:
        same = [i for i, name in client.ledger.sweep_names() if name == sweep]
        if len(same) > 1:
            raise InputError(
                f"{len(same)} sweeps are called {sweep[:40]!r}: {', '.join(i[:SHORT] for i in same[:5])}; "
                "give the id of one (`surco sweeps`)."
            )
        found = client.sweep(sweep)
        ended = client.cancel_many(found["jobs"][::-1])  # what needs others before those that it needs
        console.print(f"cancelled {len(ended)} of {len(found['jobs'])} jobs of sweep {found['id']}")
        return
    one = client.job(job)
    if not client.cancel(one):
        now = client.ledger.states([one.id]).get(one.id, "gone")
        raise InputError(f"Job {one.id[:12]} is {now} already; there is nothing to cancel.")
    console.print(f"cancelled {one.id[:12]}")


def retry(job: JobArg) -> None:
    """Run a dead, cancelled or skipped job again."""
    client = _client()
    found = client.job(job)
    if not client.retry(found):
        raise InputError(
            f"Job {found.id[:12]} is {found.state}; only a dead, cancelled or skipped job is retried."
        )
    console.print(f"queued {found.id[:12]}")


def rebuild() -> None:
    """Write the ledger anew from S3, after Redis was wiped."""
    counts = _client().rebuild()
    console.print(f"{counts['jobs']} jobs and {counts['sweeps']} sweeps are on the ledger again")
    for sentence in counts["passed_over"]:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def watch(
    sweep: Annotated[str, typer.Argument(help="Sweep id or name; the newest if not given.")] = "",
) -> None:
    """Follow a sweep until its last job has ended."""
    from services.cli.watch import watch_sweep

    client = _client()
    if not watch_sweep(client, client.sweep(sweep)):
        raise typer.Exit(UNFINISHED)


@dead.command("list")
def dead_list(as_json: AsJson = False) -> None:
    """Jobs that failed for good, with the reason."""
    found = _client().ledger.in_state(DEAD)
    if as_json:
        print_json([{**job_row(j), "spec": j.spec} for j in found])
        return
    for one in found:
        console.print(f"{one.id[:SHORT]}  {one.kind} {one.label}", markup=False, highlight=False)
        console.print(Padding(Text(one.reason.strip() or "no reason was left"), (0, 0, 0, 10)))


def _dead_ones(client: Client, job: str) -> list[Job]:
    found = client.ledger.in_state(DEAD) if job == "all" else [client.job(job)]
    for one in found:
        if one.state != DEAD:
            raise InputError(
                f"Job {one.id[:12]} is {one.state}, not dead; `surco dead list` shows those that are."
            )
    return found


@dead.command()
def replay(job: Annotated[str, typer.Argument(help="Job id, or `all`.")]) -> None:
    """Queue dead jobs again."""
    client = _client()
    for one in _dead_ones(client, job):
        client.retry(one)
        console.print(f"queued {one.id[:12]}")


@dead.command()
def drop(job: Annotated[str, typer.Argument(help="Job id, or `all`.")]) -> None:
    """Forget dead jobs: ledger, spec and artifacts."""
    client = _client()
    for one in _dead_ones(client, job):
        client.drop(one)
        console.print(f"dropped {one.id[:12]}")
