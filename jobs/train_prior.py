"""Train a prior over the vectors of a data set: a rectified flow that makes new vectors by genre.

Artifacts: `prior.safetensors`; `curve.json` (loss by step; step 0 is the Gaussian), `tuning.json`
(guidance, steps and temperature, chosen on valid), `comparison.json` (against a Gaussian, a mixture and
training vectors, on test, in vectors and in sound) and `figures/*.png`.
"""

import copy
import time
from dataclasses import asdict
from functools import partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.figures import draw
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    from surco.bench import Bench
    from surco.codec import Codec
    from surco.latents.vectors import VectorSet
    from surco.prior.flow import State
    from surco.prior.prior import Prior
    from surco.prior.prior_report import Coherence, Comparison, Curve, Training, Tuning

LEARNED_NOTHING = "The network learned nothing: no step was better on valid than the Gaussian, which is kept."


class Spec(JobSpec):
    """Which vectors to learn, with how large a network, for how long."""

    vectors: JobId = Field(description="embed job whose vectors are learned")
    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    dataset: JobId | None = Field(
        None, description="prepare job; needed to judge in sound and to find neighbours"
    )
    steps: int = Field(3000, ge=1, le=1_000_000, description="most steps of training")
    patience: int = Field(600, ge=100, description="steps without a better valid loss after which it ends")
    width: int = Field(256, ge=16, le=4096)
    depth: int | None = Field(None, ge=0, le=32, description="blocks of the MLP; by the data if not given")
    dropout: float = Field(0.1, ge=0, lt=1)
    batch_size: int = Field(256, ge=1)
    lr: float = Field(1e-3, gt=0, le=1)
    per_genre: int = Field(
        48, ge=4, description="new vectors per genre that settings and systems are judged by"
    )
    listen_per_genre: int = Field(0, ge=0, description="of them decoded and judged as sound too; 8 is enough")
    judge_clips: int = Field(60, ge=2, description="training clips per genre that teach the style classifier")
    checkpoint_seconds: float = Field(30, gt=0)


def run(spec: Spec, context: Context) -> Result:
    """Train, choose settings on valid, compare on test, write."""
    from dataclasses import replace

    from jobs.inputs import load_codec
    from surco.latents.vectors import VectorSet
    from surco.prior.compare import compare, systems
    from surco.prior.prior_report import Comparison
    from surco.prior.tune import tune

    vectors = VectorSet.load(context.artifact(spec.vectors, "vectors.safetensors"))
    codec = load_codec(context, spec.codec)
    vectors.require(codec=codec.fingerprint)
    prior, curve, sentence = train(spec, context, vectors)
    tuning = tune(
        prior,
        vectors.take(split="valid"),
        per_genre=spec.per_genre,
        seed=spec.seed,
        progress=lambda done, total: context.progress(done, total, "choosing settings"),
    )
    if curve.best_step == 0:
        context.log(LEARNED_NOTHING)
    prior = replace(prior, settings=tuning.settings)
    prior.save(context.out / "prior.safetensors")
    rivals = systems(prior, vectors, seed=spec.seed)

    def note(name: str) -> None:
        context.progress(0, 1, f"judging {name}")

    tables = [compare(rivals, vectors, per_genre=spec.per_genre, seed=spec.seed, progress=note)]
    if spec.listen_per_genre and spec.dataset:
        bench = make_bench(spec, context, vectors, codec)
        few = spec.listen_per_genre
        tables.append(compare(rivals, vectors, per_genre=few, bench=bench, seed=spec.seed, progress=note))
    whole = Comparison(
        neighbours=sentence,
        settings=prior.settings,
        coherence=judge_coherence(spec, context, prior, vectors),
        tables=tables,
    )
    for document, name in ((curve, "curve"), (tuning, "tuning"), (whole, "comparison")):
        context.tracker.artifact(document.save(context.out / f"{name}.json"))
    return publish(context, prior, curve, tuning, whole)


def train(spec: Spec, context: Context, vectors: "VectorSet") -> "tuple[Prior, Curve, str]":
    """The trained prior, its curve, and the sentence on neighbours; resumes from the last checkpoint."""
    from surco.prior.fit import prepare_fit, train_prior
    from surco.prior.flow import FlowConfig, load_state, save_state
    from surco.prior.prior_report import Curve

    names = ("steps", "patience", "width", "depth", "dropout", "lr", "batch_size", "seed")
    config = FlowConfig(**{n: getattr(spec, n) for n in names})
    fitting = prepare_fit(vectors, config, _starts(spec, context), device=context.device)
    context.log(fitting.neighbours.sentence)

    def load(folder: Path) -> "tuple[State, Curve]":
        told = Curve.load(folder / "curve.json")
        return load_state(copy.deepcopy(fitting.state), folder), told

    curve = None
    if resumed := context.resume(load):
        fitting.state, curve = resumed
        context.log(f"Resuming at step {fitting.state.step}.")
    saved = time.monotonic()

    def look(state: "State", so_far: Curve) -> None:
        nonlocal saved
        context.tracker.metrics({"loss": so_far.train[-1], "valid_loss": so_far.valid[-1]}, step=state.step)
        context.progress(state.step, config.steps, f"valid loss {so_far.valid[-1]:.3f}")
        if time.monotonic() - saved >= spec.checkpoint_seconds:
            target = context.scratch() / "checkpoint"
            target.mkdir(exist_ok=True)
            save_state(state, config, target)
            so_far.save(target / "curve.json")
            context.save_checkpoint(target, state.step)
            saved = time.monotonic()

    prior, curve = train_prior(fitting, curve=curve, on_look=look)
    return prior, curve, fitting.neighbours.sentence


def _starts(spec: Spec, context: Context) -> dict[str, float] | None:
    """Where in its track each clip begins, in seconds, by clip."""
    from surco.datasets.manifest import Manifest

    if spec.dataset is None:
        return None
    context.artifact(spec.dataset, "manifest.json")
    manifest = Manifest.load(context.artifact(spec.dataset, "manifest.json").parent)
    return {clip.id: clip.start_s for clip in manifest.clips}


def make_bench(spec: Spec, context: Context, vectors: "VectorSet", codec: "Codec") -> "Bench":
    """Decoding, embedding, and a style judge that learned on real training clips."""
    import numpy as np

    from surco.bench import Bench
    from surco.datasets import MusicDataset
    from surco.datasets.sampling import spread_rows
    from surco.metrics.judge import GenreJudge, listen

    assert spec.dataset is not None
    data = MusicDataset(context.folder(spec.dataset), "train")
    rows = spread_rows([c.genre for c in data.clips], spec.judge_clips, seed=spec.seed)
    heard = []
    for done in range(0, len(rows), 8):
        context.progress(done, len(rows), "learning the styles")
        waves = np.stack([data[i][0].numpy() for i in rows[done : done + 8]])  # (B, T)
        heard.append(listen(waves, device=context.device))
    judge = GenreJudge(np.concatenate(heard), [data.clips[i].genre for i in rows], seed=spec.seed)

    return Bench(codec, vectors.size, judge=judge, beat=context.beat)


def judge_coherence(
    spec: Spec, context: Context, prior: "Prior", vectors: "VectorSet", *, clips: int = 3
) -> "Coherence":
    """How close neighbouring clips are: in the prior's songs, in clips drawn apart, and in real tracks."""
    import numpy as np

    from surco.prior.coherence import coherence, real_coherence
    from surco.prior.prior_report import Coherence
    from surco.prior.sequence import find_neighbours

    genres = [g for g in prior.genres for _ in range(8)]
    songs = np.concatenate(
        [prior.song(g, clips, seed=spec.seed + k, count=8) for k, g in enumerate(prior.genres)]
    )  # (N, clips, D)
    apart = np.stack(
        [prior.sample(genres, seed=spec.seed + 101 + k) for k in range(clips)], 1
    )  # (N, clips, D)
    test, starts = vectors.take(split="test"), _starts(spec, context)
    where = [starts[c] for c in test.clips] if starts else None
    found = find_neighbours(test.tracks, where, least=2)
    return Coherence(
        prior=coherence(songs, genres, seed=spec.seed),
        apart=coherence(apart, genres, seed=spec.seed),
        real=real_coherence(test, found.previous, seed=spec.seed) if found.pairs > 1 else None,
        real_neighbours=found.kind,
    )


def publish(
    context: Context, prior: "Prior", curve: "Curve", tuning: "Tuning", whole: "Comparison"
) -> Result:
    """Figures, metrics, and what other jobs read as the result."""
    from surco.prior.prior_figures import draw_comparison, draw_curve, draw_tuning

    folder = context.out / "figures"
    draw(context, "curve", lambda path: draw_curve(curve, path))
    draw(context, "tuning", lambda path: draw_tuning(tuning, path))
    for table in whole.tables:
        draw(context, f"comparison-{table.space}", partial(draw_comparison, table))
    for path in sorted(folder.glob("*.png")):
        context.tracker.artifact(path, "figures")
    flow = {k: v.mean for k, v in whole.last.systems["flow"].items()}
    last = whole.last.to_json()
    context.tracker.params({"size": prior.size, "neighbours": prior.neighbours, **asdict(prior.settings)})
    context.tracker.metrics({f"prior_{k}": v for k, v in flow.items() if isfinite(v)})
    return {
        "prior": prior.fingerprint,
        "codec": prior.codec,
        "size": prior.size,
        "neighbours": prior.neighbours,
        "settings": asdict(prior.settings),
        "best_step": curve.best_step,
        "valid_loss": min(curve.valid),
        "space": last["space"],
        "systems": last["systems"],
        "against_gaussian": last["against_gaussian"],
    }


def read_training(context: Context, job: str) -> "Training":
    """Comparison, tuning and curve of a trained prior."""
    from surco.prior.prior_report import Comparison, Curve, Training, Tuning

    return Training(
        Comparison.load(context.artifact(job, "comparison.json")),
        Tuning.load(context.artifact(job, "tuning.json")),
        Curve.load(context.artifact(job, "curve.json")),
    )


KIND = JobKind(
    name="train_prior",
    spec=Spec,
    run=run,
    queue="gpu",
    artifacts=("prior.safetensors", "comparison.json", "tuning.json", "curve.json", "figures/*.png"),
    sweep=(
        SweepPart(
            section="train_prior",
            per_size=True,
            middle=True,  # as edits are: the report tells of the prior at the smallest size found
            round=2,
            inputs={"dataset": Input("data"), "codec": Input("train"), "vectors": Input("embed")},
            wanted=lambda sweep: sweep.prior,
        ),
    ),
    evidence=(Evidence("priors", read_training),),
)
