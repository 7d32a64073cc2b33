"""Train a peer on the training clips for so many minutes of one core's time, once; then it is on disk."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.peers.models import HOP, Peer, build
from surco.metrics.spectrum import multi_scale_mels

BATCH = 4
CROP = 10 * HOP  # samples, 1.6 s
RATE = 22_050


@dataclass(frozen=True)
class Budget:
    """What a peer was given."""

    minutes: float  # of processor time, one core
    steps: int
    clip_seconds: float  # seconds of sound seen
    parameters: int
    loss: float  # mean of the last twenty steps


def loss_of(decoded: Tensor, wave: Tensor) -> Tensor:
    """Multi-scale mel distance, DAC's main term, and a little L1 of the wave to fix its sign."""
    scales = zip(multi_scale_mels(decoded, RATE), multi_scale_mels(wave, RATE), strict=True)
    return (
        sum(((a - b).abs().mean() for a, b in scales), torch.tensor(0.0)) + 2 * (decoded - wave).abs().mean()
    )


def train(peer: Peer, waves: Tensor, minutes: float, *, seed: int = 0) -> Budget:
    """Adam on random crops of clips (M, T) at the fixed loudness, until the processor time is spent."""
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(peer.parameters(), lr=6e-4, betas=(0.8, 0.99))
    start, steps = time.thread_time(), 0
    losses: list[float] = []
    while (spent := (time.thread_time() - start) / 60) < minutes:
        for group in optimiser.param_groups:  # straight down to a tenth over the budget
            group["lr"] = 6e-4 * (1 - 0.9 * spent / minutes)
        rows = torch.randint(len(waves), (BATCH,), generator=generator).tolist()
        starts = torch.randint(waves.shape[1] - CROP, (BATCH,), generator=generator).tolist()
        crops = torch.stack([waves[r, s : s + CROP] for r, s in zip(rows, starts, strict=True)])  # (B, CROP)
        loss = loss_of(peer(crops), crops)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), 1.0)
        optimiser.step()
        steps += 1
        losses = [*losses[-19:], loss.item()]
    count = sum(p.numel() for p in peer.parameters())
    return Budget(minutes, steps, steps * BATCH * CROP / RATE, count, sum(losses) / max(1, len(losses)))


def trained(
    name: str,
    size: int,
    waves: Tensor,
    minutes: float,
    folder: Path,
    *,
    seed: int = 0,
    log: Callable[[str], None] = print,
) -> tuple[Peer, Budget]:
    """A trained peer from `folder`, trained now if it is not there."""
    torch.manual_seed(seed)  # the packages' own initialisations know no generator
    peer = build(name, size)
    path = folder / f"{name}-{size}-{minutes:g}min-{len(waves)}clips-seed{seed}.safetensors"
    if not path.exists():
        log(f"training {name} at {size} dimensions for {minutes:g} minutes of processor time")
        budget = train(peer, waves, minutes, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        weights = {k: v.contiguous() for k, v in peer.state_dict().items()}
        save_file(weights, part, metadata={"budget": json.dumps(asdict(budget))})
        part.replace(path)
    with safe_open(path, framework="pt") as file:
        budget = Budget(**json.loads(file.metadata()["budget"]))
    peer.load_state_dict(load_file(path))
    return peer.eval(), budget
