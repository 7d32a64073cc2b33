"""Study the vectors of one size: do they cluster, what do they know, what shape have they.

Artifacts: `study.json` (its schema is in docs/study.md), `figures/*.png`, `medoids/*.wav`. Other embed
jobs named in `others` are compared with this one: same clips, other sizes.
"""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from jobs.context import Context
from jobs.inputs import read_json
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

STEPS = 51  # notes of progress that a study makes, about


class Spec(JobSpec):
    """Which vectors to study, and how far to look."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"others"})

    vectors: JobId = Field(description="embed job whose vectors are studied")
    dataset: JobId = Field(description="prepare job that the vectors were made of")
    size: int | None = Field(None, ge=2, description="study only the first numbers of each vector")
    others: list[JobId] = Field([], description="embed jobs of other sizes to compare with")
    ks: list[int] = Field([2, 3, 4, 6, 8, 10, 12, 16], min_length=1, description="numbers of clusters tried")

    @field_validator("ks")
    @classmethod
    def _rising(cls, ks: list[int]) -> list[int]:
        if min(ks) < 2:
            raise ValueError("a clustering has at least 2 clusters")
        return sorted(set(ks))


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Read vectors and sound, study them, write table, figures and medoids."""
    from jobs.inputs import load_codec, load_vectors
    from surco.latents import study_figures
    from surco.latents.attributes import measure_all, measured
    from surco.latents.probes import Splits
    from surco.latents.reference_features import log_mels
    from surco.latents.representations import OURS, representations
    from surco.latents.study_clusters import check, cluster_study
    from surco.latents.study_geometry import geometry_study, map_study
    from surco.latents.study_readings import (
        attribute_probe_study,
        genre_probe_study,
        neighbour_study,
        prefix_study,
    )
    from surco.latents.tables import plain, write_json
    from surco.plots import theme

    note = context.notes(STEPS)
    data, vectors = load_vectors(context, spec.vectors, spec.dataset, spec.size)
    genres, tracks, seed = vectors.genres, vectors.tracks, spec.seed
    splits = Splits.of(vectors.splits)
    check(genres, splits, spec.ks)
    waves = data.waves().numpy()  # (N, T)
    described = representations(vectors.vectors, log_mels(waves), splits.train)
    note("clips described")

    study: dict[str, Any] = {
        "size": vectors.size,
        "codec": vectors.codec,
        "dataset": vectors.dataset,
        "seed": seed,
        "clips": vectors.clips,
        "clusters": cluster_study(described, genres, tracks, splits, ks=spec.ks, seed=seed, progress=note),
    }
    study["neighbours"] = neighbour_study(described, genres, tracks, splits, vectors.clips, seed=seed)
    note("neighbours")
    study["genre_probes"] = genre_probe_study(described, genres, tracks, splits, seed=seed, progress=note)
    attributes = measured(
        measure_all(waves, sample_rate=data.sample_rate, progress=lambda done: context.beat())
    )
    note("attributes measured")
    study["attribute_probes"] = attribute_probe_study(described, attributes, tracks, splits, seed=seed)
    study["prefixes"] = prefix_study(vectors.vectors, attributes, genres, tracks, splits, seed=seed)
    note("probes")
    study["geometry"] = geometry_study({name: described[name] for name in described}, tracks, seed=seed)
    study["maps"] = map_study(described["raw"], tracks, seed=seed, progress=note)
    codec = load_codec(context, context.result(spec.vectors)["codec_job"])
    vectors.require(codec=codec.fingerprint)
    study["ablation"] = _ablate(codec, vectors, seed)
    note("numbers left out one at a time")
    study["medoids"] = _medoids(context, study["clusters"], vectors, waves, data.sample_rate)
    study["others"] = _others(context, spec, vectors, splits, note)
    study = plain(study)
    write_json(context.out / "study.json", study)

    pictures = {
        "scan": study_figures.scan(study["clusters"]),
        "agreement": study_figures.agreement(study["clusters"]),
        "neighbours": study_figures.retrieval(study["neighbours"]),
        "probes": study_figures.probes(study["genre_probes"], study["attribute_probes"]),
        "geometry": study_figures.geometry(
            [g for g in study["geometry"] if g["description"] in (*OURS[:2], "Linear")],
            study["prefixes"],
            study["ablation"],
        ),
        "maps": study_figures.maps(study["maps"], genres),
    }
    for name, picture in pictures.items():
        context.tracker.artifact(theme.save(picture, context.out / "figures" / f"{name}.png"), "figures")
    context.tracker.artifact(context.out / "study.json")
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "clips": len(vectors)})
    result = headline(study)
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result


def headline(study: dict[str, Any]) -> dict[str, Any]:
    """The few figures of a study that stand in a table over sizes."""

    def of(rows: list[dict[str, Any]], **wanted: str) -> dict[str, Any]:
        return next(r for r in rows if all(r[k] == v for k, v in wanted.items()))

    groups = of(study["clusters"], description="raw", method="k-means")
    near = of(study["neighbours"], description="raw")
    result: dict[str, Any] = {
        "size": study["size"],
        "k": groups["k"],
        "k_reason": groups["reason"],
        "cluster_ami": groups["test"]["ami"]["mean"] if groups["k"] else None,
        "cluster_silhouette": groups["test"]["silhouette"] if groups["k"] else None,
        "cluster_stability": groups["stability"]["ari"] if groups["k"] else None,
        "genre_map": near["genre_map"]["mean"],
        "genre_map_chance": near["genre_chance"],
        "track_map": near["track_map"]["mean"],
        "hubness": near["hubness"]["skewness"],
        "intrinsic_dimension": of(study["geometry"], description="raw")["two_nn"]["mean"],
    }
    for reader in ("logistic", "k-nn"):
        row = of(study["genre_probes"], description="standardised", reader=reader)
        result[f"genre_accuracy_{reader.replace('-', '_')}"] = row["accuracy"]["mean"]
    result["genre_majority"] = row["majority"]["mean"]
    for row in study["attribute_probes"]:
        if row["description"] == "standardised":
            result[f"r2_{row['attribute'].replace(' ', '_')}"] = row["r2"]["mean"]
    return result


def _ablate(codec: Any, vectors: Any, seed: int) -> list[dict[str, Any]]:
    """Leave out numbers one at a time on five validation clips, through the codec that made the vectors."""
    import numpy as np
    import torch

    from surco.latents.study_geometry import ablation

    device = next(codec.parameters()).device
    chosen = vectors.take(split="valid")
    chosen = chosen.rows(np.random.default_rng(seed).permutation(len(chosen))[:5])

    def decode_mel(x: Any) -> Any:
        with torch.inference_mode():
            return codec.decode_mel(torch.from_numpy(x).to(device)).float().cpu().numpy()

    return ablation(decode_mel, chosen.vectors, vectors.take(split="train").vectors.mean(0), chosen.tracks)


def _medoids(
    context: Context, clusters: list[dict[str, Any]], vectors: Any, waves: Any, sample_rate: int
) -> list[dict[str, Any]]:
    """Write the clip at the heart of each cluster that k-means found in the raw vectors."""
    import numpy as np

    from surco.audio.io import write_wav
    from surco.latents.clustering import medoids

    groups = next(r for r in clusters if r["description"] == "raw" and r["method"] == "k-means")
    if groups["k"] is None:
        return []
    labels = np.array(groups["labels"])
    rows: list[dict[str, Any]] = []
    for label, index in medoids(vectors.vectors, labels).items():
        path = context.out / "medoids" / f"cluster-{label:02d}.wav"
        path.parent.mkdir(exist_ok=True)
        write_wav(path, waves[index], sample_rate)
        context.tracker.artifact(path, "medoids")
        members = [vectors.genres[i] for i in np.flatnonzero(labels == label)]
        rows.append(
            {
                "cluster": label,
                "file": f"medoids/{path.name}",
                "clip": vectors.clips[index],
                "genre": vectors.genres[index],
                "clips": len(members),
                "genres": {g: members.count(g) for g in sorted(set(members))},
            }
        )
    return rows


def _others(context: Context, spec: Spec, vectors: Any, splits: Any, note: Any) -> list[dict[str, Any]]:
    """Compare with the vectors of other sizes; a job that failed is named and left out."""
    from surco.latents.study_geometry import compare_sizes, switching_clips
    from surco.latents.vectors import VectorSet

    k = min(max(len(set(vectors.genres)), 2), len(splits.train))
    rows: list[dict[str, Any]] = []
    for job in spec.others:
        if context.done(job) is None:
            rows.append({"job": job, "size": None, "note": "This embed job has no results."})
            continue
        other = VectorSet.load(context.artifact(job, "vectors.safetensors"))
        vectors.require_same_clips(other)
        compared = compare_sizes(vectors.vectors, other.vectors, vectors.tracks, seed=spec.seed)
        switched = switching_clips(
            vectors.vectors, other.vectors, splits.train, vectors.clips, k=k, seed=spec.seed
        )
        rows.append({"job": job, "size": other.size, "codec": other.codec, **compared, "switched": switched})
        note(f"compared with {other.size} numbers")
    return rows


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
    evidence=(Evidence("studies", lambda context, job: read_json(context, job, "study.json")),),
)
