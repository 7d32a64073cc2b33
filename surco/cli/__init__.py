"""`surco`: the command line. What needs the codec alone stands here; a checkout's services add their own."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import typer

from surco.cli.verbs import Verb, build
from surco.errors import InputError, sentence

HELP = "Surco: the smallest vector that still holds a song."
EXTENSIONS = ("services.cli",)  # modules with `VERBS` and `explain`; imported where they are there
# What the system says of a path that somebody named wrongly.
BAD_PATH = {
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG,
    errno.EROFS, errno.ENOSPC, errno.EDQUOT,
}  # fmt: skip
STUDY = ("pydantic", "scipy", "librosa")
STUDIO = (*STUDY, "starlette", "uvicorn", "pebble")
VERBS = (
    Verb("encode", "surco.cli.codec:encode", "Encode a sound file to vectors, one for every 5 seconds."),
    Verb("decode", "surco.cli.codec:decode", "Decode a file of vectors to sound."),
    Verb("info", "surco.cli.codec:info", "Say what a file of vectors holds, or what is installed."),
    Verb("version", "surco.cli.codec:version", "Print the version."),
    Verb("make-song", "surco.prior.make_song:make_song",
         "Make a new song: drawn from the shipped prior by genre, tempo, key, or to resemble another song.",
         needs=("pyloudnorm",)),
    Verb("edit", "surco.edits.command:edit",
         "Edit a song as vectors: tempo, pitch, colour, dynamics, and parts of other songs.", needs=STUDY),
    Verb("studio", "surco.cli.studio:studio",
         "Open the studio: hear a song at every size and play with its vector, in the browser.",
         needs=STUDIO),
)  # fmt: skip


def extensions() -> Iterator[ModuleType]:
    """What adds verbs: the services of a checkout, if this is one."""
    for name in EXTENSIONS:
        package = name.partition(".")[0]
        if find_spec(package) is None:
            continue
        try:
            module = import_module(name)
        except ModuleNotFoundError as error:
            if error.name not in (package, name):
                raise
            continue
        if hasattr(module, "VERBS") and hasattr(module, "explain"):  # and not another package of that name
            yield module


def application() -> typer.Typer:
    """The command line with every verb that is available here."""
    return build([*VERBS, *(verb for module in extensions() for verb in module.VERBS)], HELP)


def main() -> None:
    """Run the command line: bad input, missing packages, dead servers are one sentence and exit code 2."""
    # Threads that wait for one another sleep: on a busy machine they would spin their time away.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for stream in (sys.stdout, sys.stderr):  # names of files may hold what no text can
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        application()()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sentence = _explain(error)
        if sentence is None:
            raise
        from rich.console import Console

        console = Console(stderr=True)
        console.print(sentence, style="red", soft_wrap=True, highlight=False, markup=False)
        sys.exit(2)


def _explain(error: Exception) -> str | None:
    """The sentence for an error that a user can mend; None for a bug."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.errno in BAD_PATH and error.filename is not None:
        return sentence(f"{os.fsdecode(error.filename)}: {error.strerror}; check the path.")
    ours = ("surco", "jobs", "services")
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in ours:
        return f"This needs the package {error.name.partition('.')[0]}, which is not installed here."
    found = (module.explain(error) for module in extensions())
    return next((sentence for sentence in found if sentence), None)
