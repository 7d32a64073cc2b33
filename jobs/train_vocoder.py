"""Train the vocoder that all vector sizes share, from the shipped weights or from the mel's inversion.

Artifacts: `vocoder.safetensors`, what `Vocoder.load` reads; `history.json`, losses and the log-mel
error of decoded valid clips by step. The weights that did best on the valid clips are kept, those of
the start among them.
"""

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from jobs.context import Context, Stopped
from jobs.done import Result
from jobs.kinds import JobKind
from jobs.spec import JobId, JobSpec
from surco.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from surco.codec.vocoder import Vocoder
    from surco.codec.vocoder_training import Spoil, State, VocoderTrainConfig


class Spec(JobSpec):
    """Which music to train on, from which weights, for how long."""

    dataset: JobId = Field(description="prepare job whose train clips are learned and valid clips chosen by")
    init: Literal["shipped", "scratch"] = Field("shipped", description="weights to start from")
    steps: int = Field(64, ge=0, le=10_000_000, description="training steps")
    batch_size: int = Field(16, ge=1, le=8192, description="crops a step")
    crop_seconds: float = Field(1.5, ge=0.2, le=4.9, description="length of a crop")
    lr: float = Field(5e-4, gt=0, le=0.1, description="AdamW's learning rate at its peak")
    spoilt_share: float = Field(0.4, ge=0, le=1, description="share of crops the shipped codec decoded")
    look_every: int = Field(32, ge=1, description="steps between looks at the valid clips")
    checkpoint_seconds: float = Field(50, gt=0, le=60, description="longest time between checkpoints")


def run(spec: Spec, context: Context) -> Result:
    """Train, look at the valid clips as it goes, keep the best, render one clip."""
    import torch

    from jobs.prepare import dataset_folder
    from surco.audio.io import write_wav
    from surco.audio.mel import normalise_loudness
    from surco.codec import SAMPLES, Codec
    from surco.codec.vocoder import Vocoder, VocoderConfig
    from surco.codec.vocoder_training import VocoderTrainConfig, decoded_by
    from surco.datasets import MusicDataset

    folder = dataset_folder(context, spec.dataset)
    train, valid = (MusicDataset(folder, split) for split in ("train", "valid"))
    if not len(train):
        raise InputError("The data set has no training clips; prepare it with a larger share for training.")
    if train.sample_rate != 22_050:
        raise InputError(f"The data set is at {train.sample_rate} Hz, not 22050; prepare it again.")
    context.tracker.params(spec.model_dump(mode="json"))
    shipped = Vocoder.load() if spec.init == "shipped" else None
    config = VocoderTrainConfig(
        model=shipped.config if shipped else VocoderConfig(),
        steps=spec.steps,
        batch_size=spec.batch_size,
        crop_frames=round(spec.crop_seconds * 22_050 / 256),
        lr=spec.lr,
        warmup=max(1, min(200, spec.steps // 10)),
        ema=0.9 if spec.steps < 500 else 0.999,
        spoilt_share=spec.spoilt_share,
        seed=spec.seed,
        compile=torch.device(context.device).type == "cuda",
    )
    judged = valid if len(valid) else train
    sample = torch.stack([judged[i][0] for i in range(min(8, len(judged)))]).to(context.device)  # (b, T)
    sample, _ = normalise_loudness(sample, Vocoder(config.model).mel)
    waves = train.waves(context.device)  # (N, T)
    spoil = None
    if spec.spoilt_share and waves.shape[1] == SAMPLES:
        spoil = decoded_by(Codec.load().to(context.device))
    history = _train(spec, context, config, shipped, waves, sample, spoil)
    best = min(history, key=lambda entry: entry["valid/log_mel_db"])
    vocoder = Vocoder.load(context.out / "vocoder.safetensors").to(context.device)
    for name, wave in (("original", sample[:1]), ("vocoded", decoded(vocoder, sample[:1]))):
        path = context.scratch() / f"{name}.wav"
        write_wav(path, wave[0].clamp(-1, 1).cpu().numpy(), 22_050)
        context.tracker.artifact(path, "audio")
    (context.out / "history.json").write_text(json.dumps(history, indent=1))
    context.tracker.artifact(context.out / "vocoder.safetensors", "weights")
    return {
        "best_step": int(best["step"]),
        "start_log_mel_db": history[0]["valid/log_mel_db"],
        "best_log_mel_db": best["valid/log_mel_db"],
    }


def _train(
    spec: Spec,
    context: Context,
    config: "VocoderTrainConfig",
    init: "Vocoder | None",
    waves: "Tensor",
    sample: "Tensor",
    spoil: "Spoil | None",
) -> list[dict[str, float]]:
    """Looks at the valid clips by step; leaves the best weights in `context.out`. Resumes."""
    from surco.codec.vocoder_training import batch, load_state, new_state, save_state, train_step

    folder = context.scratch() / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kept = context.out / "vocoder.safetensors"
    history: list[dict[str, float]] = []
    last: dict[str, float] = {}

    def look(state: "State") -> None:
        entry = {"step": float(state.step), "valid/log_mel_db": log_mel_error(state.ema, sample)}
        history.append(entry | {f"train/{name}": value for name, value in last.items()})
        if entry["valid/log_mel_db"] <= min(h["valid/log_mel_db"] for h in history):
            state.ema.save(kept)
        context.tracker.metrics({k: v for k, v in history[-1].items() if k != "step"}, state.step)

    def checkpoint(state: "State") -> None:
        save_state(state, config, folder)
        (folder / "history.json").write_text(json.dumps(history))
        shutil.copyfile(kept, folder / "best.safetensors")
        context.save_checkpoint(folder, state.step)

    def load(found: Path) -> "tuple[State, list[dict[str, float]]]":
        told = json.loads((found / "history.json").read_text())
        resumed = load_state(config, found, device=context.device)
        shutil.copyfile(found / "best.safetensors", kept)
        return resumed, told

    if resumed := context.resume(load):
        state, history = resumed
        context.log(f"Resuming at step {state.step}.")
    else:
        state = new_state(config, device=context.device, init=init)
        look(state)
    began, first, saved = time.monotonic(), state.step, time.monotonic()
    try:
        while state.step < config.steps:
            last = train_step(state, batch(waves, config, state.step, spoil), config)
            if state.step % spec.look_every == 0 or state.step == config.steps:
                look(state)
            if time.monotonic() - saved >= spec.checkpoint_seconds:
                checkpoint(state)
                saved = time.monotonic()
            context.progress(state.step, config.steps, f"loss {last['loss']:.3f}")
    except Stopped:
        checkpoint(state)
        raise
    pace = (state.step - first) * spec.batch_size / max(time.monotonic() - began, 1e-9)
    context.tracker.metrics({"crops_per_second": pace}, state.step)
    return history


def decoded(vocoder: "Vocoder", waves: "Tensor") -> "Tensor":
    """Waves (B, T) as the vocoder makes them from their log-mel."""
    import torch

    from surco.audio.mel import LogMel

    with torch.no_grad():
        made: Tensor = vocoder(LogMel(vocoder.mel).to(waves.device)(waves))
    return made


def log_mel_error(vocoder: "Vocoder", waves: "Tensor") -> float:
    """L1 in dB between the log-mels of waves (B, T) and of what the vocoder makes of them."""
    from surco.audio.mel import LogMel

    log_mel = LogMel(vocoder.mel).to(waves.device)
    sound = decoded(vocoder, waves)
    return float((log_mel(waves[:, : sound.shape[1]]) - log_mel(sound)).abs().mean())


KIND = JobKind(
    name="train_vocoder",
    spec=Spec,
    run=run,
    queue="gpu",
    artifacts=("vocoder.safetensors", "history.json"),
    flags={"init": "--from"},
)
