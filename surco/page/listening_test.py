"""From listening tests to means and intervals, after ITU-R BS.1534-3 (MUSHRA)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from surco.errors import InputError
from surco.files import regular_file

KIND = "surco-listening-test"
REFERENCE_MARK = 90  # the hidden reference must reach it ...
MISSED_SHARE = 0.15  # ... but in this share of a listener's trials, or the listener is left out
DRAWS = 2000


@dataclass(frozen=True)
class Opinion:
    """Mean mark of a condition (0-100), its 95 % interval, and how many marks it rests on."""

    mean: float
    low: float
    high: float
    marks: int


@dataclass(frozen=True)
class TestScores:
    """Opinions by condition ("reference", "anchor", "ceiling" or a size), listeners kept and left out."""

    conditions: dict[str, Opinion]
    listeners: list[str]
    excluded: dict[str, str]
    sweep: str

    __test__ = False  # not a test case, whatever pytest makes of its name

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def score_tests(files: Sequence[str | Path], *, seed: int = 0) -> TestScores:
    """Means and 95 % intervals of the marks in files that the listening page saved.

    Listeners who rate the hidden reference under 90 in more than 15 % of their trials are left out, as
    BS.1534-3 asks, and named. Intervals are a bootstrap that draws listeners, then their clips; with one
    listener it draws the clips.

    Raises
    ------
    InputError : no file, not a saved test, tests of different sweeps, or no listener left
    """
    if not files:
        raise InputError("No listening test was given; name the JSON files that the listening page saved.")
    tests = [_read(Path(f)) for f in files]
    sweeps = {t["sweep"] for t in tests}
    if len(sweeps) > 1:
        raise InputError(
            f"These tests are of different sweeps ({', '.join(sorted(sweeps))}); score them apart."
        )
    listeners: dict[str, list[dict[str, float]]] = {}
    seen: set[tuple[str, int]] = set()
    for test in tests:
        if (test["listener"], test["seed"]) in seen:  # the same file twice
            continue
        seen.add((test["listener"], test["seed"]))
        listeners.setdefault(test["listener"], []).extend(t["marks"] for t in test["trials"])
    excluded = {name: reason for name, trials in listeners.items() if (reason := _unreliable(trials))}
    kept = {name: trials for name, trials in sorted(listeners.items()) if name not in excluded}
    if not kept:
        reasons = "; ".join(f"{n}: {r}" for n, r in excluded.items())
        raise InputError(f"No listener is left after screening ({reasons}); have others take the test.")
    conditions = sorted({c for trials in kept.values() for t in trials for c in t}, key=_order)
    scores = {c: _opinion([[t[c] for t in ts if c in t] for ts in kept.values()], seed) for c in conditions}
    return TestScores(scores, list(kept), excluded, sweeps.pop())


def _order(condition: str) -> tuple[int, int]:
    fixed = {"reference": 0, "ceiling": 1, "anchor": 3}
    return (fixed.get(condition, 2), -int(condition) if condition.isdigit() else 0)


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(regular_file(path).read_text(encoding="utf-8"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); check the path.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON; give the file that the listening page saved.") from None
    if not isinstance(data, dict) or data.get("kind") != KIND or data.get("version") != 1:
        raise InputError(f"{path} is not a listening test of this page; give the file that it saved.")
    try:
        trials = [{c: float(m) for c, m in t["marks"].items()} for t in data["trials"]]
        name, seed, sweep = str(data["listener"]), int(data["seed"]), str(data["sweep"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise InputError(f"{path} is damaged; save the results from the page again.") from None
    if not trials or any(not 0 <= m <= 100 for t in trials for m in t.values()):
        raise InputError(f"{path} holds no finished clip or a mark outside 0-100; save the results again.")
    return {"listener": name, "seed": seed, "sweep": sweep, "trials": [{"marks": t} for t in trials]}


def _unreliable(trials: list[dict[str, float]]) -> str:
    marks = [t["reference"] for t in trials if "reference" in t]
    missed = sum(m < REFERENCE_MARK for m in marks)
    if marks and missed > MISSED_SHARE * len(marks):
        return f"hidden reference under {REFERENCE_MARK} in {missed} of {len(marks)} clips"
    return "" if marks else "no hidden reference among the marks"


def _opinion(groups: list[list[float]], seed: int) -> Opinion:
    """Of the marks of each listener: the mean of the listeners' means."""
    groups = [g for g in groups if g]
    rng = np.random.default_rng(seed)
    draws = np.empty(DRAWS)
    for i in range(DRAWS):
        chosen = rng.integers(0, len(groups), len(groups)) if len(groups) > 1 else [0]
        draws[i] = np.mean([np.mean(rng.choice(groups[k], len(groups[k]))) for k in chosen])
    low, high = np.percentile(draws, [2.5, 97.5])
    mean = float(np.mean([np.mean(g) for g in groups]))
    return Opinion(mean, float(low), float(high), sum(map(len, groups)))


def print_scores(files: Sequence[str | Path]) -> None:
    """Show a table of the scores of saved tests on the terminal."""
    from rich.console import Console
    from rich.table import Table

    found = score_tests(files)
    table = Table(title=f"Listening tests of {len(found.listeners)} listeners")
    for name in ("condition", "mean", "95 % interval", "marks"):
        table.add_column(name, justify="left" if name == "condition" else "right")
    for name, opinion in found.conditions.items():
        interval = f"{opinion.low:.1f} – {opinion.high:.1f}"
        table.add_row(name, f"{opinion.mean:.1f}", interval, str(opinion.marks))
    console = Console()
    console.print(table)
    for listener, reason in found.excluded.items():
        console.print(f"{listener} is left out: {reason}.")
