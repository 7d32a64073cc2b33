"""Training of the codec: a flat config, a state, and a step that is a function of both.

Prefix sizes are drawn anew for every clip of every step (nested dropout, Rippel et al. 2014), so that
the dimensions of a vector order themselves by use. The batch of a step follows from seed and step alone:
a run that was killed and resumed ends in the same weights as one left alone.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from surco.codec.codec import SIZES, Codec
from surco.codec.linear import from_patches
from surco.codec.mel_pool import Augment, MelPool, generator
from surco.codec.plateau import FACTOR
from surco.codec.precision import Muon, bf16_is_fast
from surco.codec.vector_layout import mel_size
from surco.errors import InputError
from surco.training_state import TrainingState, save_training_state, update_average


@dataclass(frozen=True)
class TrainConfig:
    """Everything a training run depends on, beside the data and the weights it starts from."""

    steps: int = 6000
    batch_size: int = 64  # clips
    matrix_lr: float = 0.01  # Muon, on the matrices of the transformers
    other_lr: float = 1e-3  # AdamW, on everything else
    warmup: int = 50  # steps
    fall: bool = True  # half a cosine to the last step; without it the rate stays, but for cuts
    ema: float = 0.998  # decay of the running average of weights
    smallest: int = 16  # of the prefix sizes drawn
    largest: int = 2048
    whole: float = 0.5  # share of clips trained at a size of the protocol rather than any between
    tilt_db: float = 3.0
    bend: float = 0.0
    mix: float = 0.0
    loud: float = 0.0  # extra weight of the loudest parts of a clip in the loss; 0 is plain L1
    bf16: bool = True  # matrix products in bfloat16, where the device is quick at it
    compile: bool = False
    seed: int = 0

    @property
    def augment(self) -> Augment:
        return Augment(tilt_db=self.tilt_db, bend=self.bend, mix=self.mix)


@dataclass
class State:
    """A training run between two steps."""

    codec: Codec
    ema: dict[str, Tensor]  # running average of the trained weights
    matrices: torch.optim.Optimizer
    others: torch.optim.Optimizer
    step: int = 0
    skipped: int = 0  # steps whose gradient was not finite
    cuts: list[int] = field(default_factory=list)  # steps at which the rate was cut
    forward: Callable[..., Tensor] | None = field(default=None, repr=False)

    @classmethod
    def start(cls, codec: Codec, config: TrainConfig) -> "State":
        """The state before the first step; `codec` is trained in place."""
        named = dict(codec.named_parameters())
        codec.linear.prepare()
        matrices = [p for name, p in named.items() if ".blocks." in name]
        others = [p for name, p in named.items() if ".blocks." not in name]
        forward = torch.compile(codec_loss_terms) if config.compile else codec_loss_terms
        return cls(
            codec=codec,
            ema={name: p.detach().clone() for name, p in named.items()},
            matrices=Muon(matrices, lr=config.matrix_lr, weight_decay=0.0, momentum=0.95),
            others=torch.optim.AdamW(others, lr=config.other_lr, weight_decay=0.0, betas=(0.9, 0.95)),
            forward=forward,
        )

    def averaged(self) -> Codec:
        """A copy of the codec with the averaged weights: the one to evaluate and to keep."""
        twin = Codec(self.codec.config, self.codec.mel, self.codec.vocoder).to(self.codec.low.device)
        twin.load_state_dict({**self.codec.state_dict(), **self.ema})
        return twin.eval()


def draw_sizes(count: int, config: TrainConfig, rng: torch.Generator) -> Tensor:
    """Prefix sizes (count,): log-uniform, a share of them snapped to the protocol's sizes."""
    low, high = math.log2(config.smallest), math.log2(config.largest)
    size = (2 ** (low + (high - low) * torch.rand(count, generator=rng))).round()
    within = [s for s in SIZES if config.smallest <= s <= config.largest] or [config.largest]
    ladder = torch.tensor(within, dtype=torch.float32)
    snapped = ladder[torch.randint(len(ladder), (count,), generator=rng)]
    return torch.where(torch.rand(count, generator=rng) < config.whole, snapped, size)


def codec_loss_terms(codec: Codec, mel: Tensor, sizes: Tensor, loud: float) -> Tensor:
    """Mean absolute error in dB (B,) of log-mels (B, M, 431) coded with `sizes` (B,) dimensions each."""
    decoded = codec.through(mel, sizes)  # (B, M, F)
    floor = codec.mel.floor_db
    # Below the floor all is one: no error, and no pull, where both are there.
    error = torch.where((mel <= floor) & (decoded < floor), 0.0, (decoded - mel).abs())
    if loud:
        level = (mel - mel.amax((1, 2), keepdim=True) + 60).clamp(0, 60) / 60  # 0 at -60 dB, 1 at the peak
        weight = 1 + loud * level
        error = error * weight / weight.mean((1, 2), keepdim=True)
    return error.mean((1, 2))


def train_step(state: State, mel: Tensor, config: TrainConfig) -> dict[str, float]:
    """One step on log-mels (B, M, 431) and its metrics; without a finite gradient it changes nothing."""
    rng = generator(config.seed, state.step, 1)
    sizes = draw_sizes(len(mel), config, rng).to(mel.device)
    rate = schedule(state.step, config) * FACTOR ** len(state.cuts)
    state.matrices.param_groups[0]["lr"] = config.matrix_lr * rate
    state.others.param_groups[0]["lr"] = config.other_lr * rate
    state.codec.train()
    with torch.autocast(mel.device.type, torch.bfloat16, enabled=config.bf16 and bf16_is_fast(mel.device)):
        error = (state.forward or codec_loss_terms)(state.codec, mel, sizes, config.loud)
    loss = error.mean()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.codec.parameters(), 10.0)
    state.step += 1
    if norm.isfinite():
        state.matrices.step()
        state.others.step()
        named = dict(state.codec.named_parameters())
        averages = (state.ema[name] for name in named)
        update_average(averages, named.values(), decay=config.ema, step=state.step)
    else:
        state.skipped += 1
    for p in state.codec.parameters():
        p.grad = None
    return {"train/l1_db": loss.item(), "train/gradient": norm.item(), "train/rate": rate}


def schedule(step: int, config: TrainConfig) -> float:
    """Share of the learning rate: a short rise, then half a cosine to zero at the last step, or none."""
    rise = min(1.0, (step + 1) / max(config.warmup, 1))
    if not config.fall:
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * min(step / max(config.steps, 1), 1.0)))


@torch.no_grad()
def valid_error(
    codec: Codec, mel: Tensor, sizes: tuple[int, ...] = SIZES, batch: int = 64
) -> dict[int, float]:
    """Mean L1 in dB between log-mels (N, M, 431) and what the codec makes of them, by size."""
    totals = dict.fromkeys((s for s in sizes if s <= codec.size), 0.0)
    for part in mel.split(batch):
        coefficients = codec.encode_mel(part)
        for size in totals:
            decoded = codec.decode_coefficients(coefficients[:, : mel_size(size) - 1])
            totals[size] += float((decoded.clamp_min(codec.mel.floor_db) - part).abs().mean((1, 2)).sum())
    return {size: total / len(mel) for size, total in totals.items()}


@torch.no_grad()
def swap_change(codec: Codec, mel: Tensor, size: int) -> float:
    """Mean change in dB of what the network adds when clips exchange vectors; near 0, it ignores them."""
    z = codec.encode_mel(mel)[:, : mel_size(size) - 1]
    own = codec.decode_coefficients(z) - from_linear(codec, z)
    return float((own - own.roll(1, 0)).abs().mean())


def from_linear(codec: Codec, coefficients: Tensor) -> Tensor:
    """The linear part alone of what coefficients (B, k) decode to, log-mels (B, M, 431)."""
    return from_patches(codec.linear.patches(codec.linear.synthesise(coefficients)))


def fit(state: State, pool: MelPool, config: TrainConfig) -> Iterator[dict[str, float]]:
    """Run to the end of the schedule, giving each step's metrics; stop iterating to pause."""
    device = str(next(state.codec.parameters()).device)
    pool = pool.to(device)
    while state.step < config.steps:
        mel = pool.batch(config.batch_size, config.seed, state.step, config.augment, state.codec.mel)
        began = time.perf_counter()
        metrics = train_step(state, mel, config)
        metrics["time/model_s"] = time.perf_counter() - began  # the loss was read: the device has finished
        if state.skipped > 20:
            raise InputError("Training gave no finite gradient for 20 steps; lower the learning rate.")
        yield metrics


# -- checkpoints -----------------------------------------------------------------------------------


def save_state(state: State, config: TrainConfig, folder: Path) -> None:
    """Write a state that `load_state` continues bit for bit."""
    save_training_state(
        folder,
        {"codec": state.codec.state_dict(), "ema": state.ema},
        {"matrices": state.matrices, "others": state.others},
        {"step": state.step, "skipped": state.skipped, "cuts": state.cuts, "config": asdict(config)},
    )


def load_state(codec: Codec, config: TrainConfig, folder: Path) -> State:
    """The state that `save_state` wrote, in a codec of the same shape; refuses one of another config."""
    saved = TrainingState(folder, config=asdict(config))
    codec.load_state_dict(saved.group("codec"))
    state = State.start(codec, config)
    state.ema = saved.group("ema", next(codec.parameters()).device)
    saved.restore("matrices", state.matrices)
    saved.restore("others", state.others)
    state.step, state.skipped, state.cuts = (saved.facts[name] for name in ("step", "skipped", "cuts"))
    return state
