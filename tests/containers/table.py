"""The table of faults in docs/deploy.md: a run replaces the lines of the faults that it saw."""

import subprocess
import time
from pathlib import Path

from tests.containers.site import ROOT

BEGIN, END = "<!-- faults: written by make test-containers -->", "<!-- end of the faults -->"
HEAD = "| fault | attempts | fence | resumed at step | seconds | weights | points in MLflow | commit |"
RULE = "|---|---|---|---|---|---|---|---|"


class Table:
    """Rows by fault, in the order in which they came."""

    def __init__(self, document: str = "") -> None:
        self.rows: dict[str, list[str]] = {}
        self.document = document

    def add(self, fault: str, *cells: object) -> None:
        """Note a fault, in the document too if one is given: a run that is cut short leaves what it saw."""
        self.rows[fault] = [str(cell) for cell in cells]
        if self.document:
            write(self, Path(self.document))

    def lines(self) -> list[str]:
        return [f"| {fault} | {' | '.join(cells)} |" for fault, cells in self.rows.items()]


def write(table: Table, path: Path) -> None:
    """Put a run's rows into the document, in the place of those of the same faults; others stay."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    old, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"{path} has no lines '{BEGIN}' and '{END}'")
    rows = {line.split("|")[1].strip(): line for line in old.splitlines() if line.startswith("| ")}
    rows.pop(HEAD.split("|")[1].strip(), None)
    rows |= {line.split("|")[1].strip(): line for line in table.lines()}
    path.write_text(before + "\n".join([BEGIN, "", HEAD, RULE, *rows.values(), "", END]) + after)


def commit() -> str:
    """The short name of the commit that is checked out, with the day."""
    asked = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return f"{found or 'none'}, {time.strftime('%Y-%m-%d')}"
