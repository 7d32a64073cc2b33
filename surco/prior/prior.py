"""A trained prior: genre in, new clip vectors out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from surco.errors import InputError
from surco.prior.network import Velocity
from surco.prior.sample import guided, integrate
from surco.prior.settings import Settings
from surco.prior.whiten import Whitener
from surco.tensors import all_tensors, broken_file, header, open_tensors

_KEY = "surco-prior"
_ARRAYS = ("mean", "std", "axes", "spread", "centres")
SHARED_NOISE = 0.8  # correlation of neighbouring clips' noise where no sequence was learned


class Sampler(Protocol):
    """Whatever draws vectors by genre: a prior, or one of the baselines it must beat."""

    def sample(self, genres: Sequence[str], *, seed: int = 0) -> np.ndarray:
        """One vector (D,) for each genre named, stacked (N, D)."""
        ...


@dataclass
class Prior:
    """Rectified flow over the vectors of one codec at one size.

    Attributes
    ----------
    whitener, network : the space and the velocity in it
    codec, dataset : fingerprints of what the vectors came from
    neighbours : "consecutive", "track" or "none": what the sequence model learned from
    settings : defaults of `sample` and `song`
    """

    whitener: Whitener
    network: Velocity
    codec: str
    dataset: str
    neighbours: str = "none"
    settings: Settings = field(default_factory=Settings)

    @property
    def size(self) -> int:
        return len(self.whitener.mean)

    @property
    def genres(self) -> list[str]:
        return self.whitener.genres

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights and settings."""
        digest = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        for name, value in sorted(self._tensors().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()[:16]

    def require(self, *, codec: str | None = None, size: int | None = None) -> "Prior":
        """Itself, or an `InputError` if it was trained on vectors of another codec or size."""
        if codec is not None and codec != self.codec:
            raise InputError(
                f"This prior was trained on vectors of codec {self.codec}, not of {codec}; train one for it."
            )
        if size is not None and size != self.size:
            raise InputError(
                f"This prior makes vectors of {self.size} dimensions, not {size}; train one for it."
            )
        return self

    def sample(
        self,
        genres: Sequence[str],
        *,
        seed: int = 0,
        settings: Settings | None = None,
        previous: np.ndarray | None = None,
    ) -> np.ndarray:
        """One new vector for each genre named, (N, D); `previous` (N, D) holds the clips they follow.

        Raises `InputError` for a genre that the prior does not know.
        """
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(len(genres), self.size, generator=generator)  # (N, D)
        before = None if previous is None else torch.from_numpy(self.whitener.forward(previous))
        return self.whitener.inverse(self._flow(genres, noise, before, settings or self.settings).numpy())

    def song(
        self, genre: str, clips: int, *, seed: int = 0, count: int = 1, settings: Settings | None = None
    ) -> np.ndarray:
        """`count` songs of `clips` vectors each, (count, clips, D), whose neighbours belong together."""
        if clips < 1:
            raise InputError(f"A song needs at least 1 clip and got {clips}; ask for more seconds.")
        chosen = settings or self.settings
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(count, self.size, generator=generator)  # (N, D)
        z = self._flow([genre] * count, noise, None, chosen)  # (N, D)
        song = [z]
        for _ in range(clips - 1):
            fresh = torch.randn(count, self.size, generator=generator)  # (N, D)
            if self.neighbours == "none":
                noise = SHARED_NOISE * noise + (1 - SHARED_NOISE**2) ** 0.5 * fresh
                z = self._flow([genre] * count, noise, None, chosen)
            else:
                z = self._flow([genre] * count, fresh, z, chosen)
            song.append(z)
        stacked = torch.stack(song, 1)  # (N, clips, D)
        return self.whitener.inverse(stacked.flatten(0, 1).numpy()).reshape(count, clips, self.size)

    @torch.no_grad()
    def _flow(
        self, genres: Sequence[str], noise: Tensor, previous: Tensor | None, settings: Settings
    ) -> Tensor:
        """Whitened vectors (N, D) from noise (N, D)."""
        network = self.network.eval()
        genre = torch.tensor([self.whitener.label(g) for g in genres], dtype=torch.long)  # (N,)
        has = torch.full((len(genre),), float(previous is not None))  # (N,)
        before = torch.zeros_like(noise) if previous is None else previous  # (N, D)
        free = torch.full_like(genre, network.any_genre)  # (N,)
        field = guided(
            lambda x, t: network(x, t, genre, before, has),
            lambda x, t: network(x, t, free, before, has),
            settings.guidance,
        )
        return integrate(field, noise * settings.temperature, steps=settings.steps, method=settings.method)

    # -- on disk -----------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Write one safetensors file: the same prior, the same bytes."""
        part = path.with_name(path.name + ".part")
        save_file(self._tensors(), part, metadata={_KEY: json.dumps(self._header())})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Prior":
        """Read what `save` wrote."""
        with broken_file(path, "a prior", "have `surco submit train-prior` write it again"):
            with open_tensors(path, "pt") as file:
                about, tensors = header(file, _KEY), all_tensors(file)
            return cls._built(about, tensors)

    @classmethod
    def _built(cls, header: dict[str, Any], tensors: dict[str, Tensor]) -> "Prior":
        arrays = {name: tensors.pop(f"whitener.{name}").numpy() for name in _ARRAYS}
        whitener = Whitener(**arrays, genres=header["genres"])
        network = Velocity(len(whitener.mean), len(whitener.genres), **header["network"])
        network.load_state_dict({k.removeprefix("network."): v for k, v in tensors.items()})
        network.eval().requires_grad_(False)
        settings = Settings(**header["settings"])
        return cls(whitener, network, header["codec"], header["dataset"], header["neighbours"], settings)

    def _tensors(self) -> dict[str, Tensor]:
        arrays = {f"whitener.{n}": torch.from_numpy(getattr(self.whitener, n)) for n in _ARRAYS}
        weights = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        return {k: v.detach().cpu().contiguous().clone() for k, v in (arrays | weights).items()}

    def _header(self) -> dict[str, Any]:
        return {
            "genres": self.genres,
            "codec": self.codec,
            "dataset": self.dataset,
            "neighbours": self.neighbours,
            "network": self.network.config,
            "settings": vars(self.settings),
        }
