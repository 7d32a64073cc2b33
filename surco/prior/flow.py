"""Training of a rectified flow over whitened vectors: a state, and pure steps over it.

Liu, Gong & Liu, "Flow Straight and Fast" (2022); Lipman et al., "Flow Matching for Generative
Modeling" (2022). A step's noise follows from (seed, step) alone, so a resumed run draws what an
undisturbed one would have drawn.
"""

import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from surco.prior.network import Velocity
from surco.training_state import TrainingState, save_training_state, update_average

DEEP_FROM = 4000  # training vectors from which an MLP on the coordinates does more good than harm
_NETWORKS = ("model", "ema", "best")


@dataclass(frozen=True)
class FlowConfig:
    """Size of the network and of its training."""

    width: int = 256
    depth: int | None = None  # blocks of the MLP; None: 3 with DEEP_FROM training vectors, else none
    dropout: float = 0.1
    steps: int = 3000
    patience: int = 600  # steps without a better valid loss after which training ends
    batch_size: int = 256
    lr: float = 1e-3
    weight_decay: float = 0.05
    ema: float = 0.995
    drop_genre: float = 0.15  # share of rows trained as 'any genre', which guidance needs
    drop_previous: float = 0.5  # share of rows trained without the clip before
    seed: int = 0


@dataclass
class Data:
    """Whitened vectors with what they are conditioned on."""

    z: Tensor  # (N, D)
    genre: Tensor  # (N,)
    previous: Tensor  # (N,) a row of the same track that came before, or -1


@dataclass
class State:
    """Everything a step reads and writes."""

    model: Velocity
    ema: Velocity  # exponential moving average of the weights
    best: Velocity  # the average that was best on valid; this is what samples
    optimiser: torch.optim.AdamW
    step: int = 0


def new_state(
    size: int, centres: np.ndarray, memory: np.ndarray, config: FlowConfig, *, device: str = "cpu"
) -> State:
    """Untrained state: `centres` (G, D) the genre means in z, `memory` (D,) the step from the clip before."""

    def build() -> Velocity:
        net = Velocity(
            size, len(centres), width=config.width, depth=config.depth or 0, dropout=config.dropout
        )
        net.centres[:-1] = torch.from_numpy(np.asarray(centres, np.float32))
        net.memory.copy_(torch.from_numpy(np.asarray(memory, np.float32)))
        return net

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build().to(device)
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(
        model.parameters(), config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    return State(model, average, copy.deepcopy(average), optimiser)


def remainder_loss(
    net: Velocity, z: Tensor, x0: Tensor, t: Tensor, weight: Tensor, **condition: Tensor
) -> Tensor:
    """Share of what a Gaussian leaves unexplained that the network leaves too: 1 is the Gaussian, scalar.

    z and x0 (B, D) are the ends of the path, t (B,) the time on it, weight (D,) how audible a coordinate is.
    """
    x = (1 - t[:, None]) * x0 + t[:, None] * z  # (B, D)
    base, deviation, remainder = net.split(x, t, **condition)
    target = (z - x0 - base) / deviation  # (B, D)
    return ((remainder - target) ** 2 * weight).mean()


def draw(
    data: Data, rows: Tensor, config: FlowConfig, any_genre: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """A batch: ends, times, and conditions of which some are dropped.

    Times are logit-normal about 2/3 (Esser et al. 2024): early on the path x is all noise, and there
    is nothing to learn that a Gaussian does not know.
    """
    n, size = len(rows), data.z.shape[1]
    before = data.previous[rows]  # (B,)
    keep = (torch.rand(n, generator=generator) >= config.drop_previous).to(before.device)  # (B,)
    has = ((before >= 0) & keep).float()  # (B,)
    genre = data.genre[rows].clone()  # (B,)
    genre[(torch.rand(n, generator=generator) < config.drop_genre).to(genre.device)] = any_genre
    x0 = torch.randn(n, size, generator=generator)  # (B, D)
    t = torch.sigmoid(0.7 + torch.randn(n, generator=generator))  # (B,)
    device = data.z.device
    return {
        "z": data.z[rows],  # (B, D)
        "x0": x0.to(device),
        "t": t.to(device),
        "genre": genre,
        "previous": data.z[before.clamp_min(0)] * has[:, None],  # (B, D)
        "has_previous": has,
    }


def train_step(state: State, data: Data, weight: Tensor, config: FlowConfig) -> tuple[State, float]:
    """One optimiser step; returns the state at the next step and the loss."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.step)
    rows = torch.randint(len(data.z), (config.batch_size,), generator=generator)  # (B,)
    warm, left = min(1.0, (state.step + 1) / 50), 1 - 0.9 * state.step / max(config.steps, 1)
    for group in state.optimiser.param_groups:
        group["lr"] = config.lr * warm * left
    state.model.train()
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator
        torch.manual_seed(config.seed * 1_000_003 + state.step)
        loss = remainder_loss(
            state.model, weight=weight, **draw(data, rows, config, state.model.any_genre, generator)
        )
    state.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
    state.optimiser.step()
    update_average(state.ema.parameters(), state.model.parameters(), decay=config.ema, step=state.step + 1)
    return replace(state, step=state.step + 1), float(loss.detach())


@torch.no_grad()
def valid_loss(net: Velocity, data: Data, weight: Tensor, *, draws: int = 8, seed: int = 0) -> float:
    """Loss on held-out vectors with fixed noise and evenly spread times; 1 is the Gaussian."""
    config = FlowConfig(drop_genre=0.0, drop_previous=0.5, seed=seed)
    rows = torch.arange(len(data.z))
    total = 0.0
    for k in range(draws):
        generator = torch.Generator().manual_seed(seed + 7919 * (k + 1))
        batch = draw(data, rows, config, net.any_genre, generator)
        batch["t"] = ((rows + (k + 0.5) / draws) / len(rows)).to(data.z.device)  # (N,) evenly spread
        total += float(remainder_loss(net, weight=weight, **batch))
    return total / draws


def save_state(state: State, config: FlowConfig, folder: Path) -> None:
    """Write networks, optimiser and step."""
    save_training_state(
        folder,
        {name: getattr(state, name).state_dict() for name in _NETWORKS},
        {"optimiser": state.optimiser},
        {"step": state.step, "config": asdict(config)},
    )


def load_state(state: State, folder: Path) -> State:
    """Fill a new state with what `save_state` wrote."""
    saved = TrainingState(folder)
    for name in _NETWORKS:
        getattr(state, name).load_state_dict(saved.group(name))
    saved.restore("optimiser", state.optimiser)
    return replace(state, step=saved.facts["step"])
