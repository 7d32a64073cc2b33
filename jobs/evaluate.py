"""Measure a codec at one size beside its ceiling, its floor, Linear, itself at 8 bits and with texture.

Artifacts: `scores.json` (docs/measures.md gives the schema), `listening/<clip>/original.wav`,
`ceiling.wav`, `decoded-<size>.wav` and `textured-<size>.wav`, `figures/systems.png` and `figures/<clip>.png`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from surco.codec import Codec
    from surco.datasets import MusicDataset
    from surco.datasets.manifest import Clip
    from surco.metrics.evaluation import Evaluation
    from surco.metrics.meaning import GenreClassifier
    from surco.metrics.scores import Heard, Scores, System


class Spec(JobSpec):
    """Which codec, heard at which size on which clips."""

    dataset: JobId = Field(description="prepare job; Linear and the style classifier learn its train clips")
    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    size: int = Field(512, ge=2, le=2048, description="dimensions of a vector")
    clips: int = Field(64, ge=2, description="most clips measured, one of each track before a second of any")
    split: Literal["train", "valid", "test"] = Field("test", description="split the clips come from")
    choosing: int = Field(24, ge=0, description="most valid clips measured for choosing the smallest size by")
    measures: Literal["quick", "full"] = Field(
        "quick",
        description="full adds ViSQOL and the like, which no report tells and which take as long again",
    )
    listening: int = Field(6, ge=0, description="clips kept as sound and spectrogram")
    train_clips: int = Field(512, ge=2, description="most training clips Linear and the classifier see")
    refine_steps: int = Field(0, ge=0, description="gradient steps each vector is refined by")


def run(spec: Spec, context: Context) -> Result:
    """Decode the clips by every system, measure, keep a listening set, draw."""
    import torch

    from jobs.inputs import decode, encode, load_codec
    from surco.codec import Texture
    from surco.datasets import MusicDataset
    from surco.datasets.sampling import pick_clips
    from surco.errors import InputError
    from surco.metrics.evaluation import Evaluation
    from surco.metrics.reference_systems import fit_linear, linear_mels, true_mels, voiced
    from surco.metrics.scores import Scores, means

    codec = load_codec(context, spec.codec)
    if spec.size > codec.size:
        raise InputError(f"This codec's vectors hold {codec.size} dimensions; evaluate it at that or fewer.")
    data = MusicDataset(context.folder(spec.dataset))
    chosen, kept, split = choose(data, spec)
    clips = [data.clips[i] for i in chosen]
    train = [i for i, clip in enumerate(data.clips) if clip.split == "train"]
    train = [
        train[j] for j in pick_clips([data.clips[i].track for i in train], spec.train_clips, seed=spec.seed)
    ]
    waves = data.take(chosen)  # (N, T)
    known = data.take(train)  # (M, T)

    context.progress(0, 4, "decoding")
    mels, gain = true_mels(codec, waves.to(context.device))  # (N, 80, 431), (N,)
    linear = fit_linear(codec, known.to(context.device))
    vectors = encode(codec, waves.to(context.device), spec.size, spec.refine_steps)  # (N, D)
    rounded = codec.quantise(torch.from_numpy(vectors).to(context.device)).cpu().numpy()  # (N, D)
    systems: dict[System, NDArray[np.float32]] = {
        "decoded": decode(codec, vectors),
        "ceiling": voiced(codec, mels, gain).numpy(),
        "linear": voiced(codec, linear_mels(linear, mels, spec.size), gain).numpy(),
        "8 bits": decode(codec, rounded),
        "textured": decode(codec, vectors, texture=Texture.load()),
    }

    context.progress(1, 4, "learning styles")
    quick = spec.measures == "quick"
    classifier = judge(known, [data.clips[i] for i in train], 48 if quick else None, spec.seed)
    evaluation = Evaluation(
        waves.numpy(),
        clips=[c.id for c in clips],
        tracks=[c.track for c in clips],
        genres=[c.genre for c in clips],
        quick=quick,
        threads=2,
        seed=spec.seed,
        classifier=classifier,
        progress=lambda system, done: context.progress(2 + done / len(clips), 4, f"measuring {system}"),
    )
    for name, sound in systems.items():
        evaluation.add(name, sound[:, : waves.shape[1]], light=name in ("linear", "8 bits"))
    evaluation.add_floor()

    heard, aggregate = evaluation.heard(split), evaluation.aggregate()
    scores = Scores(
        split=split,
        clips=heard.clips,
        systems=heard.systems,
        size=spec.size,
        seed=spec.seed,
        battery=spec.measures,
        dataset=data.manifest.fingerprint,
        codec=codec.fingerprint,
        codec_job=spec.codec,
        aggregate=aggregate,
        sets=evaluation.sets,
        against_linear={m: evaluation.ratio("decoded", "linear", m) for m in ("log_mel_db", "zimtohrli")},
        lost_at_8_bits={
            "log_mel_db": evaluation.ratio("8 bits", "decoded", "log_mel_db").mean - 1,
            "zimtohrli": 1 - evaluation.ratio("8 bits", "decoded", "zimtohrli").mean,
        },
        choosing=choosing_clips(context, spec, codec, data, split, classifier),
    )
    scores.save(context.out / "scores.json")
    context.progress(3, 4, "drawing")
    publish(context, spec, evaluation, systems, [chosen.index(i) for i in kept])
    told = means(aggregate)
    for system, found in told.items():
        prefix = "" if system == "decoded" else system.replace(" ", "_") + "_"
        values = {f"evaluate_{prefix}{m}": v for m, v in found.items() if v is not None}
        context.tracker.metrics(
            {**values, **{f"evaluate_{prefix}{m}": v for m, v in evaluation.sets[system].items()}}
        )
    context.tracker.params(
        {"size": spec.size, "clips": len(clips), "split": split, "codec": codec.fingerprint}
    )
    context.progress(4, 4, "done")
    return {
        "size": spec.size,
        "clips": len(clips),
        "split": split,
        "codec": codec.fingerprint,
        "decoded": told["decoded"],
        "ceiling": told["ceiling"],
        "sets": evaluation.sets["decoded"],
        "against_linear": scores.against_linear["log_mel_db"].mean,
        "lost_at_8_bits": scores.lost_at_8_bits,
    }


def choosing_clips(
    context: Context,
    spec: Spec,
    codec: "Codec",
    data: "MusicDataset",
    split: str,
    classifier: "GenreClassifier | None",
) -> "Heard | None":
    """The decoded, the ceiling and the floor of valid clips, by the quick measures.

    None where the valid clips are those that are reported, or there are none.
    """
    from jobs.inputs import decode, encode
    from surco.datasets.sampling import pick_clips
    from surco.metrics.evaluation import Evaluation
    from surco.metrics.reference_systems import true_mels, voiced

    pool = [i for i, clip in enumerate(data.clips) if clip.split == "valid"]
    if split == "valid" or not pool or not spec.choosing:
        return None
    picked = [pool[j] for j in pick_clips([data.clips[i].track for i in pool], spec.choosing, seed=spec.seed)]
    clips = [data.clips[i] for i in picked]
    waves = data.take(picked)  # (N, T)
    evaluation = Evaluation(
        waves.numpy(),
        clips=[c.id for c in clips],
        tracks=[c.track for c in clips],
        genres=[c.genre for c in clips],
        quick=True,
        threads=2,
        seed=spec.seed,
        classifier=classifier,
        progress=lambda system, done: context.progress(2 + done / len(clips), 4, "measuring valid clips"),
    )
    mels, gain = true_mels(codec, waves.to(context.device))  # (N, 80, 431), (N,)
    vectors = encode(codec, waves.to(context.device), spec.size, spec.refine_steps)  # (N, D)
    for system, sound in (
        ("decoded", decode(codec, vectors)),
        ("ceiling", voiced(codec, mels, gain).numpy()),
    ):
        evaluation.add(system, sound[:, : waves.shape[1]])
    evaluation.add_floor()
    return evaluation.heard("valid")


def choose(data: "MusicDataset", spec: Spec) -> tuple[list[int], list[int], str]:
    """Indices of the clips measured and, among them, of those kept to be heard; and their split.

    A data set without that split is measured on its valid clips, or failing those on its train clips.
    """
    from surco.datasets.listening import listening_set
    from surco.datasets.sampling import pick_clips

    present = {clip.split for clip in data.clips}
    split = next(s for s in (spec.split, "valid", "train") if s in present)
    pool = [i for i, clip in enumerate(data.clips) if clip.split == split]
    kept = [i for i in listening_set(data, spec.listening, spec.seed) if data.clips[i].split == split]
    rest = [i for i in pool if i not in kept]
    order = pick_clips([data.clips[i].track for i in rest], max(0, spec.clips - len(kept)), seed=spec.seed)
    return sorted(kept + [rest[j] for j in order]), kept, split


def judge(waves: "Tensor", clips: "Sequence[Clip]", limit: int | None, seed: int) -> "GenreClassifier | None":
    """The style classifier of training clips (M, T), at most `limit` of them; None for a single style."""
    from surco.datasets.sampling import pick_clips
    from surco.metrics.embedder import embed
    from surco.metrics.meaning import GenreClassifier

    few = pick_clips([clip.track for clip in clips], limit, seed=seed)
    styles = [clips[j].genre for j in few]
    if len(set(styles)) < 2:
        return None
    return GenreClassifier(embed(waves[few]).numpy(), styles, seed=seed)


def publish(
    context: Context,
    spec: Spec,
    evaluation: "Evaluation",
    systems: "dict[System, NDArray[np.float32]]",
    kept: list[int],
) -> None:
    """Write and log the listening set, its spectrograms and the figure of systems."""
    import torch

    from surco.audio.io import write_wav
    from surco.metrics.score_figures import systems_figure
    from surco.metrics.spectrum import log_mel
    from surco.plots.theme import save, spectrogram_row

    estimates = {
        system: {m: evaluation.estimate(system, m) for m in found}
        for system, found in evaluation.systems.items()
    }
    figure = save(systems_figure(estimates), context.out / "figures" / "systems.png")
    context.tracker.artifact(figure, "figures")
    for index in kept:
        name = evaluation.clips[index]
        sounds = {"original": evaluation.waves[index], "ceiling": systems["ceiling"][index]}
        sounds[f"decoded-{spec.size}"] = systems["decoded"][index]
        sounds[f"textured-{spec.size}"] = systems["textured"][index]
        folder = context.out / "listening" / name
        folder.mkdir(parents=True, exist_ok=True)
        peak = max(
            1.0, *(float(abs(wave).max()) for wave in sounds.values())
        )  # one gain for all: no clipping
        for title, wave in sounds.items():
            write_wav(folder / f"{title}.wav", wave / peak, 22_050)
            context.tracker.artifact(folder / f"{title}.wav", f"listening/{name}")
        panels = {title: log_mel(torch.from_numpy(wave.copy())).numpy() for title, wave in sounds.items()}
        figure = save(spectrogram_row(panels), context.out / "figures" / f"{name}.png")
        context.tracker.artifact(figure, "figures")


def read_scores(context: Context, job: str) -> "Scores":
    """What an evaluate job measured."""
    from surco.metrics.scores import Scores

    return Scores.load(context.artifact(job, "scores.json"))


KIND = JobKind(
    name="evaluate",
    spec=Spec,
    run=run,
    queue="gpu",
    artifacts=("scores.json", "listening/<clip>/*.wav", "figures/*.png"),
    sweep=(
        SweepPart(
            section="evaluate",
            per_size=True,
            inputs={"dataset": Input("data"), "codec": Input("train")},
            values=lambda sweep, size: {"size": size},
        ),
    ),
    columns={
        "clips": lambda result: result["clips"],
        "zimtohrli": lambda result: result["decoded"]["zimtohrli"],
        "ceiling": lambda result: result["ceiling"]["zimtohrli"],
        "log_mel_db": lambda result: result["decoded"]["log_mel_db"],
        "vs_linear": lambda result: result["against_linear"],
        "lost_at_8_bits": lambda result: (
            f"{0.0 + round(100 * result['lost_at_8_bits']['zimtohrli'], 1):.1f} %"
        ),
    },
    evidence=(Evidence("scores", read_scores),),
)
