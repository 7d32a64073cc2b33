"""Training the vocoder: plain regression of magnitudes and turns of phase, no adversary."""

import json
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from surco.audio.mel import LogMel, normalise_loudness, stft
from surco.codec.vocoder import Vocoder, VocoderConfig, turns
from surco.errors import InputError

PEAK = 32_768.0  # int16 full scale


@dataclass(frozen=True)
class VocoderTrainConfig:
    """Everything that decides a training run but its data."""

    model: VocoderConfig = field(default_factory=VocoderConfig)
    steps: int = 16_000
    batch_size: int = 16  # crops
    crop_frames: int = 128  # hops; the crop is this many hops long
    lr: float = 2e-3
    warmup: int = 200  # steps
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema: float = 0.999
    gain_jitter_db: float = 3.0  # dB, uniform, to either side of the fixed loudness
    power_floor: float = 1e-9  # under which errors of log-power do not count
    phase_weight: float = 1.0
    seed: int = 0
    bf16: bool = True  # the network in bfloat16; spectra and losses stay in single precision


@dataclass
class State:
    """Where a run stands; `step` steps are done."""

    model: Vocoder
    ema: Vocoder
    optimiser: torch.optim.AdamW
    step: int = 0
    skipped: int = 0  # steps in a row whose gradient was not finite


def new_state(config: VocoderTrainConfig, *, device: str = "cpu", init: Vocoder | None = None) -> State:
    """A fresh run, from `init` or from a network drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = Vocoder(config.model)
    if init is not None:
        if init.config != config.model:
            raise InputError("The vocoder to start from has another shape: set `model` to its configuration.")
        model.load_state_dict(init.state_dict())
    model.to(device).train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.lr, betas=(0.9, 0.99), weight_decay=config.weight_decay
    )
    return State(model, deepcopy(model).eval().requires_grad_(False), optimiser)


def batch(waves: Tensor, config: VocoderTrainConfig, step: int) -> Tensor:
    """Crops (B, hop * crop_frames) of clips (N, T), float or int16: a function of seed and step alone."""
    random = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    mel = LogMel().config
    length = mel.hop * config.crop_frames
    if waves.shape[-1] < length:
        raise InputError(f"Clips of {waves.shape[-1]} samples are shorter than a crop: set crop_frames lower.")
    which = torch.randint(len(waves), (config.batch_size,), generator=random)
    start = torch.randint(waves.shape[-1] - length + 1, (config.batch_size,), generator=random).tolist()
    jitter = (2 * torch.rand(config.batch_size, generator=random) - 1) * config.gain_jitter_db
    clips = waves[which.to(waves.device)]  # (B, T)
    clips = clips.float() / PEAK if clips.dtype == torch.int16 else clips
    clips, _ = normalise_loudness(clips, mel)
    crops = torch.stack([clip[s : s + length] for clip, s in zip(clips, start, strict=True)])  # (B, hop * frames)
    return crops * (10 ** (jitter / 20)).to(crops.device)[:, None]


def losses(
    model: Vocoder, wave: Tensor, config: VocoderTrainConfig, corrupt: Callable[[Tensor], Tensor] | None = None
) -> dict[str, Tensor]:
    """The parts of the loss for waves (B, T); `corrupt` spoils the log-mel that the network is given."""
    spec = stft(wave, model.mel)  # (B, F, frames)
    power = spec.abs().square()  # (B, F, frames)
    floor = 10 ** (model.mel.floor_db / 10)
    log_mel = 10 * (model.filters @ power).clamp_min(floor).log10()  # (B, n_mels, frames)
    given = log_mel if corrupt is None else corrupt(log_mel)
    with torch.autocast(wave.device.type, torch.bfloat16, enabled=config.bf16):
        guess = model.spectrum(given)
    magnitude = (guess.power + config.power_floor).log() - (power + config.power_floor).log()
    weight = power[:, : model.config.turned_bins].sqrt().sqrt()  # (B, K, frames)
    weight = weight / weight.mean((1, 2), keepdim=True).clamp_min(1e-6)
    advance, delay = (x[:, : model.config.turned_bins] for x in turns(spec, model.mel))
    return {
        "magnitude": magnitude.abs().mean(),
        "advance": (weight * _square(guess.advance - advance)).mean(),
        "delay": (weight * _square(guess.delay - delay)).mean(),
    }


def _square(x: Tensor) -> Tensor:
    return x.real.square() + x.imag.square()


def learning_rate(config: VocoderTrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine down to a fiftieth."""
    if step < config.warmup:
        return config.lr * (step + 1) / config.warmup
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.lr * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, done))) / 2)


def train_step(
    state: State,
    wave: Tensor,
    config: VocoderTrainConfig,
    corrupt: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, float]:
    """One update of `state` on waves (B, T); a step whose gradient is not finite leaves the weights alone."""
    parts = losses(state.model, wave, config, corrupt)
    total = parts["magnitude"] + config.phase_weight * (parts["advance"] + parts["delay"])
    state.optimiser.zero_grad(set_to_none=True)
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), config.clip_norm)
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(config, state.step)
    if torch.isfinite(norm):
        state.optimiser.step()
        state.skipped = 0
    else:
        state.skipped += 1
        if state.skipped >= 20:
            raise FloatingPointError("20 steps in a row gave no finite gradient; lower the learning rate.")
    state.step += 1
    keep = min(config.ema, state.step / (state.step + 10))
    with torch.no_grad():
        torch._foreach_lerp_(list(state.ema.parameters()), list(state.model.parameters()), 1 - keep)
    return {"loss": total.item(), "grad_norm": norm.item(), **{k: v.item() for k, v in parts.items()}}


def save_state(state: State, config: VocoderTrainConfig, folder: Path) -> None:
    """Write a run to `folder`: weights and moments as safetensors, the rest as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{k}": v for k, v in state.model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in state.ema.state_dict().items()}
    for index, slot in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": torch.as_tensor(v) for k, v in slot.items()}
    part = folder / "state.safetensors.part"
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, part)
    part.replace(folder / "state.safetensors")
    facts = {"step": state.step, "skipped": state.skipped, "config": asdict(config)}
    (folder / "state.json").write_text(json.dumps(facts, indent=1, sort_keys=True))


def load_state(config: VocoderTrainConfig, folder: Path, *, device: str = "cpu") -> State:
    """The run that `save_state` wrote, to go on bit for bit."""
    facts = json.loads((folder / "state.json").read_text())
    state = new_state(config, device=device)
    tensors = load_file(folder / "state.safetensors", device=device)

    def under(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    state.model.load_state_dict(under("model."))
    state.ema.load_state_dict(under("ema."))
    whole = state.optimiser.state_dict()
    for name, value in under("adam.").items():
        index, slot = name.split(".", 1)
        whole["state"].setdefault(int(index), {})[slot] = value.cpu() if slot == "step" else value
    state.optimiser.load_state_dict(whole)
    state.step, state.skipped = facts["step"], facts["skipped"]
    return state
