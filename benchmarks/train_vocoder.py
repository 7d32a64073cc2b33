"""Remake the shipped vocoder weights from the music that `collect_music.py` gathered.

    python -m benchmarks.train_vocoder MUSIC OUT [--minutes 9] [--device cuda]

OUT receives a checkpoint and, at the end, vocoder.safetensors. Killed and started again, it goes on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.chunks import Chunk
from surco.codec import SAMPLES, Codec
from surco.codec.vocoder_training import (
    VocoderTrainConfig,
    batch,
    decoded_by,
    load_state,
    new_state,
    save_state,
    train_step,
)

SAVE_EVERY = 100  # steps


def clips(folder: Path) -> Tensor:
    """The music as clips (N, 110 250) int16, in the file and not in memory."""
    raw = np.memmap(folder / "music.i16", np.int16, "c")
    return torch.from_numpy(raw[: len(raw) // SAMPLES * SAMPLES].reshape(-1, SAMPLES))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=6640)
    parser.add_argument("--batch", type=int, default=16, help="crops a step")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many, with a checkpoint")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = VocoderTrainConfig(
        steps=args.steps, batch_size=args.batch, compile=args.device.startswith("cuda")
    )
    chunk, folder = Chunk(args.out, args.steps, args.minutes), args.out / "checkpoint"
    found = (folder / "state.json").exists()
    state = load_state(config, folder, device=args.device) if found else new_state(config, device=args.device)
    waves, spoil = clips(args.music), decoded_by(Codec.load().to(args.device))
    while state.step < args.steps and not chunk.over():
        data = batch(waves, config, state.step, spoil)
        told = train_step(state, data, config)
        if state.step % SAVE_EVERY == 0:
            save_state(state, config, folder)
            chunk.tell(state.step)
            print(f"step {state.step}, loss {told['loss']:.4f}", flush=True)
    save_state(state, config, folder)
    chunk.tell(state.step)
    if state.step == args.steps:
        state.ema.save(args.out / "vocoder.safetensors")


if __name__ == "__main__":
    main()
