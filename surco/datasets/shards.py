"""Shards: consecutive clips as one int16 tensor "waves" (n, T) in a safetensors file."""

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from surco.datasets.manifest import Shard


class ShardWriter:
    """Collects clips and writes a shard whenever it is full. Call `close` for the last one."""

    def __init__(self, folder: Path, *, clips: int = 256):
        self.folder, self.clips = folder, clips
        folder.mkdir(parents=True, exist_ok=True)
        self.shards: list[Shard] = []
        self._waves: list[np.ndarray] = []

    def add(self, wave: np.ndarray) -> None:
        """Append a clip (T,), int16."""
        self._waves.append(wave)
        if len(self._waves) == self.clips:
            self._write()

    def close(self) -> list[Shard]:
        """Write what is left; returns all shards."""
        if self._waves:
            self._write()
        return self.shards

    def _write(self) -> None:
        data = save({"waves": np.stack(self._waves)})  # (n, T)
        name = f"shard-{len(self.shards):04d}.safetensors"
        (self.folder / name).write_bytes(data)
        self.shards.append(
            Shard(file=name, clips=len(self._waves), bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        )
        self._waves = []
