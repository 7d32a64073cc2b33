"""Study the vectors of one size: do they cluster, what do they know, what shape have they.

Artifacts: `study.json` (its schema is in docs/study.md), `figures/*.png`, `medoids/*.wav`. Other embed
jobs named in `others` are compared with this one: same clips, other sizes.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec
from surco.documents import defined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surco.codec import Codec
    from surco.datasets import MusicDataset
    from surco.latents.study import Ablated, Clustering, Medoid, OtherSize, Study
    from surco.latents.vectors import VectorSet

WAVES = 64  # held in memory at a time
STEPS = 50  # notes of progress that a study makes, about


class Spec(JobSpec):
    """Which vectors to study, and how far to look."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"others"})

    vectors: JobId = Field(description="embed job whose vectors are studied")
    dataset: JobId = Field(description="prepare job that the vectors were made of")
    size: int | None = Field(None, ge=2, description="study only the first dimensions of each vector")
    others: list[JobId] = Field([], description="embed jobs of other sizes to compare with")
    clips: int = Field(
        2000, ge=10, description="most clips studied, one of each track before a second of any"
    )
    ks: list[int] = Field([2, 3, 4, 6, 8, 10, 12, 16], min_length=1, description="numbers of clusters tried")

    @field_validator("ks")
    @classmethod
    def _rising(cls, ks: list[int]) -> list[int]:
        if min(ks) < 2:
            raise ValueError("a clustering has at least 2 clusters")
        return sorted(set(ks))


def run(spec: Spec, context: Context) -> Result:
    """Read vectors and sound, study them, write table, figures and medoids."""
    from jobs.inputs import load_codec, load_vectors
    from surco.datasets.sampling import pick_clips
    from surco.latents import study_figures
    from surco.latents.attributes import measured
    from surco.latents.probes import Splits
    from surco.latents.representations import OURS, representations
    from surco.latents.study import Study
    from surco.latents.study_clusters import check, cluster_study
    from surco.latents.study_geometry import geometry_study, map_study
    from surco.latents.study_readings import (
        attribute_probe_study,
        genre_probe_study,
        neighbour_study,
        prefix_study,
    )
    from surco.plots import theme

    note = context.notes(STEPS)
    data, whole = load_vectors(context, spec.vectors, spec.dataset, spec.size)
    # distances between all pairs grow with the square of the clips, and intervals rest on the tracks
    index = pick_clips(whole.tracks, spec.clips, seed=spec.seed)
    vectors = whole.rows(index)
    genres, tracks, seed = vectors.genres, vectors.tracks, spec.seed
    splits = Splits.of(vectors.splits)
    check(genres, splits, spec.ks)
    mels, found = _read(context, data, index)  # (N, M, F)
    attributes = measured(found)
    described = representations(vectors.vectors, mels, splits.train)
    del mels
    note(f"{len(vectors)} of {len(whole)} clips described")

    clusters = cluster_study(described, genres, tracks, splits, ks=spec.ks, seed=seed, progress=note)
    neighbours = neighbour_study(described, genres, tracks, splits, vectors.clips, seed=seed)
    note("neighbours")
    genre_probes = genre_probe_study(described, genres, tracks, splits, seed=seed, progress=note)
    attribute_probes = attribute_probe_study(described, attributes, tracks, splits, seed=seed)
    prefixes = prefix_study(vectors.vectors, attributes, genres, tracks, splits, seed=seed)
    note("probes")
    geometry = geometry_study(described, tracks, seed=seed)
    maps = map_study(described["raw"], tracks, seed=seed, progress=note)
    codec = load_codec(context, context.result(spec.vectors)["codec_job"])
    vectors.require(codec=codec.fingerprint)
    ablation = _ablate(codec, vectors, seed)
    note("dimensions left out one at a time")
    others, missing = _others(context, spec, whole, index, note)
    study = Study(
        size=vectors.size,
        codec=vectors.codec,
        dataset=vectors.dataset,
        seed=seed,
        clips=vectors.clips,
        clips_there=len(whole),
        clusters=clusters,
        neighbours=neighbours,
        genre_probes=genre_probes,
        attribute_probes=attribute_probes,
        prefixes=prefixes,
        geometry=geometry,
        maps=maps,
        ablation=ablation,
        medoids=_medoids(context, clusters, vectors, data, index),
        others=others,
        missing=missing,
    )
    study.save(context.out / "study.json")

    shown = [row for row in geometry if row.description in (*OURS[:2], "Linear")]
    pictures = {
        "scan": study_figures.scan(clusters),
        "agreement": study_figures.agreement(clusters),
        "neighbours": study_figures.retrieval(neighbours),
        "probes": study_figures.probes(genre_probes, attribute_probes),
        "geometry": study_figures.geometry(shown, prefixes, ablation),
        "maps": study_figures.maps(maps, genres),
    }
    for name, picture in pictures.items():
        context.tracker.artifact(theme.save(picture, context.out / "figures" / f"{name}.png"), "figures")
    context.tracker.artifact(context.out / "study.json")
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "clips": len(vectors)})
    result = headline(study)
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result


def _read(
    context: Context, data: "MusicDataset", index: list[int]
) -> "tuple[NDArray[np.float32], dict[str, NDArray[np.float64]]]":
    """Log-mels (N, M, F) and attributes (N,) of the clips at `index`, a few waves in memory at a time."""
    import numpy as np

    from surco.latents.attributes import measure_all
    from surco.latents.reference_features import log_mels

    mels, rows = [], []
    for start in range(0, len(index), WAVES):
        waves = data.take(index[start : start + WAVES]).numpy()  # (B, T)
        mels.append(log_mels(waves))
        rows.append(measure_all(waves, sample_rate=data.sample_rate))
        context.beat()
    return np.concatenate(mels), {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def headline(study: "Study") -> Result:
    """The few figures of a study that stand in a table over sizes."""
    groups = next(r for r in study.clusters if r.description == "raw" and r.method == "k-means")
    chosen, near, shape = groups.chosen, study.neighbourhood(), study.shape()
    result: Result = {
        "size": study.size,
        "k": chosen.k if chosen else None,
        "k_reason": groups.reason,
        "cluster_ami": defined(chosen.test.ami.mean) if chosen else None,
        "cluster_silhouette": defined(chosen.test.silhouette) if chosen else None,
        "cluster_stability": defined(chosen.stability.ari) if chosen else None,
        "genre_map": defined(near.genre_map.mean) if near else None,
        "genre_map_chance": defined(near.genre_chance) if near else None,
        "track_map": defined(near.track_map.mean) if near else None,
        "hubness": defined(near.hubness.skewness) if near else None,
        "intrinsic_dimension": defined(shape.two_nn.mean) if shape else None,
    }
    for row in study.genre_probes:
        if row.description == "standardised":
            result[f"genre_accuracy_{row.reader.replace('-', '_')}"] = row.accuracy.mean
            result["genre_majority"] = row.majority.mean
    for name, reading in study.attributes().items():
        result[f"r2_{name.replace(' ', '_')}"] = defined(reading.r2.mean)
    return result


def _ablate(codec: "Codec", vectors: "VectorSet", seed: int) -> "list[Ablated]":
    """Leave out dimensions one at a time on five valid clips, through the codec that made the vectors."""
    import numpy as np
    import torch

    from surco.latents.study_geometry import ablation

    device = next(codec.parameters()).device
    chosen = vectors.take(split="valid")
    chosen = chosen.rows(np.random.default_rng(seed).permutation(len(chosen))[:5])

    def decode_mel(x: "NDArray[np.float32]") -> "NDArray[np.float32]":
        with torch.inference_mode():
            mel: NDArray[np.float32] = codec.decode_mel(torch.from_numpy(x).to(device)).float().cpu().numpy()
            return mel

    return ablation(decode_mel, chosen.vectors, vectors.take(split="train").vectors.mean(0), chosen.tracks)


def _medoids(
    context: Context,
    clusters: "list[Clustering]",
    vectors: "VectorSet",
    data: "MusicDataset",
    places: list[int],
) -> "list[Medoid]":
    """Write the clip at the heart of each cluster that k-means found in the raw vectors."""
    import numpy as np

    from surco.audio.io import write_wav
    from surco.latents.clustering import medoids
    from surco.latents.study import Medoid

    groups = next(r for r in clusters if r.description == "raw" and r.method == "k-means")
    if groups.chosen is None:
        return []
    labels = np.array(groups.chosen.labels)
    rows: list[Medoid] = []
    for label, index in medoids(vectors.vectors, labels).items():
        path = context.out / "medoids" / f"cluster-{label:02d}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, data[places[index]][0].numpy(), data.sample_rate)
        context.tracker.artifact(path, "medoids")
        members = [vectors.genres[i] for i in np.flatnonzero(labels == label)]
        rows.append(
            Medoid(
                cluster=label,
                file=f"medoids/{path.name}",
                clip=vectors.clips[index],
                genre=vectors.genres[index],
                clips=len(members),
                genres={g: members.count(g) for g in sorted(set(members))},
            )
        )
    return rows


def _others(
    context: Context, spec: Spec, whole: "VectorSet", index: list[int], note: Callable[[str], None]
) -> "tuple[list[OtherSize], list[str]]":
    """Comparisons with the vectors of other sizes at `index`, and the jobs of those without results."""
    from surco.latents.probes import Splits
    from surco.latents.study import OtherSize
    from surco.latents.study_geometry import compare_sizes, switching_clips
    from surco.latents.vectors import VectorSet

    vectors = whole.rows(index)
    splits = Splits.of(vectors.splits)
    k = min(max(len(set(vectors.genres)), 2), len(splits.train))
    rows: list[OtherSize] = []
    missing: list[str] = []
    for job in spec.others:
        if context.done(job) is None:
            missing.append(job)
            continue
        other = VectorSet.load(context.artifact(job, "vectors.safetensors"))
        whole.require_same_clips(other)
        other = other.rows(index)
        rows.append(
            OtherSize(
                job=job,
                size=other.size,
                codec=other.codec,
                likeness=compare_sizes(vectors.vectors, other.vectors, vectors.tracks, seed=spec.seed),
                switched=switching_clips(
                    vectors.vectors, other.vectors, splits.train, vectors.clips, k=k, seed=spec.seed
                ),
            )
        )
        note(f"compared with {other.size} dimensions")
    return rows, missing


def read_study(context: Context, job: str) -> "Study":
    """What a cluster job found."""
    from surco.latents.study import Study

    return Study.load(context.artifact(job, "study.json"))


KIND = JobKind(
    name="cluster",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("study.json", "figures/*.png", "medoids/*.wav"),
    sweep=(
        SweepPart(
            section="cluster",
            per_size=True,
            round=2,
            inputs={"dataset": Input("data"), "vectors": Input("embed"), "others": Input("embed", "others")},
        ),
    ),
    columns={"clusters": lambda result: result["k"] or "–"},
    evidence=(Evidence("studies", read_study),),
)
