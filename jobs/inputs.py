"""What several kinds of jobs read: the codec, a data set and its vectors; and coding them in batches."""

import json
from typing import TYPE_CHECKING, Any

from jobs.context import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from surco.codec import Codec, Texture
    from surco.datasets import MusicDataset
    from surco.latents.vectors import VectorSet


def read_json(context: Context, job: str, name: str) -> Any:
    """A JSON file that another job published."""
    return json.loads(context.artifact(job, name).read_text(encoding="utf-8"))


def load_codec(context: Context, job: str) -> "Codec":
    """The shipped codec, or the one that a train job published, on the context's device."""
    from surco.codec import Codec

    source = None if job == "shipped" else context.artifact(job, "codec.safetensors")
    return Codec.load(source).to(context.device).eval()


def load_vectors(
    context: Context, job: str, dataset: str, size: int | None = None
) -> "tuple[MusicDataset, VectorSet]":
    """A data set and the vectors that an embed job made of it, or the first `size` dimensions of each."""
    from surco.datasets import MusicDataset
    from surco.latents.vectors import VectorSet

    data = MusicDataset(context.folder(dataset))
    vectors = VectorSet.load(context.artifact(job, "vectors.safetensors"))
    vectors.require(dataset=data.manifest.fingerprint)
    return data, vectors if size is None else vectors.prefix(size)


def encode(codec: "Codec", waves: "Tensor", size: int | None, refine_steps: int = 0) -> "NDArray[np.float32]":
    """Vectors (B, D) as an array, of waves (B, T) on the codec's device."""
    import torch

    with torch.set_grad_enabled(refine_steps > 0):
        vectors = codec.encode(waves, size, refine_steps=refine_steps)  # (B, D)
    found: NDArray[np.float32] = vectors.detach().float().cpu().numpy()
    return found


def decode(
    codec: "Codec", vectors: "NDArray[np.float32]", *, texture: "Texture | None" = None, batch_size: int = 16
) -> "NDArray[np.float32]":
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
