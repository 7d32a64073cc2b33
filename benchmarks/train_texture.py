"""Train the shipped texture further, or anew, on the music that `collect_music.py` gathered.

    nice -n 19 python -m benchmarks.train_texture MUSIC CORPUS OUT [--steps 10000] [--scratch] [--device cuda]

MUSIC is the folder with music.i16, CORPUS the open corpus: its training clips join, its valid clips are
watched, its test clips are never opened. OUT receives log.jsonl, a checkpoint and the running average every
few minutes, texture.safetensors at the end. Killed and started again it goes on; the rate stays the same
and the average does the settling, so that it may be stopped at any time.
"""

import argparse
import copy
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.chunks import Chunk
from benchmarks.corpus import load
from surco.audio.mel import normalise_loudness
from surco.codec import SAMPLES, Codec
from surco.codec.mel_pool import Augment, altered, generator
from surco.codec.precision import bf16_is_fast
from surco.codec.texture import Texture, flow_loss
from surco.codec.training import TrainConfig, draw_sizes
from surco.codec.vector_layout import harmony_size
from surco.training_state import TrainingState, save_training_state, update_average

RATE = 6e-4
SIZES = TrainConfig(smallest=32)
AUGMENT = Augment(tilt_db=2.0)
DEPTH = 7  # two blocks more than what is shipped


class Known(NamedTuple):
    """Clips as the texture meets them."""

    mel: Tensor  # (B, n_mels, 431) true
    decoded: Tensor  # (B, n_mels, 431) of so many numbers
    sizes: Tensor  # (B,)
    harmony: Tensor  # (B, 32) zero beyond those of the size


class Music:
    """Crops of whole tracks and of the corpus's training clips."""

    def __init__(self, folder: Path, corpus: Path):
        self.raw = np.memmap(folder / "music.i16", np.int16, "r")
        index = json.loads((folder / "music.json").read_text())
        kept = [(e["start"], e["length"] - SAMPLES + 1) for e in index if e["length"] >= SAMPLES]
        self.starts = np.array([start for start, _ in kept])
        self.choices = np.cumsum([count for _, count in kept])
        self.clips = load(corpus, "train").waves  # (N, 110 250)

    def batch(self, size: int, rng: torch.Generator) -> Tensor:
        """Waves (size, 110 250), every eighth of the corpus."""
        waves = self.clips[torch.randint(len(self.clips), (size,), generator=rng)]
        draws = torch.randint(int(self.choices[-1]), (size,), generator=rng).numpy()
        for i in range(size):
            if i % 8:
                track = int(np.searchsorted(self.choices, draws[i], side="right"))
                begin = self.starts[track] + draws[i] - (self.choices[track - 1] if track else 0)
                crop = self.raw[begin : begin + SAMPLES].astype(np.float32) / 32_767
                waves[i] = torch.from_numpy(crop)
        return waves


@torch.no_grad()
def known(codec: Codec, waves: Tensor, rng: torch.Generator, augment: Augment) -> Known:
    """Clips (B, 110 250) decoded at drawn sizes."""
    normal = normalise_loudness(waves, codec.mel)[0]
    mel = altered(codec.log_mel(normal), None, augment, rng, codec.mel)
    sizes = draw_sizes(len(mel), SIZES, rng).to(mel.device)
    harmony = codec.harmony.analyse(normal)  # (B, 32)
    counts = torch.tensor([harmony_size(int(s)) for s in sizes], device=mel.device)
    harmony = harmony * (torch.arange(32, device=mel.device) < counts[:, None])
    return Known(mel, codec.through(mel, sizes).float().clamp_min(codec.mel.floor_db), sizes, harmony)


def loss_of(texture: Texture, clips: Known, rng: torch.Generator) -> Tensor:
    return flow_loss(texture, clips.decoded, clips.mel, clips.sizes, rng, clips.harmony)


@torch.no_grad()
def valid_loss(texture: Texture, codec: Codec, waves: Tensor) -> float:
    """Loss on valid clips (N, 110 250), always at the same sizes, times and noise."""
    rng = generator(9)
    losses = []
    for part in waves.split(16):
        clips = known(codec, part, rng, Augment(tilt_db=0))
        losses.append(float(loss_of(texture, clips, rng)) * len(part))
    return sum(losses) / len(waves)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=16, help="clips a step")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many, with a checkpoint")
    parser.add_argument("--scratch", action="store_true", help="from nothing, in the shape that is shipped")
    parser.add_argument("--every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chunk = Chunk(args.out, args.steps, args.minutes)
    codec, music = Codec.load().to(args.device), Music(args.music, args.corpus)
    valid = load(args.corpus, "valid", limit=64).waves.to(args.device)
    start = Texture() if args.scratch else Texture.load()
    larger = start.config if args.scratch else replace(start.config, depth=DEPTH, harmony=True)
    texture = start.grown(larger).train().to(args.device)
    average = copy.deepcopy(texture).eval()
    optimiser = torch.optim.AdamW(texture.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.01)
    step, folder = 0, args.out / "checkpoint"
    if (folder / "state.json").exists():
        saved = TrainingState(folder, config={"batch": args.batch})
        texture.load_state_dict(saved.group("texture"))
        average.load_state_dict(saved.group("average"))
        saved.restore("optimiser", optimiser)
        step = saved.facts["step"]

    def checkpoint() -> None:
        save_training_state(
            folder,
            {"texture": texture.state_dict(), "average": average.state_dict()},
            {"optimiser": optimiser},
            {"step": step, "config": {"batch": args.batch}},
        )
        average.save(
            args.out / ("texture.safetensors" if step == args.steps else "texture-so-far.safetensors")
        )
        chunk.tell(step)
        told = {"step": step, "cpu_minutes": time.process_time() / 60, "loss": running}
        told["valid"] = valid_loss(average, codec, valid)
        print(json.dumps(told), flush=True)
        with (args.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(told) + "\n")

    running, saved_at = 0.0, time.monotonic()
    if step == 0:
        checkpoint()
    while step < args.steps and not chunk.over():
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100)
        rng = generator(1, step, 2)
        waves = music.batch(args.batch, rng).to(args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=bf16_is_fast(torch.device(args.device))):
            loss = loss_of(texture, known(codec, waves, rng, AUGMENT), rng)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(texture.parameters(), 1.0)
        optimiser.step()
        step += 1
        update_average(average.parameters(), texture.parameters(), decay=0.999, step=step)
        running += (loss.item() - running) * max(0.02, 1 / step)
        if time.monotonic() - saved_at > args.every * 60:
            checkpoint()
            saved_at = time.monotonic()
    checkpoint()


if __name__ == "__main__":
    main()
