"""Timbre of another song: the spectrum that stays, and how far each band swings around it.

The spectrum that stays is a part of the vector and is exchanged as it is. How far a band swings tells a
drum kit from a pad as much; each band's envelope keeps its shape and swings as far as the other song's, as in
adaptive instance normalisation (Huang & Belongie, 2017), by a curve on the coefficients.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.edits import curves
from surco.edits.parts import Parts

if TYPE_CHECKING:
    from surco.codec import Codec

Array = NDArray[Any]
WIDEST = 2.0  # a band swings at most so many times as far, or as little; chosen on valid


def give_timbre(codec: "Codec", a: Array, b: Array, weight: float) -> Array:
    """Vectors `a` (n, D) with the timbre of `b` (n, D): at weight 1 all of it, at 0 `a` itself."""
    import torch

    made = Parts(codec, a.shape[1]).give(a, b, {"timbre": weight})
    if not weight:
        return made
    both = torch.from_numpy(np.stack([made, np.asarray(b, np.float32)])).to(codec.low.device)
    with torch.inference_mode():
        ours, theirs = (codec.decode_mel(v).cpu().numpy() for v in both)  # (n, M, F) each
    spread = [np.maximum(x.std(2, keepdims=True), 1e-3) for x in (ours, theirs)]  # (n, M, 1)
    ratio = np.clip(spread[1] / spread[0], 1 / WIDEST, WIDEST) ** weight
    return curves.add(codec, made, (ours - ours.mean(2, keepdims=True)) * (ratio - 1))
