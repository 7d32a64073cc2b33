"""What the train job adds to its loop: paired runs of it and of a plain loop over the same steps.

    python -m benchmarks.machinery [--pairs 10] [--steps 40]

Both take the same clips from the same weights, look at the valid clips at the start and at the end, and
keep the better weights; the job also tells metrics and progress at every step, into a folder. No server
takes part: `make bench-queue` measures those. Seconds are the processor's, so that other work on the
machine counts for little. Writes `benchmarks/results/machinery.md`.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from jobs import train
from jobs.local import local_context
from surco.codec import Codec
from surco.codec.mel_pool import MelPool
from surco.codec.training import State, TrainConfig, fit, valid_error
from surco.files import write_bytes

SIZE, BATCH = 128, 16


def plain(codec: Codec, pool: MelPool, mels: torch.Tensor, config: TrainConfig, folder: Path) -> None:
    """The loop as a script would have it."""
    state = State.start(codec, config)
    best = float("inf")
    for when in ("start", "end"):
        for _ in fit(state, pool, config) if when == "end" else ():
            pass
        averaged = state.averaged()
        errors = [valid_error(averaged, mel, (SIZE,))[SIZE] for mel in (mels, mels)]
        if errors[0] < best:
            best = errors[0]
            averaged.save(folder / "best.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    noise = torch.randn(24, 110_250, generator=torch.Generator().manual_seed(0))
    pool = MelPool.from_waves(0.1 * wave.cumsum(0) / 100 for wave in noise)
    spec = train.Spec(
        dataset="0" * 64, size=SIZE, steps=args.steps, batch_size=BATCH, look_every=args.steps, render=False
    )
    config = TrainConfig(
        steps=args.steps, batch_size=BATCH, smallest=SIZE, largest=SIZE, bf16=False, warmup=4, ema=0.9
    )
    mels = train.whole(pool, Codec.load(), limit=16)

    def seconds(run: Any) -> float:
        codec = Codec.load().truncated(SIZE)
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            run(codec, Path(folder))
            return time.process_time() - began

    def job(codec: Codec, folder: Path) -> None:
        context = local_context(folder, "1" * 64)
        train.train(spec, context, config, codec, pool, {"train": mels, "valid": mels})

    def script(codec: Codec, folder: Path) -> None:
        plain(codec, pool, mels, config, folder)

    seconds(job), seconds(script)  # what is compiled or loaded once
    shares = []
    for pair in range(args.pairs):
        first, second = (job, script) if pair % 2 else (script, job)
        took = {first: seconds(first), second: seconds(second)}
        shares.append(100 * (took[job] / took[script] - 1))
        print(
            f"pair {pair + 1}: job {took[job]:.2f} s, plain {took[script]:.2f} s, {shares[-1]:+.2f} %",
            flush=True,
        )
    drawn = np.random.default_rng(0).choice(shares, (10_000, len(shares))).mean(1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    command = f"python -m benchmarks.machinery --pairs {args.pairs} --steps {args.steps}"
    head = f"# The train job over a plain loop\n\n`{command}`\n\nCommit {machine.commit()}; {machine.kind()}."
    text = (
        f"{head}\n\n{args.steps} steps of {BATCH} clips at {SIZE} numbers, {args.pairs} pairs in turns: "
        f"the job takes {np.mean(shares):+.2f} % more of the processor's time ({low:+.2f} to {high:+.2f}, "
        f"95 % bootstrap over pairs; median {np.median(shares):+.2f} %).\n"
    )
    write_bytes(args.out / "machinery.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
