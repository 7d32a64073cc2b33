"""docs/jobs.md from the declarations of the kinds: `python -m jobs.docs > docs/jobs.md`."""

from typing import Any

from jobs.kinds import EVERY, Input, JobKind, SweepPart, all_kinds, sweep_parts

HEAD = """# The kinds of job

Written by `python -m jobs.docs > docs/jobs.md` from the declarations (`KIND`) in `jobs/`; a test holds it
equal.
A section of a sweep's file, and `--set` of `surco submit`, take the fields of the kind's spec.
"""


def text() -> str:
    """The whole of docs/jobs.md."""
    rows = ["| kind | what it does | queue | in a sweep | reads | publishes |", "|---|---|---|---|---|---|"]
    rows += [_row(kind) for kind in in_order()]
    return "\n".join([HEAD, *rows, "", *(line for kind in in_order() for line in _fields(kind))])


def in_order() -> list[JobKind[Any]]:
    """The kinds in the order of a sweep, then those that no sweep has."""
    order = {kind: i for i, kind in reversed(list(enumerate(k for k, _, _ in sweep_parts())))}
    return sorted(all_kinds().values(), key=lambda kind: (order.get(kind.name, len(order) + 9), kind.name))


def _row(kind: JobKind[Any]) -> str:
    places = [_place(part) for part in kind.sweep]
    reads = sorted({_reads(i) for part in kind.sweep for i in part.inputs.values()})
    files = ", ".join(f"`{name}`" for name in kind.artifacts)
    cells = [f"`{kind.name}`", kind.about, kind.queue, _join(places), _join(reads), files or "–"]
    return f"| {' | '.join(cells)} |"


def _place(part: SweepPart) -> str:
    if part.per_size:
        return "one at the middle size" if part.middle else "one a size"
    return "" if part.label == "outside" else "one"


def _reads(source: Input) -> str:
    if source == EVERY:
        return "every job made once a size"
    return source.part + {"same": "", "others": " of other sizes", "all": " of all sizes"}[source.sizes]


def _join(parts: list[str]) -> str:
    return ", ".join(dict.fromkeys(p for p in parts if p)) or "–"


def _fields(kind: JobKind[Any]) -> list[str]:
    rows = [f"## {kind.name}", "", "| field | default | |", "|---|---|---|"]
    for name, info in kind.spec.model_fields.items():
        if name == "seed":
            continue
        default = "needed" if info.is_required() else f"`{info.get_default(call_default_factory=True)}`"
        rows.append(f"| `{name}` | {default} | {info.description or ''} |")
    return [*rows, ""]


if __name__ == "__main__":
    print(text(), end="")
