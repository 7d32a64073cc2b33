"""A prepared dataset, clip by clip from disk or whole on the device."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from surco.audio.io import FULL_SCALE
from surco.datasets.manifest import SPLITS, Clip, Manifest
from surco.errors import InputError
from surco.tensors import broken_file, open_tensors

MAPPED = 4  # shards mapped at once: pages that were read count as memory until they are let go


class MusicDataset(Dataset[tuple[Tensor, int]]):
    """Clips of a dataset folder: `dataset[i]` is (wave (T,) float32, genre index).

    Shards are mapped, not read, until a clip is asked for. `waves(device)` keeps them all on a
    device; `release`, or leaving the `with` block, gives that memory back.

    Parameters
    ----------
    folder : what `prepare` wrote
    split : "train", "valid" or "test"; None for all
    verify : read every shard once and check its SHA-256
    """

    def __init__(self, folder: str | Path, split: str | None = None, *, verify: bool = False):
        if split is not None and split not in SPLITS:
            raise InputError(f"There is no split {split!r}; choose from {', '.join(SPLITS)}.")
        self.folder = Path(folder)
        self.manifest = Manifest.load(folder)
        self._check_shards(verify)
        self.split = split
        self._rows = [i for i, clip in enumerate(self.manifest.clips) if split in (None, clip.split)]
        self.clips: list[Clip] = [self.manifest.clips[i] for i in self._rows]
        self.genres: list[str] = self.manifest.genres
        labels = [self.genres.index(clip.genre) for clip in self.clips]
        self.labels = torch.tensor(labels, dtype=torch.long)  # (N,)
        self._starts = np.cumsum([0] + [shard.clips for shard in self.manifest.shards])
        self._open: dict[int, Any] = {}
        self._resident: Tensor | None = None

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the whole dataset, of whichever split this is."""
        return self.manifest.fingerprint

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.manifest.config.sample_rate

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        row = self._rows[index]
        shard = int(np.searchsorted(self._starts, row, side="right")) - 1
        wave = self._shard(shard)[row - int(self._starts[shard])]  # (T,) int16
        return _to_float(wave), int(self.labels[index])

    def take(self, rows: Iterable[int]) -> Tensor:
        """The waves (n, T) at `rows`, float32, read from disk."""
        return torch.stack([self[int(i)][0] for i in rows])

    def waves(self, device: str | torch.device = "cpu") -> Tensor:
        """All waves (N, T), float32, kept on `device` until `release`."""
        device = torch.device(device)
        if self._resident is None or self._resident.device.type != device.type:
            self.release()
            waves = torch.empty(len(self), self.manifest.config.clip_samples, device=device)  # (N, T)
            for i in range(len(self)):
                waves[i] = self[i][0].to(device)
            self._resident = waves
        return self._resident

    def release(self) -> None:
        """Give back the resident waves and the mapped shards."""
        on_gpu = self._resident is not None and self._resident.is_cuda
        self._resident = None
        self._open.clear()
        if on_gpu:
            torch.cuda.empty_cache()

    def batches(
        self,
        batch_size: int,
        *,
        seed: int | None = None,
        epoch: int = 0,
        device: str | torch.device = "cpu",
        drop_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One epoch of (waves (B, T), genre indices (B,)) on `device`.

        Shuffled by (seed, epoch), or in order for `seed=None`. Waves that `waves` has made resident
        are taken from there, else from disk.
        """
        if batch_size < 1:
            raise InputError(f"A batch of {batch_size} clips cannot be drawn; give 1 or more.")
        order = np.arange(len(self))
        if seed is not None:
            order = np.random.default_rng([seed, epoch]).permutation(len(self))
        device = torch.device(device)
        for start in range(0, len(self), batch_size):
            chosen = torch.from_numpy(order[start : start + batch_size])
            if drop_last and len(chosen) < batch_size:
                return
            if self._resident is not None and self._resident.device.type == device.type:
                waves = self._resident[chosen.to(device)]  # (B, T)
            else:
                waves = self.take(chosen.tolist()).to(device)  # (B, T)
            yield waves, self.labels[chosen].to(device)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __getstate__(self) -> dict[str, Any]:
        # A mapped file cannot travel to a loader's process; it is opened again there.
        return {**self.__dict__, "_open": {}, "_resident": None}

    def _shard(self, number: int) -> Any:
        if number not in self._open:
            while len(self._open) >= MAPPED:
                del self._open[next(iter(self._open))]
            path = self.folder / self.manifest.shards[number].file
            self._open[number] = self._opened(path, self.manifest.shards[number].clips)
        return self._open[number]

    def _opened(self, path: Path, clips: int) -> Any:
        with broken_file(path, "a shard of this dataset", "prepare the dataset again"):
            with open_tensors(path, "pt") as file:
                waves = file.get_slice("waves")
            if waves.get_shape() != [clips, self.manifest.config.clip_samples] or waves.get_dtype() != "I16":
                raise ValueError("its clips are of another number, length or kind")
            return waves

    def _check_shards(self, verify: bool) -> None:
        if sum(shard.clips for shard in self.manifest.shards) != len(self.manifest.clips):
            raise InputError(f"{self.folder} has more or fewer clips than its shards; prepare it again.")
        for shard in self.manifest.shards:
            path = self.folder / shard.file
            if not path.is_file() or path.stat().st_size != shard.bytes:
                raise InputError(f"{path} is missing or cut; prepare the dataset again.")
            if verify:
                with path.open("rb") as file:
                    if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                        raise InputError(f"{path} was changed since it was written; prepare it again.")


def _to_float(wave: Tensor) -> Tensor:
    return wave.float() / FULL_SCALE  # (T,) in [-1, 1)
