"""Train a codec for one vector size, from the shipped weights or from the linear optimum of the data.

It ends when the curve on valid clips is flat, unless `steps` says when. A budget of `minutes` may end it
sooner: the result tells the `last_step`, and a spec that says `until` that step gives the same bytes.

Artifacts: `codec.safetensors`, what `Codec.load` reads; `history.json`, the error on training and valid
clips by step. The weights that did best on the valid clips are kept, those of the start among them.
"""

import copy
import json
import shutil
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from jobs.context import Context, Stopped
from jobs.done import Result
from jobs.inputs import read_json
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec
from surco.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from surco.codec.codec import Codec
    from surco.codec.mel_pool import MelPool
    from surco.codec.training import State, TrainConfig
    from surco.datasets import MusicDataset


MOST = 10_000_000  # steps
WATCHED = 512  # clips of a split whose error is watched, at most


class Spec(JobSpec):
    """Which music to train on, at which size, from which weights, for how long."""

    dataset: JobId = Field(description="prepare job whose train clips are learned and valid clips chosen by")
    size: int = Field(256, ge=2, le=2048, description="dimensions of the vector, gain included")
    init: JobId | Literal["shipped", "scratch"] = Field(
        "shipped", description="weights to start from: shipped, scratch (linear optimum), or a train job"
    )
    model: Literal["base", "large"] = Field(
        "base", description="shape of the networks from scratch: the shipped one, or six times as large"
    )
    steps: int | None = Field(
        None, ge=0, le=MOST, description="training steps; until the valid curve is flat if not given"
    )
    patience: int = Field(
        120, ge=1, description="steps without a better look before the rate is cut, twice, and then the end"
    )
    minutes: float | None = Field(None, gt=0, description="most minutes of training; see last_step")
    until: int | None = Field(
        None, ge=0, le=MOST, description="end at this step all the same: a last_step, for the same bytes"
    )
    batch_size: int = Field(16, ge=1, le=8192, description="clips a step")
    lr: float = Field(5e-4, gt=0, le=0.1, description="Muon's learning rate; AdamW takes a tenth of it")
    look_every: int = Field(12, ge=1, description="steps between looks at the valid clips")
    tilt_db: float = Field(3.0, ge=0, le=12, description="random EQ of training clips, dB")
    bend: float = Field(0.08, ge=0, le=0.2, description="random slowing of training clips")
    mix: float = Field(0.1, ge=0, le=1, description="share of training clips with another one laid over")
    checkpoint_seconds: float = Field(50, gt=0, le=60, description="longest time between checkpoints")
    render: bool = Field(True, description="render a valid clip before and after")


def run(spec: Spec, context: Context) -> Result:
    """Train, keep the best, write."""
    import torch

    from surco.codec.mel_pool import MelPool
    from surco.codec.training import TrainConfig
    from surco.datasets import MusicDataset

    folder = context.folder(spec.dataset)
    clips = {split: MusicDataset(folder, split) for split in ("train", "valid")}
    if not len(clips["train"]):
        raise InputError("The data set has no training clips; prepare it with a larger share for training.")
    context.tracker.params(spec.model_dump(mode="json"))
    context.progress(0, 1, "taking log-mels")
    pools = {
        split: MelPool.from_waves((data[i][0] for i in needed(spec, data, split)), device=context.device)
        for split, data in clips.items()
        if len(data)
    }
    codec = start(spec, context, pools["train"]).to(context.device)
    mels = {split: whole(pool, codec, limit=WATCHED) for split, pool in pools.items()}
    judged = "valid" if "valid" in mels else "train"
    if judged == "train":
        context.log("The data set has no valid clips; the weights are chosen by the training clips.")
    cuda = torch.device(context.device).type == "cuda"
    few = spec.steps is not None and spec.steps < 200
    config = TrainConfig(
        steps=MOST if spec.steps is None else spec.steps,
        fall=spec.steps is not None,
        batch_size=spec.batch_size,
        matrix_lr=spec.lr,
        other_lr=spec.lr / 10,
        warmup=50 if spec.steps is None else max(1, min(50, spec.steps // 10)),
        ema=0.9 if few else 0.99,
        smallest=spec.size,
        largest=spec.size,
        tilt_db=spec.tilt_db,
        bend=spec.bend,
        mix=spec.mix,
        bf16=cuda,
        compile=cuda,
        seed=spec.seed,
    )
    best, history, ended, speed = train(spec, context, config, codec, pools["train"], mels)
    shutil.copyfile(best, context.out / "codec.safetensors")
    (context.out / "history.json").write_text(json.dumps(history, indent=1))
    return {**finish(spec, context, clips[judged], history, speed, judged), "ended_by": ended}


def needed(spec: Spec, data: "MusicDataset", split: str) -> list[int]:
    """Clips of a split to take log-mels of: all that may be of use, one a track first.

    Of valid clips those that are watched; of training clips twice as many as a short training draws.
    """
    from surco.datasets.sampling import pick_clips

    most = WATCHED if split == "valid" else None
    if split == "train" and spec.steps is not None and spec.init != "scratch":
        most = max(WATCHED, 2 * spec.steps * spec.batch_size)
    return pick_clips([clip.track for clip in data.clips], most, seed=spec.seed)


def start(spec: Spec, context: Context, pool: "MelPool") -> "Codec":
    """The codec before the first step, whole vector `size` dimensions."""
    import torch

    from surco.codec.codec import SHAPES, Codec

    if spec.init != "scratch" and spec.model != "base":
        raise InputError(f"A {spec.model} model has no weights to start from; train it from scratch.")
    if spec.init == "scratch":
        torch.manual_seed(spec.seed)
        codec = Codec(replace(SHAPES[spec.model], size=spec.size)).to(context.device)
        mels = whole(pool, codec, limit=20_000)
        codec.fit_linear([mels[i : i + 64] for i in range(0, len(mels), 64)])
        return codec
    path = None if spec.init == "shipped" else context.artifact(spec.init, "codec.safetensors")
    codec = Codec.load(path)
    if spec.size > codec.size:
        raise InputError(
            f"The weights to start from have {codec.size} dimensions, not {spec.size}; use scratch."
        )
    return codec.truncated(spec.size)


def whole(pool: "MelPool", codec: "Codec", limit: int) -> "Tensor":
    """Log-mels (N, M, 431) of one crop a track, unaltered: the first of each, spread over at most `limit`."""
    import torch

    first = pool.choices - (pool.lengths - 430)
    rows = torch.linspace(0, len(first) - 1, min(limit, len(first))).round().long()
    return torch.cat([pool.crop(part, codec.mel) for part in torch.split(first[rows], 256)])


def train(
    spec: Spec,
    context: Context,
    config: "TrainConfig",
    codec: "Codec",
    pool: "MelPool",
    mels: "dict[str, Tensor]",
) -> "tuple[Path, list[dict[str, float]], str, dict[str, float]]":
    """Weights that did best, the looks, what ended it, how fast it went; resumes from the last checkpoint."""
    from surco.codec.plateau import verdict
    from surco.codec.training import State, fit, load_state, save_state, valid_error

    folder = context.scratch() / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    best = folder / "best.safetensors"
    history: list[dict[str, float]] = []
    seen: list[float] = []
    measure = "valid/l1_db" if "valid" in mels else "train/l1_db"
    spent, began = 0.0, time.monotonic()  # s, by those who trained before, and when this one began

    def seconds() -> float:
        return spent + time.monotonic() - began

    def look(state: "State") -> None:
        averaged = state.averaged()
        entry: dict[str, float] = {"step": state.step}
        for split, mel in mels.items():
            entry[f"{split}/l1_db"] = valid_error(averaged, mel, (spec.size,))[spec.size]
        if seen:
            entry["train/batch_l1_db"] = sum(seen) / len(seen)
            seen.clear()
        history.append(entry)
        if best_entry(history) is entry:
            averaged.save(best)
        context.tracker.metrics({k: v for k, v in entry.items() if k != "step"}, step=state.step)
        if spec.steps is None and verdict(history, measure, state.cuts, spec.patience) == "cut":
            state.cuts.append(state.step)
            context.log(f"No better look for {spec.patience} steps: the rate is cut at step {state.step}.")

    def checkpoint(state: "State") -> None:
        save_state(state, config, folder)
        (folder / "history.json").write_text(json.dumps([history, seen, seconds()]))
        context.save_checkpoint(folder, state.step)

    def load(found: Path) -> "tuple[State, list[dict[str, float]], list[float], float]":
        told, last, before = json.loads((found / "history.json").read_text())
        resumed = load_state(copy.deepcopy(codec), config, found)
        shutil.copyfile(found / "best.safetensors", best)
        return resumed, told, last, before

    def ended(state: "State") -> str | None:
        if spec.until is not None and state.step >= spec.until:
            return "until"
        if state.step >= config.steps:
            return "steps"
        if spec.minutes is not None and seconds() >= 60 * spec.minutes:
            return "minutes"
        if spec.steps is None and verdict(history, measure, state.cuts, spec.patience) == "end":
            return "flat"
        return None

    if resumed := context.resume(load):
        state, history, seen, spent = resumed
        context.log(f"Resuming at step {state.step}.")
    else:
        state = State.start(codec, config)
        look(state)
    saved, first, busy = time.monotonic(), state.step, 0.0
    training = fit(state, pool, config)
    try:
        while (end := ended(state)) is None:
            metrics = next(training)
            busy += metrics.pop("time/model_s")
            seen.append(metrics["train/l1_db"])
            stepwise = {"step/l1_db": metrics["train/l1_db"], "step/rate": metrics["train/rate"]}
            context.tracker.metrics(stepwise, step=state.step)
            if state.step % spec.look_every == 0 or state.step == config.steps:
                look(state)
            if time.monotonic() - saved >= spec.checkpoint_seconds:
                checkpoint(state)
                saved = time.monotonic()
            likely = config.steps if spec.steps is not None else state.step + spec.patience
            context.progress(state.step, spec.until or likely, f"L1 {metrics['train/l1_db']:.2f} dB")
    except Stopped:
        checkpoint(state)
        raise
    if history[-1]["step"] != state.step:
        look(state)
    if end == "minutes":
        checkpoint(state)  # whoever takes over ends at this step too
    wall = max(time.monotonic() - began, 1e-9)
    done = state.step - first
    idle = 1 - busy / wall if done else 0.0
    speed = {"clips_per_second": done * spec.batch_size / wall, "idle_share": idle}
    return best, history, end, speed


def best_entry(history: list[dict[str, float]]) -> dict[str, float]:
    """The look with the least error on valid clips (training clips, without any); the first of equals."""
    key = "valid/l1_db" if "valid/l1_db" in history[0] else "train/l1_db"
    return min(history, key=lambda entry: entry[key])


def finish(
    spec: Spec,
    context: Context,
    clips: "MusicDataset",
    history: list[dict[str, float]],
    speed: dict[str, float],
    judged: str,
) -> Result:
    """Render one clip before and after, register the weights, and say in a sentence what came of it."""
    from surco.codec.codec import Codec

    codec = Codec.load(context.out / "codec.safetensors")
    if spec.render and len(clips):
        wave = clips[0][0][None]
        before = Codec.load() if spec.init == "shipped" else codec
        for name, which in (("original", None), ("start", before), ("end", codec)):
            if name == "start" and spec.init != "shipped":
                continue
            sound = wave if which is None else which.decode(which.encode(wave, spec.size))
            render(context, f"{name}-{spec.size}" if which else name, sound[0])
    best, first, last = best_entry(history), history[0], history[-1]
    key = f"{judged}/l1_db"
    if best["step"] == 0:
        sentence = (
            f"No step did better on {judged} clips than the start ({first[key]:.3f} dB), which is kept."
        )
    else:
        sentence = (
            f"Step {best['step']:.0f} of {last['step']:.0f} did best on {judged} clips: "
            f"{first[key]:.3f} dB at the start, {best[key]:.3f} dB now."
        )
    context.log(sentence)
    context.tracker.tags({"codec": codec.fingerprint, "best_step": str(best["step"])})
    context.tracker.metrics({"best_l1_db": best[key], **speed}, step=int(last["step"]))
    return {
        "codec": codec.fingerprint,
        "config": asdict(codec.config),
        "size": spec.size,
        "best_step": int(best["step"]),
        "last_step": int(last["step"]),
        "start_l1_db": first[key],
        "best_l1_db": best[key],
        "judged_by": judged,
        "summary": sentence,
    }


def render(context: Context, name: str, wave: "Tensor") -> None:
    """Log a wave (T,) as sound."""
    from surco.audio.io import write_wav

    path = context.scratch() / f"{name}.wav"
    write_wav(path, wave.clamp(-1, 1).cpu().numpy(), 22_050)
    context.tracker.artifact(path, "audio")


KIND = JobKind(
    name="train",
    spec=Spec,
    run=run,
    queue="gpu",
    artifacts=("codec.safetensors", "history.json"),
    sweep=(
        SweepPart(
            section="train",
            per_size=True,
            inputs={"dataset": Input("data")},
            values=lambda sweep, size: {"size": size},
        ),
    ),
    evidence=(
        Evidence("trained", lambda context, job: context.result(job)),
        Evidence("histories", lambda context, job: read_json(context, job, "history.json")),
    ),
    flags={"init": "--from"},
)
