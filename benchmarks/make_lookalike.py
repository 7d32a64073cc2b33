"""Make a folder of GTZAN's size and shape, to measure time and memory: ten genres, a hundred tracks each.

    python -m benchmarks.make_lookalike CORPUS OUT [--tracks 100]

A track is seven clips of two tracks of the corpus, a little faster or slower, no two alike.
The corpus has eight styles; two more are the fastest and the slowest of all. What a sweep over it finds of
music is worth nothing.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 22_050
SECONDS = 30
CLIPS = 7  # of 5 s, enough for 30 s at the fastest
SPEEDS = {"fast": (1.1, 1.15), "slow": (0.85, 0.9)}  # the two genres beside the corpus's styles
USUAL = (0.92, 1.08)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--tracks", type=int, default=100, help="of each genre")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with (asked.corpus / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    by_track: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for genre in (row["style"], *SPEEDS):
            by_track[genre][row["track"]].append(row["clip"])
    rng = np.random.default_rng(asked.seed)
    for genre, tracks in sorted(by_track.items()):
        folder = asked.out / genre
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(asked.tracks):
            speed = rng.uniform(*SPEEDS.get(genre, USUAL))
            path = folder / f"{genre}.{number:05d}.wav"
            soundfile.write(path, track(asked.corpus, list(tracks.values()), speed, rng), RATE)
        print(f"{genre}: {asked.tracks} tracks", flush=True)


def track(corpus: Path, tracks: list[list[str]], speed: float, rng: np.random.Generator) -> np.ndarray:
    """30 s (T,) of clips that two tracks have, at a speed."""
    pair = rng.choice(len(tracks), 2, replace=False)
    clips = [clip for i in pair for clip in tracks[i]]
    chosen = [clips[i] for i in rng.permutation(len(clips))]
    while len(chosen) < CLIPS:
        chosen += chosen
    wave = np.concatenate([soundfile.read(corpus / clip, dtype="float32")[0] for clip in chosen[:CLIPS]])
    made = soxr.resample(wave, RATE * speed, RATE)
    return np.asarray(made[: SECONDS * RATE])


if __name__ == "__main__":
    main()
