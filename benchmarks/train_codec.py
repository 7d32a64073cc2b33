"""Remake the shipped codec weights from the music that `collect_music.py` gathered.

    python -m benchmarks.train_codec MUSIC CORPUS OUT [--device cuda]

MUSIC is the folder with music.i16, CORPUS the open corpus (its training clips join the second stage,
its valid clips are watched, its test clips are never opened). OUT receives the log-mels, checkpoints,
log.jsonl and codec.safetensors. Killed and started again, it goes on from its last checkpoint.
"""

import argparse
import csv
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import soxr
import torch
from torch import Tensor

from benchmarks.chunks import Chunk
from benchmarks.music import Music
from surco.audio.io import read_audio
from surco.audio.mel import LogMel, MelConfig, normalise_loudness
from surco.codec import SAMPLES, Codec
from surco.codec.mel_pool import Augment, MelPool
from surco.codec.training import (
    State,
    TrainConfig,
    load_state,
    save_state,
    swap_change,
    train_step,
    valid_error,
)

RATE = 22_050  # Hz
SPEEDS = (1.0, 2 ** (1 / 12), 2 ** (-1 / 12))  # tracks as they are, and a semitone up and down
FIT_BATCHES = 200  # of 64 crops, for the linear part
PLAIN = Augment(tilt_db=0)
FIRST = TrainConfig(steps=6000, tilt_db=2.0)
SECOND = TrainConfig(
    steps=900,
    matrix_lr=0.004,
    other_lr=4e-4,
    warmup=30,
    ema=0.995,
    tilt_db=4.0,
    bend=0.1,
    mix=0.3,
    seed=1,
)


def tracks(folder: Path) -> Iterator[Tensor]:
    """Every track (T,) at every speed."""
    music = Music(folder)
    for speed in SPEEDS:
        for entry in music.index:
            wave = music.wave(entry["start"], entry["length"])
            yield torch.from_numpy(wave if speed == 1 else soxr.resample(wave, RATE * speed, RATE))


def corpus_clips(folder: Path, split: str) -> list[Tensor]:
    """Waves (110 250,) of one split of the open corpus."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return [torch.from_numpy(read_audio(folder / row["clip"])[:SAMPLES]) for row in rows]


def first_codec(pool: MelPool, device: str) -> Codec:
    """The codec at the linear optimum."""
    torch.manual_seed(0)
    codec = Codec().to(device)
    codec.fit_linear([pool.batch(64, 7, i, PLAIN, codec.mel) for i in range(FIT_BATCHES)])
    return codec


def stage(
    name: str,
    codec: Codec,
    config: TrainConfig,
    pools: list[tuple[MelPool, int]],
    valid: Tensor,
    out: Path,
    chunk: Chunk,
) -> Codec | None:
    """Train through one schedule; each step takes so many clips of each pool.

    Returns the averaged codec, or None where the chunk was over before the end.
    """
    folder = out / name
    folder.mkdir(exist_ok=True)
    found = (folder / "state.json").exists()
    state = load_state(codec, config, folder) if found else State.start(codec, config)
    last = time.monotonic()
    while state.step < config.steps:
        batch = [
            p.batch(n, config.seed + i, state.step, config.augment, codec.mel)
            for i, (p, n) in enumerate(pools)
        ]
        metrics = train_step(state, torch.cat(batch), config)
        if time.monotonic() - last > 240 or state.step == config.steps or chunk.over():
            averaged = state.averaged()
            looks = {
                "stage": name,
                "step": state.step,
                **metrics,
                "swap_db": swap_change(averaged, valid[:64], 512),
            }
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps({**looks, "valid": valid_error(averaged, valid)}) + "\n")
            save_state(state, config, folder)
            chunk.tell(state.step + (FIRST.steps if name == "second" else 0))
            last = time.monotonic()
            if chunk.over():
                return None
    return state.averaged()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path, help="folder that collect_music.py wrote")
    parser.add_argument("corpus", type=Path, help="the open corpus")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=FIRST.steps, help="of the first stage")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many, with a checkpoint")
    args = parser.parse_args()
    chunk = Chunk(args.out, args.steps + SECOND.steps, args.minutes)
    if not (args.out / "pool" / "pool.json").exists():
        MelPool.write(args.out / "pool", tracks(args.music))
    pool = MelPool.open(args.out / "pool").to(args.device)
    clips = MelPool.from_waves(corpus_clips(args.corpus, "train"), device=args.device)
    waves = torch.stack(corpus_clips(args.corpus, "valid"))
    valid = LogMel(MelConfig())(normalise_loudness(waves, MelConfig())[0]).to(args.device)
    codec = first_codec(pool, args.device)
    first = replace(FIRST, steps=args.steps, compile=True)
    halfway = stage("first", codec, first, [(pool, 64)], valid, args.out, chunk)
    if halfway is None:
        return
    second, both = replace(SECOND, compile=True), [(pool, 48), (clips, 16)]
    done = stage("second", halfway, second, both, valid, args.out, chunk)
    if done is None:
        return
    codec = done
    codec.fit_ranges([pool.batch(64, 31, i, PLAIN, codec.mel) for i in range(40)])
    codec.save(args.out / "codec.safetensors")


if __name__ == "__main__":
    main()
