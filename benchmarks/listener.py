"""A listener to train against: a small network that learned, without labels, which clips are of one track.

    nice -n 19 python -m benchmarks.listener MUSIC OUT [--steps 900] [--device cuda]

MUSIC is the folder with music.i16 that `collect_music.py` gathered. Two clips of a track are to lie nearer
than those of other tracks (Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018),
whatever their equaliser, level, tempo within a tenth and pitch within two mel bands. OUT receives a
checkpoint and listener.safetensors. Called again it goes on. It is no judge: what is measured is heard by
musicnn, which nothing here is trained with.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.chunks import Chunk
from benchmarks.music import Music
from surco.audio.mel import LogMel, MelConfig, normalise_loudness
from surco.codec import SAMPLES
from surco.codec.mel_pool import Augment, altered, generator
from surco.files import write_bytes
from surco.training_state import TrainingState, save_training_state

TRACKS, FRAMES = 48, 208  # a step; frames of a clip that are heard
RATE, TEMPERATURE = 1e-3, 0.1
AUGMENT = Augment(tilt_db=6.0, bend=0.1)
LEVEL_DB, SHIFT = 3.0, 2


class Listener(nn.Module):
    """Log-mels (B, 80, F) in dB to unit vectors (B, 128)."""

    position: Tensor

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 160), dim: int = 128):
        super().__init__()
        before = (2, *widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(before[i], n, 3 if i else 5, stride=2, padding=1 if i else 2)
            for i, n in enumerate(widths)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(8, n) for n in widths)
        self.out = nn.Sequential(nn.Linear(2 * widths[-1] * 5, 256), nn.GELU(), nn.Linear(256, dim))
        self.register_buffer("position", torch.linspace(-1, 1, 80)[None, None, :, None])

    def features(self, mel: Tensor) -> list[Tensor]:
        """What each layer hears, (B, channels, bands, frames), half as many bands and frames in each."""
        x = levels(mel)  # (B, 1, 80, F)
        x = torch.cat([x, self.position.expand(len(x), 1, 80, x.shape[3])], 1)
        heard = []
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.gelu(norm(conv(x)))
            heard.append(x)
        return heard

    def forward(self, mel: Tensor) -> Tensor:
        x = self.features(mel)[-1]  # (B, C, 5, F / 16)
        return F.normalize(self.out(torch.cat([x.mean(3), x.amax(3)], 1).flatten(1)), dim=1)

    @classmethod
    def load(cls, path: Path) -> "Listener":
        """The one of a file that this script wrote, frozen."""
        listener = cls()
        listener.load_state_dict(load_file(path))
        return listener.eval().requires_grad_(False)


def levels(mel: Tensor) -> Tensor:
    """Log-mels (B, 80, F) in dB as networks read them, (B, 1, 80, F) near unit variance."""
    return ((mel + 35) / 15)[:, None]


class Pairs:
    """Two crops each of tracks drawn by the root of their length."""

    def __init__(self, folder: Path, config: MelConfig):
        self.music = Music(folder)
        self.tracks = [(e["start"], e["length"]) for e in self.music.index if e["length"] >= 2 * SAMPLES]
        self.weights = torch.tensor([length for _, length in self.tracks]).double().sqrt()
        self.log_mel = LogMel(config)

    def batch(self, count: int, rng: torch.Generator, device: str) -> tuple[Tensor, Tensor]:
        """Two log-mels (count, 80, FRAMES), row by row of one track."""
        chosen = torch.multinomial(self.weights, count, generator=rng).tolist()
        return self._crops(chosen, rng, device), self._crops(chosen, rng, device)

    def _crops(self, chosen: list[int], rng: torch.Generator, device: str) -> Tensor:
        waves = torch.empty(len(chosen), SAMPLES)
        for wave, (start, length) in zip(waves, (self.tracks[i] for i in chosen), strict=True):
            begin = start + int(torch.randint(length - SAMPLES + 1, (1,), generator=rng))
            wave.copy_(torch.from_numpy(self.music.wave(begin, SAMPLES)))
        config = self.log_mel.config
        normal = normalise_loudness(waves.to(device), config)[0]
        mel = altered(self.log_mel.to(device)(normal), None, AUGMENT, rng, config)  # (count, 80, 431)
        level = LEVEL_DB * torch.randn(len(mel), 1, 1, generator=rng).to(device)
        mel = torch.where(mel > config.floor_db, mel + level, mel)
        first = int(torch.randint(mel.shape[2] - FRAMES + 1, (1,), generator=rng))
        shift = int(torch.randint(-SHIFT, SHIFT + 1, (1,), generator=rng))
        return mel[:, :, first : first + FRAMES].roll(shift, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=900)
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many, with a checkpoint")
    parser.add_argument("--every", type=float, default=3, help="minutes between checkpoints")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chunk, pairs = Chunk(args.out, args.steps, args.minutes), Pairs(args.music, MelConfig())
    listener = Listener().to(args.device)
    optimiser = torch.optim.AdamW(listener.parameters(), RATE, weight_decay=0.02)
    step, folder = 0, args.out / "checkpoint"
    if (folder / "state.json").exists():
        saved = TrainingState(folder, config={"steps": args.steps})
        listener.load_state_dict(saved.group("listener"))
        saved.restore("optimiser", optimiser)
        step = saved.facts["step"]
    right, saved_at = 0.0, time.monotonic()

    def checkpoint() -> None:
        facts = {"step": step, "config": {"steps": args.steps}}
        save_training_state(folder, {"listener": listener.state_dict()}, {"optimiser": optimiser}, facts)
        chunk.tell(step)
        print(json.dumps({"step": step, "right": round(right, 3)}), flush=True)

    while step < args.steps and not chunk.over():
        rng = generator(5, step)
        fall = 0.5 * (1 + math.cos(math.pi * step / args.steps))
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * max(0.02, fall)
        one, two = (listener(mel) for mel in pairs.batch(TRACKS, rng, args.device))
        alike, own = one @ two.T / TEMPERATURE, torch.arange(TRACKS, device=args.device)  # (TRACKS, TRACKS)
        loss = (F.cross_entropy(alike, own) + F.cross_entropy(alike.T, own)) / 2
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(listener.parameters(), 1.0)
        optimiser.step()
        step += 1
        right += (float((alike.argmax(1) == own).float().mean()) - right) * max(0.03, 1 / step)
        if time.monotonic() - saved_at > args.every * 60:
            checkpoint()
            saved_at = time.monotonic()
    checkpoint()
    if step == args.steps:
        weights = {k: v.detach().cpu().contiguous() for k, v in listener.state_dict().items()}
        write_bytes(args.out / "listener.safetensors", save(weights))


if __name__ == "__main__":
    main()
