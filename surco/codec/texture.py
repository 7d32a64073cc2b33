"""A second decoder: the texture that a vector could not hold, added to a decoded log-mel.

The codec's decoder answers with the middle of what a vector may have meant, which is smooth. This network
adds one of the things it may have meant: sharp attacks, edges and grain. It is trained to stay as near to the
true log-mel as it can while what a frozen listener hears in both happens equally often (sliced Wasserstein
distance; Heitz et al., 2021), so that it gives away no more of the likeness than sounding real costs
(Blau & Michaeli, "The Perception-Distortion Tradeoff", 2018). What the vector does know it leaves alone
(`Codec.unseen`).
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from surco.audio.mel import MelConfig
from surco.codec.harmony import FACTOR, basis
from surco.codec.harmony import FRAMES as HARMONY_FRAMES
from surco.codec.harmony import HOP as HARMONY_HOP
from surco.codec.vector_layout import octaves
from surco.codec.vocoder import Block
from surco.codec.weights import WeightsFile, half
from surco.errors import InputError

SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "texture.safetensors"
SCALE_DB = 6.0  # about what a true log-mel differs from a decoded one by
FILE = WeightsFile("surco-texture-2", "texture", "`Texture.save`")
EDGES = (24, 52)  # mel bands between which the three shares hold
FEATURES = 16  # cosines that tell a size from another
PLANES, FREE = 2, 16  # of noise: on the log-mel, and channels a frame


@dataclass(frozen=True)
class TextureConfig:
    """Width and depth of the network, and how it is asked by default."""

    dim: int = 128
    expansion: int = 2
    depth: int = 5
    kernel: int = 7  # frames
    maps: int = 6  # that the frames' network hands to the last two layers
    width: int = 12  # of those layers
    # Shares of the change that are made below 1 kHz, up to 3.3 kHz and above: chosen on valid clips.
    shares: tuple[float, float, float] = (1.0, 1.2, 0.6)


class Texture(nn.Module):
    """Decoded log-mels (B, n_mels, frames) to ones with texture; `Texture.load()` gives the shipped one.

    A ConvNeXt over frames says what to do where; two small convolutions over frames and bands, which see
    the log-mel and noise beside it, do it. An untrained one changes nothing.
    """

    over: Tensor

    def __init__(self, config: TextureConfig | None = None, mel: MelConfig | None = None):
        super().__init__()
        self.config = c = config or TextureConfig()
        self.mel = mel or MelConfig()
        self.enter = nn.Conv1d(self.mel.n_mels + FREE, c.dim, 3, padding=1)
        self.about = nn.Linear(FEATURES, c.dim)  # size of the vector
        self.chords = nn.Linear(12, c.dim, bias=False)
        self.register_buffer("over", basis_at_frames(), persistent=False)  # (32, 12, 431)
        self.blocks = nn.ModuleList(Block(c.dim, c.expansion, c.kernel) for _ in range(c.depth))
        self.norm = nn.LayerNorm(c.dim)
        self.leave = nn.Linear(c.dim, self.mel.n_mels * c.maps)
        self.first = nn.Conv2d(c.maps + 1 + PLANES, c.width, 3, padding=1)
        self.last = nn.Conv2d(c.width, 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.get_parameter("bias"))

    def noise(self, rng: torch.Generator, frames: int, batch: int = 1) -> Tensor:
        """What a texture is drawn from, (B, PLANES * n_mels + FREE, frames)."""
        return torch.randn(batch, PLANES * self.mel.n_mels + FREE, frames, generator=rng)

    def change(self, decoded: Tensor, sizes: Tensor, noise: Tensor, harmony: Tensor | None = None) -> Tensor:
        """What to add, (B, n_mels, F) in dB, to log-mels (B, n_mels, F) decoded of `sizes` (B,) dimensions.

        `harmony` (B, h <= 32) are the vectors' dimensions of it; one that is missing counts as zero.
        """
        bands = self.mel.n_mels
        known = (decoded - self.mel.floor_db) / 40 - 1  # (B, n_mels, F)
        planes, free = noise.split((PLANES * bands, FREE), 1)
        h = self.enter(torch.cat([known, free], 1)).transpose(1, 2)  # (B, F, dim)
        h = h + self.about(waves(octaves(sizes)))[:, None]
        if harmony is not None:
            classes = torch.einsum("bh,hcf->bfc", harmony / 20, self.over[: harmony.shape[1]])  # (B, 431, 12)
            h = h + self.chords(classes[:, : h.shape[1]])
        for block in self.blocks:
            h = block(h)
        maps = self.leave(self.norm(h)).unflatten(2, (-1, bands)).permute(0, 2, 3, 1)  # (B, maps, n_mels, F)
        y = torch.cat([maps, known[:, None], planes.unflatten(1, (PLANES, bands))], 1)
        return SCALE_DB * self.last(F.gelu(self.first(y)))[:, 0]

    @torch.no_grad()
    def forward(
        self,
        decoded: Tensor,
        size: int,
        harmony: Tensor | None = None,
        *,
        keep: Callable[[Tensor], Tensor] | None = None,
        strength: float | None = None,
        seed: int = 0,
    ) -> Tensor:
        """Log-mels (B, n_mels, F) in dB with texture, of log-mels decoded from vectors of `size` dimensions.

        `harmony` (B, h <= 32) are the vectors' dimensions of it. `keep` leaves of a change what is allowed,
        as in training; `Codec.textured` gives it, and without it more changes than was learned. `strength` 0
        leaves them as they are, 1 makes the whole change; without one, the shares of the configuration are
        made. `seed` draws another.
        """
        if strength is None:
            low, high = (min(edge, self.mel.n_mels) for edge in EDGES)
            widths = torch.tensor([low, high - low, self.mel.n_mels - high])
            share = torch.tensor(self.config.shares).repeat_interleave(widths)[:, None].to(decoded.device)
        elif 0 <= strength <= 2:
            share = torch.full((self.mel.n_mels, 1), float(strength), device=decoded.device)
        else:
            raise InputError(f"The strength of a texture lies between 0 and 2, not {strength}.")
        noise = self.noise(torch.Generator().manual_seed(seed), decoded.shape[2]).to(decoded.device)
        noise = noise.expand(len(decoded), -1, -1)  # the same: a clip's sound does not hang on its batch
        sizes = torch.full((len(decoded),), float(size), device=decoded.device)
        change = self.change(decoded, sizes, noise, harmony)
        return within(decoded + share * (keep(change) if keep else change), decoded, self.mel)

    def save(self, path: str | Path) -> None:
        """Write weights (half precision) and configuration as safetensors."""
        FILE.write(path, half(self), config=asdict(self.config), mel=asdict(self.mel))

    @classmethod
    def load(cls, path: str | Path | None = None) -> "Texture":
        """The texture of a file that `save` wrote; without a path, the shipped one."""

        def build(facts: dict[str, Any], tensors: dict[str, Tensor]) -> Texture:
            shape = facts["config"] | {"shares": tuple(facts["config"]["shares"])}
            model = cls(TextureConfig(**shape), MelConfig(**facts["mel"]))
            model.load_state_dict(tensors)
            return model.eval()

        return FILE.read(path or SHIPPED, build)


def within(drawn: Tensor, decoded: Tensor, mel: MelConfig) -> Tensor:
    """Drawn log-mels, floored; silence stays silent."""
    return torch.where(decoded > mel.floor_db, drawn.clamp_min(mel.floor_db), decoded)


def waves(x: Tensor) -> Tensor:
    """Cosines (B, FEATURES) of numbers (B,) in [0, 1]."""
    return (x[:, None] * math.pi * torch.arange(FEATURES, device=x.device)).cos()


def basis_at_frames() -> Tensor:
    """What each dimension of harmony adds to the pitch classes at each frame of a log-mel, (32, 12, 431)."""
    hop = HARMONY_HOP * FACTOR  # samples; frames of harmony are centred half a window in, as a log-mel's
    return basis(0.0, (torch.arange(431.0) * 256 / hop).clamp_max(HARMONY_FRAMES - 1))
