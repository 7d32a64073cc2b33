"""Study the vectors of one size: do they cluster, what do they know, what shape have they.

Artifacts: `study.json` (its schema is in docs/study.md), `figures/*.png`, `medoids/*.wav`. Other
embed jobs named in `others` are compared with this one: same clips, other sizes.
"""

from typing import Any, ClassVar

from pydantic import Field, field_validator

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"


class Spec(JobSpec):
    """Which vectors to study, and how far to look."""

    SOFT: ClassVar[frozenset[str]] = frozenset({"others"})

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
    import numpy as np

    from surco.audio.io import write_wav
    from surco.datasets import MusicDataset
    from surco.latents import clustering
    from surco.latents.baselines import log_mels
    from surco.latents.probes import Splits
    from surco.latents.representations import representations
    from surco.latents.study_clusters import cluster_study
    from surco.latents.tables import plain, write_json
    from surco.latents.vectors import VectorSet

    data = MusicDataset(context.folder(spec.dataset))
    vectors = VectorSet.load(context.artifact(spec.vectors, "vectors.safetensors"))
    vectors.require(dataset=data.manifest.fingerprint)
    if spec.size is not None:
        vectors = vectors.prefix(spec.size)
    splits = Splits.of(vectors.splits)
    waves = data.waves().numpy()  # (N, T)
    mels = log_mels(waves)  # (N, M, F)
    described = representations(vectors.vectors, mels, splits.train)

    def note(text: str) -> None:
        context.progress(0, 1, text)

    clusters = cluster_study(
        described, vectors.genres, vectors.tracks, splits, ks=spec.ks, seed=spec.seed, progress=note
    )
    ours = next(r for r in clusters if r["description"] == "raw" and r["method"] == "k-means")
    medoids = {}
    if ours["k"] is not None:
        labels = np.array(ours["labels"])
        for label, index in clustering.medoids(vectors.vectors, labels).items():
            name = f"medoids/cluster-{label:02d}.wav"
            (context.out / "medoids").mkdir(exist_ok=True)
            write_wav(context.out / name, waves[index], data.sample_rate)
            context.tracker.artifact(context.out / name, "medoids")
            medoids[label] = {"clip": vectors.clips[index], "genre": vectors.genres[index], "file": name}
    study = {"size": vectors.size, "codec": vectors.codec, "dataset": vectors.dataset, "clips": vectors.clips}
    study |= {"clusters": clusters, "medoids": medoids}
    write_json(context.out / "study.json", study)
    return plain({"size": vectors.size, "k": ours["k"], "reason": ours["reason"]})
