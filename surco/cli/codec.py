"""The verbs that need nothing but the codec."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from surco import __version__
from surco.errors import InputError

Size = Annotated[int | None, typer.Option(help="How many dimensions a vector has; 2,048 if not given.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="The file to write.")]


def encode(
    song: Annotated[
        Path, typer.Argument(help="A sound file: wav, flac, mp3, ogg, and what libsndfile reads.")
    ],
    out: Out,
    size: Size = None,
    step: Annotated[
        int | None,
        typer.Option(
            min=1, max=255, help="Of rounding a .surco file: 8 is fine, 32 coarse; 16 if not given."
        ),
    ] = None,
) -> None:
    """Encode a sound file to vectors, one for every 5 seconds.

    A .npy file holds an array (clips, size), and behind it the song's length; a .surco file holds the same
    rounded and packed, a tenth as large.
    """
    from surco.codec import Codec
    from surco.codec.pack import STEP
    from surco.codec.streaming import RATE
    from surco.files import write_bytes

    packed = out.suffix == ".surco"
    if step is not None and not packed:
        raise InputError(f"A step is for .surco files; {out} is none.")
    codec = Codec.load()
    with _progress("encoding") as progress:
        vectors = codec.encode_file(song, size, progress=progress)
    told = f"{out}: {len(vectors)} vectors of {vectors.shape[1]} dimensions"
    if not packed:
        vectors.save(out)
        print(told)
        return
    data = codec.pack(vectors, step=step or STEP)
    write_bytes(out, data)
    print(f"{told}, {len(data) * 8 / 1000 / (vectors.samples or 1) * RATE:.2f} kb/s")


def decode(
    vectors: Annotated[
        Path, typer.Argument(help="A .surco or .npy file that `surco encode` or NumPy wrote.")
    ],
    out: Out,
    size: Annotated[int | None, typer.Option(help="Use only so many dimensions of each vector.")] = None,
) -> None:
    """Decode a file of vectors to sound.

    The .wav or .flac file is as long as the song that was encoded.
    """
    from surco import warm
    from surco.codec import Codec

    if find_spec("librosa") is None:  # with the study there is more to compile, and `make setup` does it
        with redirect_stdout(sys.stderr):
            warm.main()  # once on a machine; a process alone would throw away what it compiled
    with _progress("decoding") as progress:
        Codec.load().decode_file(vectors, out, size, progress=progress)
    print(f"{out}")


def info(
    vectors: Annotated[Path | None, typer.Argument(help="A .npy or .surco file of vectors.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a file of vectors holds, or what is installed."""
    found = _about_file(vectors) if vectors else _about_installation()
    print(json.dumps(found, indent=1) if as_json else "\n".join(f"{k}: {v}" for k, v in found.items()))


def version() -> None:
    """Print the version."""
    print(__version__)


def _about_file(path: Path) -> dict[str, object]:
    from surco.codec.streaming import RATE
    from surco.codec.vector_file import Vectors

    held = Vectors.load(path)
    seconds = None if held.samples is None else held.samples / RATE
    return {"vectors": len(held), "dimensions": held.shape[1], "seconds": seconds, "codec": held.codec}


def _about_installation() -> dict[str, object]:
    import torch

    from surco.codec import Codec

    codec = Codec.load()
    return {
        "surco": __version__,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "codec": codec.fingerprint,
        "dimensions": codec.size,
        "sample rate": codec.mel.sample_rate,
    }


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, gone when the work is done; none where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("clips"))
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
