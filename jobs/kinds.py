"""The kinds of job there are. A kind declares itself once, as `KIND` in its own module of this package.

The plan of a sweep, `surco submit`, the summary's columns, the report's evidence and docs/jobs.md follow
from these declarations. They are light to import: what a job computes with is imported when it runs.
"""

import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import jobs
from jobs.done import Result
from jobs.spec import JobSpec
from surco.errors import InputError

if TYPE_CHECKING:
    from pydantic import ValidationError

    from jobs.context import Context
    from jobs.graph import SweepSpec

S = TypeVar("S", bound=JobSpec)
Cell = str | int | float | None  # of the summary's table


@dataclass(frozen=True)
class Input:
    """What fills a field of a spec in a sweep: the job, or jobs, of another part.

    `sizes` is "same" for the job of the same vector size (or the only one), "others" for the jobs of all
    other sizes, "all" for a list in the order of the sizes. Where the part is not in the sweep, the field
    keeps its default.
    """

    part: str
    sizes: Literal["same", "others", "all"] = "same"


# A mapping from the name of each part made once a size to its jobs, None at a size without one.
EVERY = Input("*", "all")


def _nothing(sweep: "SweepSpec", size: int | None) -> dict[str, Any]:
    return {}


def _always(sweep: "SweepSpec") -> bool:
    return True


def middle(sizes: Sequence[int]) -> int:
    """The size that a round at `sizes` is about: the one in the middle, or just above it."""
    return sorted(sizes)[len(sizes) // 2]


@dataclass(frozen=True)
class SweepPart:
    """A place in a sweep where jobs of a kind are made.

    Attributes
    ----------
    name : what other parts call it in their inputs; the kind's own name if empty
    label : what people read beside the kind; the size where there is a job a size
    section : the key of the sweep's file whose fields go into the spec; "" for none
    per_size : one job for each vector size, else one in all
    middle : of `per_size`, a job at the middle size of the round alone
    inputs : by field of the spec, which jobs fill it
    values : further fields of the spec, from the sweep and the size
    wanted : whether the sweep has this part at all
    round : 1 for what is made of the sizes asked for, 2 for what waits for the sizes that those propose.
        Where the second round brings a size that was not asked for, it gets its jobs of the first, too
    """

    name: str = ""
    label: str = ""
    section: str = ""
    per_size: bool = False
    middle: bool = False
    inputs: Mapping[str, Input] = field(default_factory=dict)
    values: Callable[["SweepSpec", int | None], dict[str, Any]] = _nothing
    wanted: Callable[["SweepSpec"], bool] = _always
    round: Literal[1, 2] = 1


@dataclass(frozen=True)
class Evidence:
    """What the report reads of the jobs of a kind: a field of `surco.report.evidence.Evidence`, by size."""

    name: str
    read: Callable[["Context", str], Any]


@dataclass(frozen=True)
class JobKind(Generic[S]):
    """A kind of job: what it is asked, what it does, where it runs and where it stands in a sweep.

    Attributes
    ----------
    run : does the job; what it returns is its result, what it writes to `context.out` its artifacts
    queue : "gpu" for what a GPU makes faster, "cpu" for the rest
    artifacts : names of the files it publishes, for the documentation
    sweep : its places in a sweep
    columns : columns of the summary's table, each read from the job's result
    evidence : what it tells the report
    ask : makes a spec of what a person gives, where that takes more than checking the fields
    by_hand : `surco submit` has a command for it
    flags : by field of the spec, another name of its option
    several : by field of the spec, what turns an option given several times into fields
    tracked : has a run in MLflow
    on_sweep : is logged on the sweep's own run
    grows : its result names, as `studied`, the sizes of the sweep's second round
    """

    name: str
    spec: type[S]
    run: Callable[[S, "Context"], Result]
    queue: Literal["gpu", "cpu"]
    artifacts: tuple[str, ...] = ()
    sweep: tuple[SweepPart, ...] = ()
    columns: Mapping[str, Callable[[Result], Cell]] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    ask: Callable[..., S] | None = None
    by_hand: bool = True
    flags: Mapping[str, str] = field(default_factory=dict)
    several: Mapping[str, Callable[[list[str]], dict[str, Any]]] = field(default_factory=dict)
    tracked: bool = True
    on_sweep: bool = False
    grows: bool = False

    @property
    def about(self) -> str:
        """The first line of its module's docstring."""
        return (sys.modules[self.spec.__module__].__doc__ or "").strip().splitlines()[0]

    def parts(self) -> list[tuple[str, SweepPart]]:
        """Name and declaration of its places in a sweep."""
        return [(part.name or self.name, part) for part in self.sweep]


@cache
def all_kinds() -> dict[str, JobKind[Any]]:
    """Every kind by name: the `KIND` of each module of this package that has one."""
    found = {}
    for info in pkgutil.iter_modules(jobs.__path__):
        kind = getattr(import_module(f"jobs.{info.name}"), "KIND", None)
        if isinstance(kind, JobKind):
            found[kind.name] = kind
    return found


def sweep_parts() -> Iterator[tuple[str, str, SweepPart]]:
    """Kind, name and declaration of every part of a sweep, each after those it reads."""
    found = {name: (kind.name, part) for kind in all_kinds().values() for name, part in kind.parts()}
    once_a_size = {name for name, (_, part) in found.items() if part.per_size}
    reads = {
        name: sorted({n for i in part.inputs.values() for n in (once_a_size if i == EVERY else {i.part})})
        for name, (_, part) in found.items()
    }
    for name in TopologicalSorter(reads).static_order():
        if name not in found:
            raise KeyError(f"a part of the sweep reads {name!r}, which no kind of job declares")
        yield found[name][0], name, found[name][1]


def find_kind(name: str) -> JobKind[Any]:
    """The kind of that name; an InputError names those there are."""
    known = all_kinds()
    if name not in known:
        from difflib import get_close_matches

        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the kinds are {', '.join(known)}."
        raise InputError(f"There is no job kind {name!r}; {hint}")
    return known[name]


def parse_spec(kind: str, data: dict[str, Any]) -> JobSpec:
    """A validated spec of a kind; unknown keys and bad values are refused by name."""
    return _checked(kind, find_kind(kind).spec.model_validate, data)


def ask_spec(kind: str, data: dict[str, Any]) -> JobSpec:
    """A spec of what a person gives: as `parse_spec`, and for `prepare` the source is read once."""
    ask = find_kind(kind).ask
    return parse_spec(kind, data) if ask is None else _checked(kind, lambda d: ask(**d), data)


def _checked(kind: str, make: Callable[[dict[str, Any]], JobSpec], data: dict[str, Any]) -> JobSpec:
    from pydantic import ValidationError

    try:
        return make(data)
    except ValidationError as error:
        raise InputError(
            explain(f"the {kind} spec", error, known=list(find_kind(kind).spec.model_fields))
        ) from None


def explain(what: str, error: "ValidationError", *, known: Iterable[str] = ()) -> str:
    """One sentence for pydantic's list of complaints; of an unknown key it names the nearest of `known`."""
    from difflib import get_close_matches

    from surco.errors import quoted

    parts = []
    complaints = error.errors(include_url=False)
    for item in complaints[:3]:
        where = ".".join(str(p)[:40] for p in item["loc"]) or "it"
        if item["type"] == "extra_forbidden":
            near = get_close_matches(where, list(known), n=1)
            parts.append(f"{where!r} is not a known key" + (f"; did you mean {near[0]!r}?" if near else ""))
        elif item["type"] == "missing":
            parts.append(f"{where!r} is missing")
        else:
            parts.append(
                f"{where} = {quoted(item.get('input'))}: {item['msg'].removeprefix('Value error, ')}"
            )
    if len(complaints) > 3:
        parts.append(f"and {len(complaints) - 3} more")
    text = "; ".join(parts)
    return f"In {what}, {text}" + ("" if text.endswith("?") else ".")
