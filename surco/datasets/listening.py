"""The listening set: the few clips that every size of a sweep is heard on."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

from surco.datasets.manifest import SPLITS, Clip
from surco.datasets.sampling import rounds


class HasClips(Protocol):
    """A `Manifest` or a `MusicDataset`."""

    @property
    def clips(self) -> Sequence[Clip]: ...


def listening_set(music: HasClips, count: int = 8, seed: int = 0) -> list[int]:
    """Indices into `music.clips` of a fixed choice of test clips, spread over genres, then over tracks.

    The choice for a smaller count begins the choice for a larger one. Where there are no test clips
    the valid ones stand in, and where there are none of those either, the train ones.
    """
    present = {clip.split for clip in music.clips}
    split = next((name for name in reversed(SPLITS) if name in present), None)
    queues: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(music.clips):
        if clip.split == split:
            queues[clip.genre].append(index)

    def rank(index: int) -> bytes:
        return hashlib.sha256(f"{seed}\0{music.clips[index].id}".encode()).digest()

    tracks = [clip.track for clip in music.clips]
    for genre, indices in queues.items():
        indices.sort(key=rank)
        queues[genre] = rounds(tracks, indices)

    chosen: list[int] = []
    while len(chosen) < count and any(queues.values()):
        chosen += [queues[genre].pop(0) for genre in sorted(queues) if queues[genre]]
    return chosen[:count]
