"""Train, valid and test by track: no two clips of one track are ever on two sides."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping


def split_tracks(genres: Mapping[str, str], *, valid: float, test: float, seed: int) -> dict[str, str]:
    """Split of each track, given its genre.

    Each genre is dealt out on its own, so the shares hold in all of them. A genre of three tracks or
    more has at least one in each split asked for; one of fewer is all train. The order is that of a
    seeded hash of the name: it does not change with the order of the files.
    """
    by_genre: dict[str, list[str]] = defaultdict(list)
    for track, genre in genres.items():
        by_genre[genre].append(track)
    splits: dict[str, str] = {}
    for tracks in by_genre.values():
        tracks.sort(key=lambda track: hashlib.sha256(f"{seed}\0{track}".encode()).digest())
        counts = {"valid": _share(len(tracks), valid), "test": _share(len(tracks), test)}
        while sum(counts.values()) >= len(tracks) > 0:
            largest = max(counts, key=lambda name: counts[name])
            if counts[largest] == 0:
                break
            counts[largest] -= 1
        names = ["valid"] * counts["valid"] + ["test"] * counts["test"]
        splits.update(zip(tracks, names + ["train"] * (len(tracks) - len(names)), strict=True))
    return splits


def _share(count: int, fraction: float) -> int:
    if fraction == 0 or count < 3:
        return 0
    return max(1, round(fraction * count))
