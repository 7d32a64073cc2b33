"""What several kinds of jobs read: the codec, a data set and its vectors; and coding them in batches."""

import json
from typing import Any

from jobs.context import Context


def read_json(context: Context, job: str, name: str) -> Any:
    """A JSON file that another job published."""
    return json.loads(context.artifact(job, name).read_text(encoding="utf-8"))


def load_codec(context: Context, job: str) -> Any:
    """The shipped codec, or the one that a train job published, on the context's device."""
    from surco.codec import Codec

    source = None if job == "shipped" else context.artifact(job, "codec.safetensors")
    return Codec.load(source).to(context.device).eval()


def load_vectors(context: Context, job: str, dataset: str, size: int | None = None) -> tuple[Any, Any]:
    """A data set and the vectors that an embed job made of it, or the first `size` dimensions of each."""
    from surco.datasets import MusicDataset
    from surco.latents.vectors import VectorSet

    data = MusicDataset(context.folder(dataset))
    vectors = VectorSet.load(context.artifact(job, "vectors.safetensors"))
    vectors.require(dataset=data.manifest.fingerprint)
    return data, vectors if size is None else vectors.prefix(size)


def encode(codec: Any, waves: Any, size: int | None, refine_steps: int = 0) -> Any:
    """Vectors (B, D) as an array, of waves (B, T) on the codec's device."""
    import torch

    with torch.set_grad_enabled(refine_steps > 0):
        vectors = codec.encode(waves, size, refine_steps=refine_steps)  # (B, D)
    return vectors.detach().float().cpu().numpy()


def decode(codec: Any, vectors: Any, *, texture: Any = None, batch_size: int = 16) -> Any:
    """Waves (N, T) as an array, of vectors (N, D), by either decoder."""
    import numpy as np
    import torch

    device = next(codec.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(vectors), batch_size):
            batch = torch.from_numpy(np.asarray(vectors[start : start + batch_size], dtype=np.float32))
            wave = codec.decode(batch.to(device), texture=texture)  # (B, T)
            parts.append(wave.float().cpu().numpy())
    return np.concatenate(parts)
