"""One input at a time, and what is held against it."""

import contextlib
import io
import os
import random
import resource
import shutil
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from services.errors import ServerDown
from surco.errors import InputError

SECONDS = 20  # after which an input counts as one that hangs
MEGABYTES = 400  # that one input may add to what the process ever held
ROOT = Path(__file__).resolve().parents[2]

ESCAPED = Path("/etc/surco-escaped")

# A case makes one input in its folder and feeds it to the project. `out` in that folder is what the project
# writes, and must not be there where the input was refused.
Case = Callable[[random.Random, Path], None]


class Hung(BaseException):
    """No `Exception`, so that nothing takes it for bad input."""


@dataclass(frozen=True)
class Defect:
    """What is wrong: `kind` is the class that many inputs may share."""

    kind: str
    detail: str


def judge(case: Case, rng: random.Random, sandbox: Path) -> Defect | None:
    """Run a case in an emptied sandbox; None if all promises were kept."""
    shutil.rmtree(sandbox, ignore_errors=True)
    box = sandbox / "a" / "b" / "c" / "d" / "inside"  # room for names that climb
    box.mkdir(parents=True)
    before, held, home = _outside(sandbox, box), _most_memory(), set(os.listdir())
    refused, defect = False, None
    quiet = contextlib.ExitStack()
    quiet.enter_context(contextlib.redirect_stdout(io.StringIO()))
    quiet.enter_context(contextlib.redirect_stderr(io.StringIO()))
    try:
        # Within the box, so that a relative path of the input cannot reach the folder this was started in.
        with contextlib.chdir(box), _alarm(), quiet:
            case(rng, box)
    except (InputError, ServerDown) as error:
        refused, defect = True, _bad_sentence(str(error))
    except Hung:
        defect = Defect("hangs", f"over {SECONDS} s")
    except Exception as error:
        defect = Defect(_class_of(error), traceback.format_exc())
    if new := set(os.listdir()) - home:
        return Defect("outside the sandbox", ", ".join(repr(name) for name in sorted(new)[:5]))
    return defect or _left_behind(sandbox, box, before, held, refused)


def _left_behind(sandbox: Path, box: Path, before: set[str], held: int, refused: bool) -> Defect | None:
    if (grown := _most_memory() - held) > MEGABYTES:
        return Defect("memory", f"{grown} MB more")
    if new := _outside(sandbox, box) - before:
        return Defect("outside the sandbox", ", ".join(sorted(new)[:5]))
    if ESCAPED.exists():
        return Defect("outside the sandbox", str(ESCAPED))
    left = [path.name for path in box.rglob("*") if ".part" in path.name]
    if refused and os.path.lexists(box / "out"):
        left.append("out")
    return Defect("half written", ", ".join(left[:5])) if left else None


def _most_memory() -> int:
    """MB of the most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _bad_sentence(text: str) -> Defect | None:
    if not text or len(text) >= 300 or not text.isprintable():
        return Defect("bad sentence", f"{len(text)} characters: {text[:120]!r}")
    return None


def _class_of(error: BaseException) -> str:
    """Type and the innermost line of the project's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename.startswith(str(ROOT)) and "/tests/" not in f.filename]
    where = ours[-1] if ours else frames[-1]
    return f"{type(error).__name__} at {Path(where.filename).name}:{where.name}"


def _outside(sandbox: Path, box: Path) -> set[str]:
    return {
        str(path.relative_to(sandbox))
        for path in sandbox.rglob("*")
        if box not in path.parents and path != box
    }


@contextlib.contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise Hung

    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
