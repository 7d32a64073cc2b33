"""Which clips to take where not all can be: one of each group before a second of any."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def rounds(groups: Sequence[str], order: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """`order` (indices into `groups`) rearranged: the first clip of every group, then second ones, ...

    Within a round the order stays.
    """
    seen: dict[str, int] = {}
    turns = []
    for i in order:
        turns.append((seen.get(groups[i], 0), int(i)))
        seen[groups[i]] = seen.get(groups[i], 0) + 1
    return [i for _, i in sorted(turns, key=lambda turn: turn[0])]


def spread(groups: Sequence[str], count: int | None, *, seed: int = 0) -> list[int]:
    """At most `count` clips, one of each group before a second of any, drawn by `seed`; in drawn order."""
    return rounds(groups, np.random.default_rng(seed).permutation(len(groups)))[:count]


def pick_clips(tracks: Sequence[str], limit: int | None, *, seed: int = 0) -> list[int]:
    """At most `limit` clips, one of each track before a second of any, in the order of the clips."""
    return sorted(spread(tracks, limit, seed=seed))


def spread_rows(genres: Sequence[str], per_genre: int, *, seed: int = 0) -> list[int]:
    """At most `per_genre` rows of each genre, drawn by `seed`, in order."""
    rng = np.random.default_rng(seed)
    rows: list[int] = []
    for genre in sorted(set(genres)):
        own = [i for i, g in enumerate(genres) if g == genre]
        rows += [int(i) for i in rng.permutation(own)[:per_genre]]
    return sorted(rows)
