"""Build the wheel, install it and its requirements into an empty environment, and take a song through it.

Run by `make check-wheel`. Fails, and says why, if the wheel holds anything but `surco/`, if it needs a
package that only study, report or services need, or if the song comes back at another length.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from venv import EnvBuilder

ROOT = Path(__file__).resolve().parent.parent
NOT_WANTED = {
    "celery", "redis", "minio", "mlflow", "boto3", "typst", "matplotlib", "librosa", "scikit-learn",
    "torchaudio",
}  # fmt: skip
SECONDS = 12.5
SONG = f"""
import numpy as np, soundfile
t = np.arange(round({SECONDS} * 44_100)) / 44_100
soundfile.write("song.wav", 0.1 * np.sin(2 * np.pi * 220 * t) + 0.1 * np.sin(2 * np.pi * 277 * t), 44_100)
"""
PYTHON = """
import surco
codec = surco.Codec.load()
vectors = codec.encode_file("song.wav", 128)
codec.decode_file(vectors, "again.flac")
"""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; its failure ends this script."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed with code {done.returncode}.")
    return done.stdout


def expect(holds: bool, sentence: str) -> None:
    if not holds:
        sys.exit(sentence)


def main() -> None:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "kernels")  # the user's own stay as they are
        pip = ("-m", "pip", "--disable-pip-version-check")
        source = folder / "source"  # a copy, for setuptools builds in place and takes what older builds left
        shutil.copytree(ROOT / "surco", source / "surco", ignore=shutil.ignore_patterns("__pycache__"))
        for part in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / part, source)
        run(sys.executable, *pip, "wheel", source, "--no-deps", "--quiet", "--wheel-dir", folder)
        (wheel,) = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as file:
            names = file.namelist()
        tops = {n.split("/")[0] for n in names if ".dist-info/" not in n}
        expect(tops == {"surco"}, f"The wheel puts {sorted(tops)} into site-packages, not surco alone.")
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files, all in surco/")

        EnvBuilder(with_pip=True).create(folder / "env")
        python = folder / "env" / "bin" / "python"
        torch = (ROOT / "requirements" / "torch.txt").read_text().strip()
        run(python, *pip, "install", "--quiet", torch)
        run(python, *pip, "install", "--quiet", wheel)
        installed = {
            p["name"].lower(): p["version"] for p in json.loads(run(python, *pip, "list", "--format=json"))
        }
        expect(not NOT_WANTED & set(installed), f"It brought {sorted(NOT_WANTED & set(installed))}.")
        print(f"{len(installed)} packages: {', '.join(sorted(installed))}")

        surco = folder / "env" / "bin" / "surco"
        song = folder / "song"
        song.mkdir()
        run(python, "-c", SONG, cwd=song)
        run(surco, "encode", "song.wav", "-o", "song.npy", "--size", "256", cwd=song)
        run(surco, "decode", "song.npy", "-o", "back.wav", cwd=song)
        run(python, "-c", PYTHON, cwd=song)
        for back in ("back.wav", "again.flac"):
            found = run(python, "-c", f"import soundfile; print(soundfile.info({back!r}).frames)", cwd=song)
            expect(int(found) == round(SECONDS * 22_050), f"{back} has {found.strip()} samples.")
        expect(
            "submit" not in run(surco, "--help", cwd=song), "It offers verbs of services that are not there."
        )
        about = json.loads(run(surco, "info", "song.npy", "--json", cwd=song))
        print(f"surco {run(surco, 'version', cwd=song).strip()}: {about}")
    print(f"the wheel encodes and decodes a song; checked in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
