"""Training the vocoder: plain regression of magnitudes and turns of phase, no adversary."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from surco.audio.mel import LogMel, MelConfig, normalise_loudness, stft
from surco.codec.codec import Codec
from surco.codec.precision import bf16_is_fast
from surco.codec.vocoder import Vocoder, VocoderConfig, turns
from surco.errors import InputError
from surco.training_state import TrainingState, save_training_state, update_average

PEAK = 32_768.0  # int16 full scale
Spoil = Callable[[Tensor, torch.Generator], Tensor]  # log-mels (B, n_mels, frames) of whole clips, made worse


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
    spoilt_share: float = 0.4  # of the crops, when there is a way to spoil them
    tones_share: float = 0.15  # of the crops, replaced by made-up notes
    seed: int = 0
    bf16: bool = True  # the network in bfloat16, where the device is quick at it; spectra and losses are not
    compile: bool = False  # the network through torch.compile


@dataclass(frozen=True)
class Batch:
    """Waves (B, T) and the log-mels (B, n_mels, 1 + T // hop) the network is given for them."""

    wave: Tensor
    log_mel: Tensor


@dataclass
class State:
    """Where a run stands; `step` steps are done."""

    model: Vocoder
    ema: Vocoder
    optimiser: torch.optim.AdamW
    predict: Callable[[Tensor], Tensor]  # the model's, compiled or not
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
    average = deepcopy(model).eval().requires_grad_(False)
    return State(model, average, optimiser, torch.compile(model.predict) if config.compile else model.predict)


def decoded_by(codec: Codec, *, smallest: int = 32) -> Spoil:
    """The mels that `codec` decodes from vectors of random sizes, evenly spread in octaves."""

    @torch.no_grad()
    def spoil(log_mel: Tensor, random: torch.Generator) -> Tensor:
        octaves = math.log2(codec.size / smallest)
        sizes = (smallest * 2 ** (octaves * torch.rand(len(log_mel), generator=random))).round()  # (B,)
        return codec.through(log_mel, sizes.to(log_mel.device)).clamp_min(codec.mel.floor_db)

    return spoil


def tones(count: int, samples: int, random: torch.Generator) -> Tensor:
    """Waves (count, samples) of four made-up notes over noise, at the fixed loudness.

    Music alone leaves the network unsure of bare tones between two bands, half a semitone off.
    """
    mel = MelConfig()

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=random)

    t = torch.arange(samples) / mel.sample_rate  # (T,) s
    order = torch.arange(1, 9)[:, None]  # (8, 1) number of the partial
    pitch = 2 ** draw(5, 11, 4, 1, 1) * order  # (count, 4, 8, 1) Hz
    level = order ** -draw(0.5, 6, 4, 1, 1) * (pitch < mel.sample_rate / 2)  # (count, 4, 8, 1)
    since = t - draw(0, 1, 4, 1) * samples / mel.sample_rate  # (count, 4, T) s since the note began
    shape = (since > 0) * torch.exp(-draw(0, 4, 4, 1) * since.clamp_min(0))  # (count, 4, T)
    shape[:, 0] = 1.0  # one of the notes is held throughout
    partials = level * torch.sin(2 * math.pi * (pitch * t + draw(0, 1, 4, 8, 1)))  # (count, 4, 8, T)
    loudness = 10 ** draw(-1.5, 0, 4, 1)  # (count, 4, 1)
    notes = (loudness * shape * partials.sum(2)).sum(1)  # (count, T)
    noise = torch.randn(count, samples, generator=random) * 10 ** draw(-5, -1.5, 1)  # (count, T)
    return normalise_loudness(notes + noise, mel)[0]


def batch(waves: Tensor, config: VocoderTrainConfig, step: int, spoil: Spoil | None = None) -> Batch:
    """Crops of clips (N, T), float or int16, on hops: a function of seed and step alone."""
    random = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    log_mel = LogMel().to(waves.device)
    mel, frames = log_mel.config, config.crop_frames
    room = waves.shape[-1] // mel.hop - frames
    if room < 0:
        raise InputError(f"Clips of {waves.shape[-1]} samples are too short to crop; set crop_frames lower.")
    which = torch.randint(len(waves), (config.batch_size,), generator=random)
    start = torch.randint(room + 1, (config.batch_size,), generator=random).tolist()  # in hops
    jitter = (2 * torch.rand(config.batch_size, generator=random) - 1) * config.gain_jitter_db
    clips = waves[which.to(waves.device)]  # (B, T)
    clips = clips.float() / PEAK if clips.dtype == torch.int16 else clips
    clips = normalise_loudness(clips, mel)[0] * (10 ** (jitter / 20)).to(clips.device)[:, None]
    wave = torch.stack([c[s * mel.hop : (s + frames) * mel.hop] for c, s in zip(clips, start, strict=True)])
    made = int(config.tones_share * config.batch_size)
    if made:
        wave = torch.cat([wave[:-made], tones(made, wave.shape[1], random).to(wave.device)])
    given = log_mel(wave)  # (B, n_mels, frames + 1)
    spoilt = int(config.spoilt_share * config.batch_size) if spoil else 0
    if spoil and spoilt:
        whole = spoil(log_mel(clips[:spoilt]), random)  # (b, n_mels, 1 + T // hop)
        cut = [m[:, s : s + frames + 1] for m, s in zip(whole, start[:spoilt], strict=True)]
        given = torch.cat([torch.stack(cut), given[spoilt:]])
    return Batch(wave, given)


def losses(state: State, data: Batch, config: VocoderTrainConfig) -> dict[str, Tensor]:
    """Errors of log-power (nepers) and of the turns of phase, weighted towards what is loud."""
    model = state.model
    spec = stft(data.wave, model.mel)  # (B, F, frames)
    power = _square(spec)  # (B, F, frames)
    quick = config.bf16 and bf16_is_fast(spec.device)
    with torch.autocast(spec.device.type, torch.bfloat16, enabled=quick):
        out = state.predict(data.log_mel)  # (B, F + 4 K, frames)
    guess = model.spectrum(data.log_mel, out.float())
    error = (guess.power + config.power_floor).log() - (power + config.power_floor).log()
    weight = power[:, : model.config.turned_bins].sqrt().sqrt()  # (B, K, frames)
    weight = weight / weight.mean((1, 2), keepdim=True).clamp_min(1e-6)
    advance, delay = (x[:, : model.config.turned_bins] for x in turns(spec, model.mel))
    return {
        "magnitude": error.abs().mean(),
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


def train_step(state: State, data: Batch, config: VocoderTrainConfig) -> dict[str, float]:
    """One update of `state`; a step whose gradient is not finite leaves the weights alone."""
    parts = losses(state, data, config)
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
    update_average(state.ema.parameters(), state.model.parameters(), decay=config.ema, step=state.step)
    return {"loss": total.item(), "grad_norm": norm.item(), **{k: v.item() for k, v in parts.items()}}


def save_state(state: State, config: VocoderTrainConfig, folder: Path) -> None:
    """Write a run to `folder`."""
    save_training_state(
        folder,
        {"model": state.model.state_dict(), "ema": state.ema.state_dict()},
        {"adam": state.optimiser},
        {"step": state.step, "skipped": state.skipped, "config": asdict(config)},
    )


def load_state(config: VocoderTrainConfig, folder: Path, *, device: str = "cpu") -> State:
    """The run that `save_state` wrote, to go on bit for bit."""
    saved, state = TrainingState(folder), new_state(config, device=device)
    state.model.load_state_dict(saved.group("model"))
    state.ema.load_state_dict(saved.group("ema"))
    saved.restore("adam", state.optimiser)
    state.step, state.skipped = saved.facts["step"], saved.facts["skipped"]
    return state
