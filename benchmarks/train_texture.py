"""Train the shipped texture further, or anew, on the music that `collect_music.py` gathered.

    nice -n 19 python -m benchmarks.train_texture MUSIC CORPUS LISTENER OUT [--steps 6600] [--scratch]

MUSIC is the folder with music.i16, CORPUS the open corpus: its training clips join, its valid clips are
watched, its test clips are never opened. LISTENER is the file of `listener.py`: whatever it hears is to
happen as often in a drawn clip as in the true one, at whatever time, while the drawn one stays near the true
one. OUT receives log.jsonl, a checkpoint and the running average every few minutes, texture.safetensors at
the end. Killed and started again it goes on, on a GPU by `--device cuda`; the rate stays the same and the
average does the settling, so that it may be stopped at any time.
"""

import argparse
import copy
import json
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from benchmarks.chunks import Chunk
from benchmarks.corpus import load
from benchmarks.listener import Listener, levels
from benchmarks.music import Music
from surco.audio.mel import normalise_loudness
from surco.codec import SAMPLES, Codec
from surco.codec.mel_pool import Augment, altered, generator
from surco.codec.texture import Texture, within
from surco.codec.training import TrainConfig, draw_sizes
from surco.codec.vector_layout import harmony_size
from surco.training_state import TrainingState, save_training_state, update_average

RATE = 1e-3
WEIGHTS = {"l1": 1.0, "heard": 1.0}
OFTEN = 0.35  # share of clips at 512 numbers, beside those of any size
SIZES = TrainConfig(smallest=32)
AUGMENT = Augment(tilt_db=2.0, bend=0.05)


class Known(NamedTuple):
    """Clips as the texture meets them."""

    mel: Tensor  # (B, n_mels, 431) true
    decoded: Tensor  # (B, n_mels, 431) of so many numbers
    sizes: Tensor  # (B,)
    harmony: Tensor  # (B, 32) zero beyond those of the size


class Crops:
    """Clips anywhere in whole tracks, and the corpus's training clips."""

    def __init__(self, folder: Path, corpus: Path):
        self.music = Music(folder)
        kept = [(e["start"], e["length"] - SAMPLES + 1) for e in self.music.index if e["length"] >= SAMPLES]
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
                waves[i] = torch.from_numpy(self.music.wave(begin, SAMPLES))
        return waves


@torch.no_grad()
def known(codec: Codec, waves: Tensor, rng: torch.Generator, augment: Augment) -> Known:
    """Clips (B, 110 250) decoded at drawn sizes."""
    normal = normalise_loudness(waves, codec.mel)[0]
    mel = altered(codec.log_mel(normal), None, augment, rng, codec.mel)
    sizes = draw_sizes(len(mel), SIZES, rng)
    often = torch.rand(len(mel), generator=rng) < OFTEN
    sizes = torch.where(often, torch.full_like(sizes, 512.0), sizes).to(mel.device)
    harmony = codec.harmony.analyse(normal)  # (B, 32)
    counts = torch.tensor([harmony_size(int(s)) for s in sizes], device=mel.device)
    harmony = harmony * (torch.arange(32, device=mel.device) < counts[:, None])
    return Known(mel, codec.through(mel, sizes).float().clamp_min(codec.mel.floor_db), sizes, harmony)


def drawn(texture: Texture, codec: Codec, clips: Known, rng: torch.Generator) -> Tensor:
    """Log-mels (B, n_mels, 431) with texture, each of its own noise."""
    noise = texture.noise(rng, clips.mel.shape[2], len(clips.mel)).to(clips.mel.device)
    change = texture.change(clips.decoded, clips.sizes, noise, clips.harmony)
    return within(clips.decoded + codec.unseen(change, clips.sizes), clips.decoded, codec.mel)


def heard(listener: Listener, mel: Tensor) -> list[Tensor]:
    """What a log-mel (B, 80, F) and each layer of a listener hold, channels and bands sorted over time."""
    return [x.sort(-1)[0] for x in (levels(mel), *listener.features(mel))]


def losses_of(listener: Listener, true: Tensor, made: Tensor) -> dict[str, Tensor]:
    """What drawn log-mels (B, 80, F) are to make small.

    `l1` is their distance from the true ones in dB, `heard` the Wasserstein distance, over time, between what
    the listener hears in either, in standard deviations: as textures are compared (Heitz et al., "A Sliced
    Wasserstein Loss for Neural Texture Synthesis", 2021), but of a clip and its own original.
    """
    with torch.no_grad():
        wanted = heard(listener, true)
    pairs = zip(heard(listener, made), wanted, strict=True)
    apart = [(a - b).abs().mean() / (b.std() + 1e-6) for a, b in pairs]
    return {"l1": (made - true).abs().mean(), "heard": torch.stack(apart).sum()}


class Balance:
    """One gradient of several losses, each brought to its weight whatever its own size.

    As EnCodec's balancer does (Défossez et al., 2022). `sizes` are the running sizes of the gradients.
    """

    def __init__(self, weights: Mapping[str, float], sizes: Mapping[str, float] | None = None):
        self.weights, self.sizes = dict(weights), dict(sizes or {})

    def gradient(self, losses: Mapping[str, Tensor], made: Tensor) -> Tensor:
        """The gradient at `made`, a leaf that the losses were made of: of norm one for one of weight one."""
        total = torch.zeros_like(made)
        for i, (name, loss) in enumerate(losses.items()):
            (found,) = torch.autograd.grad(loss, made, retain_graph=i + 1 < len(losses))
            size = found.square().mean().sqrt().item()
            self.sizes[name] = 0.98 * self.sizes.get(name, size) + 0.02 * size
            total += self.weights[name] / (self.sizes[name] + 1e-12) * found
        return total / total.numel() ** 0.5


@torch.no_grad()
def valid_losses(texture: Texture, listener: Listener, codec: Codec, waves: Tensor) -> dict[str, float]:
    """Losses on valid clips (N, 110 250), always at the same sizes and noise, with texture and without."""
    rng = generator(9)
    sums: dict[str, float] = defaultdict(float)
    for part in waves.split(16):
        clips = known(codec, part, rng, Augment(tilt_db=0))
        for prefix, mel in (("", drawn(texture, codec, clips, rng)), ("plain_", clips.decoded)):
            for name, loss in losses_of(listener, clips.mel, mel).items():
                sums[prefix + name] += float(loss) * len(part) / len(waves)
    return dict(sums)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("listener", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=6600)
    parser.add_argument("--batch", type=int, default=8, help="clips a step")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many, with a checkpoint")
    parser.add_argument("--scratch", action="store_true", help="from nothing, in the shape that is shipped")
    parser.add_argument("--every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chunk = Chunk(args.out, args.steps, args.minutes)
    codec, crops = Codec.load().to(args.device), Crops(args.music, args.corpus)
    valid = load(args.corpus, "valid", limit=64).waves.to(args.device)
    texture = (Texture() if args.scratch else Texture.load()).train().to(args.device)
    listener, balance = Listener.load(args.listener).to(args.device), Balance(WEIGHTS)
    average = copy.deepcopy(texture).eval()
    optimiser = torch.optim.AdamW(texture.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01)
    step, folder = 0, args.out / "checkpoint"
    if (folder / "state.json").exists():
        saved = TrainingState(folder, config={"batch": args.batch})
        texture.load_state_dict(saved.group("texture"))
        average.load_state_dict(saved.group("average"))
        saved.restore("optimiser", optimiser)
        step, balance = saved.facts["step"], Balance(WEIGHTS, saved.facts["sizes"])

    def checkpoint() -> None:
        save_training_state(
            folder,
            {"texture": texture.state_dict(), "average": average.state_dict()},
            {"optimiser": optimiser},
            {"step": step, "sizes": balance.sizes, "config": {"batch": args.batch}},
        )
        average.save(
            args.out / ("texture.safetensors" if step == args.steps else "texture-so-far.safetensors")
        )
        chunk.tell(step)
        told = {"step": step, "cpu_minutes": time.process_time() / 60, **running}
        told |= {f"valid_{k}": v for k, v in valid_losses(average, listener, codec, valid).items()}
        print(json.dumps({k: round(v, 4) for k, v in told.items()}), flush=True)
        with (args.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(told) + "\n")

    running: dict[str, float] = {}
    saved_at = time.monotonic()
    if step == 0:
        checkpoint()
    while step < args.steps and not chunk.over():
        rng = generator(1, step, 2)
        clips = known(codec, crops.batch(args.batch, rng).to(args.device), rng, AUGMENT)
        made = drawn(texture, codec, clips, rng)
        leaf = made.detach().requires_grad_()
        losses = losses_of(listener, clips.mel, leaf)
        optimiser.zero_grad()
        made.backward(0.1 * balance.gradient(losses, leaf))
        torch.nn.utils.clip_grad_norm_(texture.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 100)
        optimiser.step()
        step += 1
        update_average(average.parameters(), texture.parameters(), decay=0.995, step=step)
        for name, value in losses.items():
            before = running.get(name, value.item())
            running[name] = before + 0.02 * (value.item() - before)
        if time.monotonic() - saved_at > args.every * 60:
            checkpoint()
            saved_at = time.monotonic()
    checkpoint()


if __name__ == "__main__":
    main()
