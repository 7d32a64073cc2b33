"""One codec for every size against a codec of its own for each: what nesting costs.

    python -m benchmarks.dedicated POOL CORPUS [--steps 600]

All start at the same linear optimum, on the log-mels that `train_codec.py` left in POOL, and take as many
steps. Prints the log-mel L1 in dB on CORPUS's valid clips. It takes some minutes of one core a size.
"""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.corpus import find, load
from benchmarks.train_codec import FIRST, first_codec
from surco.audio.mel import LogMel, MelConfig, normalise_loudness
from surco.codec import Codec
from surco.codec.mel_pool import MelPool
from surco.codec.training import State, TrainConfig, fit, valid_error


def trained(start: Codec, pool: MelPool, config: TrainConfig) -> Codec:
    """A copy of `start` after the whole schedule."""
    state = State.start(copy.deepcopy(start), config)
    for _ in fit(state, pool, config):
        pass
    return state.averaged()


def line(name: str, errors: dict[int, float]) -> str:
    return f"{name:24s}" + "".join(f"  {size}: {error:.3f}" for size, error in errors.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512, 2048])
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    reason = find(args.corpus)
    if reason:
        print(reason)
        return
    torch.set_num_threads(1)
    pool = MelPool.open(args.pool)
    waves = load(args.corpus, "valid").waves
    valid: Tensor = LogMel(MelConfig())(normalise_loudness(waves, MelConfig())[0])
    start = first_codec(pool, "cpu")
    config = replace(FIRST, steps=args.steps, ema=0.99, compile=True)
    sizes = tuple(args.sizes)
    print(line("linear start", valid_error(start, valid, sizes)), flush=True)
    print(line("one codec for all", valid_error(trained(start, pool, config), valid, sizes)), flush=True)
    for size in sizes:
        alone = trained(start, pool, replace(config, smallest=size, largest=size))
        print(line(f"its own for {size}", valid_error(alone, valid, (size,))), flush=True)


if __name__ == "__main__":
    main()
