"""Remake the shipped weights, part after part, in chunks of under ten minutes; called again, it goes on.

    python -m benchmarks.weights OUT --corpus ../shared/corpus [--device cuda] [--chunks 1]

The music comes from Debian's archive (`collect_music.py` says which), the rest is computed. Before each chunk
it says how far the part is and how long it will take; the first chunk of the codec also takes the log-mels
of all music, which nothing interrupts. OUT receives a folder a part, with the weights in it: codec, vocoder,
listener (which trains the texture and is not shipped), texture, and the tables of pack. A prior is trained by
`surco submit train-prior` on the new codec's vectors.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.chunks import minutes_left, told
from benchmarks.corpus import find

CHUNK = 9.0  # minutes


@dataclass(frozen=True)
class Part:
    """A script that makes one file, a chunk a call."""

    name: str
    command: list[str]  # but for the interpreter
    made: str  # the file that is there once the part is done, in the part's folder
    usual: float  # core minutes it took when the shipped weights were made


def parts(out: Path, corpus: Path, device: str) -> list[Part]:
    """Every part, in the order in which they are needed."""
    music = str(out / "music")
    chunk = ["--minutes", str(CHUNK)]
    on = ["--device", device, *chunk]

    def script(name: str, *arguments: str) -> list[str]:
        return ["-m", f"benchmarks.{name}", *arguments]

    heard = str(out / "listener" / "listener.safetensors")
    made = {
        "music": ("music.json", 25, script("collect_music", str(corpus / "manifest.csv"), music, *chunk)),
        "codec": (
            "codec.safetensors",
            60,
            script("train_codec", music, str(corpus), str(out / "codec"), *on),
        ),
        "vocoder": ("vocoder.safetensors", 76, script("train_vocoder", music, str(out / "vocoder"), *on)),
        "listener": ("listener.safetensors", 15, script("listener", music, str(out / "listener"), *on)),
        "texture": (
            "texture.safetensors",
            100,
            script("train_texture", music, str(corpus), heard, str(out / "texture"), "--scratch", *on),
        ),
        "pack": ("pack.safetensors", 2, script("pack_tables", music, str(corpus), str(out / "pack"))),
    }
    return [Part(name, command, file, usual) for name, (file, usual, command) in made.items()]


def left(part: Part, folder: Path) -> str:
    """A sentence on how far a part is."""
    now, minutes = told(folder), minutes_left(folder)
    if minutes is None:
        return f"{part.name}: not begun; for what is shipped it took {part.usual:.0f} minutes of one core"
    return f"{part.name}: {now['done']:,.0f} of {now['total']:,.0f} done, about {minutes:.0f} minutes left"


def remake(wanted: list[Part], out: Path, chunks: int | None = None) -> bool:
    """Run parts to their end, or for so many chunks; whether all are done. A script that fails ends it."""
    for part in wanted:
        folder = out / part.name
        while not (folder / part.made).exists():
            if chunks is not None and chunks <= 0:
                print(f"{left(part, folder)}; call again to go on.", flush=True)
                return False
            print(left(part, folder), flush=True)
            subprocess.run([sys.executable, *part.command], check=True)
            chunks = None if chunks is None else chunks - 1
        print(f"{part.name}: done, {folder / part.made}", flush=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--chunks", type=int, default=None, help="stop after so many; all if not given")
    args = parser.parse_args()
    if reason := find(args.corpus):
        print(reason)
        return
    remake(parts(args.out, args.corpus, args.device), args.out, args.chunks)


if __name__ == "__main__":
    main()
