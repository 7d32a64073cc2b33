"""Remake the shipped texture weights from the log-mels that `train_codec.py` left.

    python -m benchmarks.train_texture POOL CORPUS OUT [--minutes 45]

POOL is the folder with mels.f16, CORPUS the open corpus: its valid clips are watched, its test clips are
never opened. OUT receives log.jsonl and texture.safetensors, the running average, every few minutes.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.corpus import load
from surco.audio.mel import LogMel, normalise_loudness
from surco.codec import Codec
from surco.codec.mel_pool import Augment, MelPool, generator
from surco.codec.texture import Texture, flow_loss
from surco.codec.training import TrainConfig, draw_sizes

RATE = 2e-3
BATCH = 16  # clips
SIZES = TrainConfig(smallest=32)
AUGMENT = Augment(tilt_db=2.0)


@torch.no_grad()
def decoded_at(codec: Codec, mel: Tensor, sizes: Tensor) -> Tensor:
    """Log-mels (B, n_mels, 431) that the codec makes of log-mels at `sizes` (B,) numbers each."""
    return codec.through(mel, sizes).clamp_min(codec.mel.floor_db)


@torch.no_grad()
def valid_loss(texture: Texture, codec: Codec, mel: Tensor) -> float:
    """Loss on valid log-mels (N, n_mels, 431), always at the same sizes, times and noise."""
    rng = generator(9)
    sizes = draw_sizes(len(mel), SIZES, rng)
    parts = zip(mel.split(16), sizes.split(16), strict=True)
    losses = [float(flow_loss(texture, decoded_at(codec, m, s), m, s, rng)) * len(m) for m, s in parts]
    return sum(losses) / len(mel)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pool", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=45)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    args.out.mkdir(parents=True, exist_ok=True)
    pool, codec = MelPool.open(args.pool), Codec.load()
    waves = load(args.corpus, "valid", limit=34).waves
    valid = LogMel(codec.mel)(normalise_loudness(waves, codec.mel)[0])
    texture = Texture()
    average = copy.deepcopy(texture).eval()
    optimiser = torch.optim.AdamW(texture.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.01)
    start, looked, step, running = time.monotonic(), 0.0, 0, 1.0
    while (spent := (time.monotonic() - start) / 60 / args.minutes) < 1:
        rate = RATE * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * spent))
        for group in optimiser.param_groups:
            group["lr"] = rate
        rng = generator(0, step, 2)
        mel = pool.batch(BATCH, 0, step, AUGMENT, codec.mel)
        sizes = draw_sizes(BATCH, SIZES, rng)
        with torch.autocast("cpu", torch.bfloat16):
            loss = flow_loss(texture, decoded_at(codec, mel, sizes).float(), mel, sizes, rng)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(texture.parameters(), 1.0)
        optimiser.step()
        step += 1
        decay = min(0.999, step / (step + 10))
        with torch.no_grad():
            for mine, new in zip(average.parameters(), texture.parameters(), strict=True):
                mine.lerp_(new, 1 - decay)
        running += (loss.item() - running) * 0.02
        if time.monotonic() - looked > 180 or step == 20:
            looked = time.monotonic()
            told = {"step": step, "minutes": spent * args.minutes, "loss": running}
            told["valid"] = valid_loss(average, codec, valid)
            print(json.dumps(told), flush=True)
            with (args.out / "log.jsonl").open("a") as log:
                log.write(json.dumps(told) + "\n")
            average.save(args.out / "texture.safetensors")
    average.save(args.out / "texture.safetensors")
    print(f"{step} steps, {step * BATCH} clips, valid loss {valid_loss(average, codec, valid):.4f}")


if __name__ == "__main__":
    main()
