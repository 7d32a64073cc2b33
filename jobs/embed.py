"""Encode every clip of a data set: `vectors.safetensors`, one vector a clip.

Artifacts: `vectors.safetensors`, a `surco.latents.vectors.VectorSet`.
"""

from typing import Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec


class Spec(JobSpec):
    """Which clips to encode, with which codec, at which size."""

    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    dataset: JobId = Field(description="prepare job whose clips are encoded")
    size: int | None = Field(
        None, ge=1, description="dimensions of a vector; the codec's own size if not given"
    )
    refine_steps: int = Field(0, ge=0, description="gradient steps each vector is refined by")
    batch_size: int = Field(32, ge=1, description="clips encoded at a time")


def run(spec: Spec, context: Context) -> Result:
    """Encode in batches, check the vectors, write them with the fingerprints of codec and data set."""
    import time

    import numpy as np

    from jobs.inputs import encode, load_codec
    from surco.datasets import MusicDataset
    from surco.latents.vectors import VectorSet

    codec = load_codec(context, spec.codec)
    data = MusicDataset(context.folder(spec.dataset))
    # filled in place: small arrays kept from every batch would pin the memory that its large ones leave
    made = np.empty((len(data), spec.size or codec.size), np.float32)  # (N, D)
    done, started = 0, time.monotonic()
    for batch, _ in data.batches(spec.batch_size, device=context.device):  # (B, T)
        made[done : done + len(batch)] = encode(codec, batch, spec.size, spec.refine_steps)
        done += len(batch)
        context.progress(done, len(data), "clips encoded")
    seconds = time.monotonic() - started
    clips = data.clips
    vectors = VectorSet(
        vectors=made,
        clips=[c.id for c in clips],
        tracks=[c.track for c in clips],
        genres=[c.genre for c in clips],
        splits=[c.split for c in clips],
        codec=codec.fingerprint,
        dataset=data.manifest.fingerprint,
    )
    vectors.save(context.out / "vectors.safetensors")
    context.tracker.params({"size": vectors.size, "clips": len(vectors), "codec": vectors.codec})
    context.tracker.metrics({"embed_clips_per_second": len(vectors) / max(seconds, 1e-9)})
    return {
        "codec_job": spec.codec,
        "codec": vectors.codec,
        "dataset": vectors.dataset,
        "size": vectors.size,
        "clips": len(vectors),
    }


KIND = JobKind(
    name="embed",
    spec=Spec,
    run=run,
    queue="gpu",
    artifacts=("vectors.safetensors",),
    sweep=(
        SweepPart(
            section="embed",
            per_size=True,
            inputs={"dataset": Input("data"), "codec": Input("train")},
            values=lambda sweep, size: {"size": size},
        ),
    ),
)
