"""The marks a codec is held against, read off the curves of one evaluation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from surco.metrics.evaluation import Evaluation

STRUCTURE = ("chroma", "onset", "self_similarity")


def floats_for(level: float, sizes: Sequence[int], curve: Sequence[float]) -> float | None:
    """Numbers at which a curve over sizes reaches a level, interpolated over log2; None if it never does.

    Where already the smallest size reaches it, that size: nothing smaller was measured.
    """
    best = np.maximum.accumulate(curve)
    if level <= best[0]:
        return float(sizes[0])
    if level > best[-1]:
        return None
    i = int(np.searchsorted(best, level))
    part = (level - best[i - 1]) / (best[i] - best[i - 1])
    return float(2 ** (np.log2(sizes[i - 1]) + part * (np.log2(sizes[i]) - np.log2(sizes[i - 1]))))


def marks(
    heard: Evaluation, sizes: Sequence[int], peers: Sequence[str], checked: Sequence[int]
) -> dict[str, Any]:
    """Floats for others' Zimtohrli, log-mel against Linear, structure against the ceiling, loss at 8 bits."""
    curve = [heard.estimate(f"surco {s}", "zimtohrli").mean for s in sizes]
    found: dict[str, Any] = {"floats_for_linear": {}, "floats_for_peer": None}
    for size in (512, 2048):
        if size in sizes:
            level = heard.estimate(f"linear {size}", "zimtohrli").mean
            floats = floats_for(level, sizes, curve)
            share = None if floats is None else floats / size
            found["floats_for_linear"][str(size)] = {"zimtohrli": level, "floats": floats, "share": share}
    if peers:
        best = max(peers, key=lambda p: heard.estimate(p, "zimtohrli").mean)
        level, size = heard.estimate(best, "zimtohrli").mean, int(best.split()[1])
        floats = floats_for(level, sizes, curve)
        share = None if floats is None else floats / size
        found["floats_for_peer"] = {"peer": best, "zimtohrli": level, "floats": floats, "share": share}
    found["log_mel_against_linear"] = {
        str(s): heard.ratio(f"surco {s}", f"linear {s}", "log_mel_db").to_json() for s in sizes
    }
    found["zimtohrli_over_linear"] = {
        str(s): heard.estimate(f"surco {s}", "zimtohrli").mean
        - heard.estimate(f"linear {s}", "zimtohrli").mean
        for s in sizes
    }
    found["structure_against_ceiling"] = {
        str(s): {
            system: {m: heard.ratio(f"{system} {s}", "ceiling", m).mean for m in STRUCTURE}
            for system in ("surco", "linear")
        }
        for s in sizes
    }
    found["lost_at_8_bits"] = {
        str(s): {
            "log_mel_db": heard.ratio(f"surco {s} at 8 bits", f"surco {s}", "log_mel_db").mean - 1,
            "zimtohrli": 1 - heard.ratio(f"surco {s} at 8 bits", f"surco {s}", "zimtohrli").mean,
        }
        for s in checked
        if f"surco {s} at 8 bits" in heard.systems
    }
    return found
