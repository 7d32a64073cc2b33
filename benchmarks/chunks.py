"""Long work in chunks: each stops after some minutes, tells how far it is, and can be called again."""

import json
import time
from pathlib import Path

from surco.files import write_bytes

NAME = "progress.json"


class Chunk:
    """One run of a script that works in `folder` until `total` is done or its `minutes` are over.

    What earlier runs took is added up in `progress.json`, from which the time left follows.
    """

    def __init__(self, folder: Path, total: float, minutes: float | None):
        folder.mkdir(parents=True, exist_ok=True)
        self.path, self.total, self.minutes = folder / NAME, total, minutes
        self.before = told(folder)["seconds"]
        self.began = time.monotonic()

    def over(self) -> bool:
        """Whether it is time to write a checkpoint and stop."""
        return self.minutes is not None and time.monotonic() - self.began > 60 * self.minutes

    def tell(self, done: float) -> None:
        """Write how much is done."""
        seconds = self.before + time.monotonic() - self.began
        text = json.dumps({"done": done, "total": self.total, "seconds": round(seconds, 1)})
        write_bytes(self.path, text.encode())


def told(folder: Path) -> dict[str, float]:
    """What the last run in a folder told: `done`, `total` and `seconds`, zeros before the first."""
    path = folder / NAME
    if not path.exists():
        return {"done": 0.0, "total": 0.0, "seconds": 0.0}
    return {name: float(value) for name, value in json.loads(path.read_text()).items()}


def minutes_left(folder: Path) -> float | None:
    """Minutes of work left in a folder at the pace so far; None before there is one."""
    now = told(folder)
    if not now["done"]:
        return None
    return now["seconds"] / 60 * (now["total"] - now["done"]) / now["done"]
