"""Remake the training set of the shipped codec: whole tracks of Debian's free music packages.

Only packages whose every row in the corpus manifest is `train` are fetched, so that no track of the
valid or test split, nor of any other package, is ever heard in training.

    python -m benchmarks.collect_music MANIFEST.csv OUT

Called again it goes on with the packages that are missing. It
writes OUT/music.i16 (22 050 Hz mono int16, tracks end to end) and OUT/music.json (name, package,
start and length of each). Needs `apt-get`, `dpkg` and, for tracker modules, `openmpt123`. Nothing is
installed: packages are unpacked into OUT/packages and may be deleted afterwards.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from benchmarks.chunks import Chunk

RATE = 22_050  # Hz
LONGEST = 12 * 60  # s, so that one long track does not outweigh a package
RECORDED = {".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav"}
MODULES = {".xm", ".mod", ".s3m", ".it"}
SHORTEST = {True: 20.0, False: 24.0}  # s, modules and recordings: below that it is an effect or a jingle
EFFECTS = ("/sfx/", "/ambience/", "/fillets-ng/sound/", "speech", "/games/wastesedge/audio/at-demo")


def train_packages(manifest: Path) -> list[str]:
    """Packages all of whose clips are in the train split."""
    splits: dict[str, set[str]] = defaultdict(set)
    with manifest.open(newline="") as file:
        for row in csv.DictReader(file):
            splits[row["package"]].add(row["split"])
    return sorted(name for name, seen in splits.items() if seen == {"train"})


def fetch(package: str, folder: Path) -> Path:
    """Download a package and unpack it, with the archives inside it, without installing it."""
    target = folder / package
    if target.exists():
        return target
    part = folder / f"{package}.part"
    part.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=part, check=True)
    (deb,) = part.glob("*.deb")
    subprocess.run(["dpkg", "-x", deb.name, "."], cwd=part, check=True)
    deb.unlink()
    for archive in [p for p in part.rglob("*") if p.suffix.lower() in {".pk3", ".zip"} and p.is_file()]:
        with zipfile.ZipFile(archive) as content:
            names = [n for n in content.namelist() if Path(n).suffix.lower() in RECORDED | MODULES]
            content.extractall(archive.with_suffix(""), names)
    part.rename(target)
    return target


def read_track(path: Path) -> np.ndarray:
    """Mono float32 wave (T,) at 22 050 Hz, cut at twelve minutes."""
    if path.suffix.lower() in MODULES:
        command = ["openmpt123", "--batch", "--quiet", "--stdout", "--no-float", "--dither", "0"]
        command += ["--samplerate", str(RATE), "--channels", "2", "--end-time", str(LONGEST), str(path)]
        raw = subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
        return np.frombuffer(raw, "<i2").reshape(-1, 2).mean(1, dtype=np.float32) / 32_768
    with soundfile.SoundFile(path) as file:
        wave = file.read(LONGEST * file.samplerate, dtype="float32", always_2d=True).mean(1)
        return soxr.resample(wave, file.samplerate, RATE)


def tracks(folder: Path) -> Iterator[tuple[Path, np.ndarray]]:
    """Every piece of music under a folder, decoded; effects, jingles and silence are passed over."""
    for path in sorted(folder.rglob("*")):
        kind = path.suffix.lower()
        if kind not in RECORDED | MODULES or not path.is_file() or path.is_symlink():
            continue
        if any(mark in str(path) for mark in EFFECTS):
            continue
        try:
            if kind in RECORDED and soundfile.info(path).duration < SHORTEST[False]:
                continue
            wave = read_track(path)
        except (subprocess.CalledProcessError, soundfile.SoundFileError) as error:
            print(f"passed over {path.name}: {error}", file=sys.stderr)
            continue
        if len(wave) >= SHORTEST[kind in MODULES] * RATE and np.abs(wave).max() > 1e-3:
            yield path, wave


def collect(package: str, out: Path) -> None:
    """Fetch and decode one package into OUT/decoded, whole or not at all."""
    found: list[dict[str, str | int]] = []
    target = out / "decoded" / f"{package}.i16"
    target.parent.mkdir(exist_ok=True)
    try:
        folder = fetch(package, (out / "packages").resolve())
    except subprocess.CalledProcessError as error:
        print(f"passed over {package}: {error}", file=sys.stderr)
        return
    start = 0
    with target.with_suffix(".part").open("wb") as file:
        for path, wave in tracks(folder):
            data = (wave.clip(-1, 1) * 32_767).round().astype("<i2")
            file.write(data.tobytes())
            name = str(path.relative_to(folder))
            found.append({"package": package, "track": name, "start": start, "length": len(data)})
            start += len(data)
    target.with_suffix(".json").write_text(json.dumps(found))
    target.with_suffix(".part").replace(target)


def join(packages: list[str], out: Path) -> None:
    """Lay the decoded packages end to end."""
    index: list[dict[str, str | int]] = []
    start = 0
    with (out / "music.i16.part").open("wb") as file:
        for package in packages:
            part = out / "decoded" / f"{package}.i16"
            if not part.exists():
                continue
            for entry in json.loads(part.with_suffix(".json").read_text()):
                index.append({**entry, "start": entry["start"] + start})
            with part.open("rb") as source:
                shutil.copyfileobj(source, file)
            start += part.stat().st_size // 2
    (out / "music.i16.part").replace(out / "music.i16")
    (out / "music.json").write_text(json.dumps(index, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("manifest", type=Path, help="manifest.csv of the open corpus")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--minutes", type=float, default=None, help="begin no package after so many")
    args = parser.parse_args()
    packages = train_packages(args.manifest)
    chunk = Chunk(args.out, len(packages), args.minutes)
    for i, package in enumerate(packages):
        if chunk.over():
            return
        if not (args.out / "decoded" / f"{package}.i16").exists():
            collect(package, args.out)
            print(f"{package}: {i + 1} of {len(packages)}", flush=True)
        chunk.tell(i + 1)
    join(packages, args.out)


if __name__ == "__main__":
    main()
