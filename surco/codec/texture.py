"""A second decoder: a rectified flow that gives a decoded log-mel the texture its vector could not hold.

The codec's decoder answers with the middle of what a vector may have meant, which is smooth. This network
draws one of the things it may have meant: starting from noise it flows to the difference between a true and
a decoded log-mel, given the decoded one and the size of the vector (Liu, Gong & Liu, "Flow Straight and
Fast", 2022). It makes decoded music more like music (kernel audio distance), and less like the clip that
was encoded (Zimtohrli), so it is asked for, never the default.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surco.audio.mel import MelConfig
from surco.codec.harmony import FACTOR, basis
from surco.codec.harmony import FRAMES as HARMONY_FRAMES
from surco.codec.harmony import HOP as HARMONY_HOP
from surco.codec.vector_layout import octaves
from surco.codec.vocoder import Block
from surco.codec.weights import WeightsFile, half
from surco.errors import InputError

SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "texture.safetensors"
SCALE_DB = 6.0  # of the differences, so that the flow ends near unit variance
FILE = WeightsFile("surco-texture-1", "texture", "`Texture.save`")
EDGES = (24, 52)  # mel bands between which the three shares hold
FEATURES = 16  # cosines that tell a time, or a size, from another


@dataclass(frozen=True)
class TextureConfig:
    """Width and depth of the network, and how it is asked by default."""

    dim: int = 112
    expansion: int = 2
    depth: int = 5
    kernel: int = 7  # frames
    harmony: bool = False  # whether it is told the pitch classes, as far as the vector knows them
    steps: int = 8  # of Euler's method from noise to texture
    # Shares of the drawn difference that are added below 1 kHz, up to 3.3 kHz and above: chosen on valid
    # clips. Most of what makes music sound real lies in the middle, most of what it costs to either side.
    shares: tuple[float, float, float] = (0.3, 0.8, 0.0)


class Texture(nn.Module):
    """Decoded log-mels (B, n_mels, frames) to ones with texture; `Texture.load()` gives the shipped one."""

    over: Tensor

    def __init__(self, config: TextureConfig | None = None, mel: MelConfig | None = None):
        super().__init__()
        self.config = c = config or TextureConfig()
        self.mel = mel or MelConfig()
        self.enter = nn.Conv1d(2 * self.mel.n_mels, c.dim, 3, padding=1)
        self.about = nn.Linear(2 * FEATURES, c.dim)  # time of the flow, size of the vector
        self.chords = nn.Linear(12, c.dim, bias=False) if c.harmony else None
        if self.chords is not None:
            nn.init.zeros_(self.chords.weight)
            self.register_buffer("over", basis_at_frames(), persistent=False)  # (32, 12, 431)
        self.blocks = nn.ModuleList(Block(c.dim, c.expansion, c.kernel) for _ in range(c.depth))
        self.norm = nn.LayerNorm(c.dim)
        self.leave = nn.Linear(c.dim, self.mel.n_mels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def velocity(
        self, x: Tensor, time: Tensor, decoded: Tensor, sizes: Tensor, harmony: Tensor | None = None
    ) -> Tensor:
        """Where x (B, n_mels, F) flows at `time` (B,) in [0, 1], given log-mels decoded of `sizes` (B,).

        `harmony` (B, h <= 32) are the vectors' dimensions of it; one that is missing counts as zero.
        """
        known = (decoded - self.mel.floor_db) / 40 - 1  # (B, n_mels, F)
        about = self.about(torch.cat([waves(time), waves(octaves(sizes))], 1))  # (B, dim)
        h = self.enter(torch.cat([x, known], 1)).transpose(1, 2) + about[:, None]  # (B, F, dim)
        if self.chords is not None and harmony is not None:
            classes = torch.einsum("bh,hcf->bfc", harmony / 20, self.over[: harmony.shape[1]])  # (B, 431, 12)
            h = h + self.chords(classes[:, : h.shape[1]])
        for block in self.blocks:
            h = block(h)
        return self.leave(self.norm(h)).transpose(1, 2)

    @torch.no_grad()
    def forward(
        self,
        decoded: Tensor,
        size: int,
        harmony: Tensor | None = None,
        *,
        strength: float | None = None,
        seed: int = 0,
    ) -> Tensor:
        """Log-mels (B, n_mels, F) in dB with texture, of log-mels decoded from vectors of `size` dimensions.

        `harmony` (B, h <= 32) are the vectors' dimensions of it.
        `strength` 0 leaves them as they are, 1 adds the whole of what was drawn; without one, the shares of
        the configuration are added. `seed` draws another.
        """
        if strength is None:
            low, high = (min(edge, self.mel.n_mels) for edge in EDGES)
            widths = torch.tensor([low, high - low, self.mel.n_mels - high])
            share = torch.tensor(self.config.shares).repeat_interleave(widths)[:, None].to(decoded.device)
        elif 0 <= strength <= 2:
            share = torch.full((self.mel.n_mels, 1), float(strength), device=decoded.device)
        else:
            raise InputError(f"The strength of a texture lies between 0 and 2, not {strength}.")
        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(decoded.shape[1:], generator=generator).to(decoded.device)
        x = x.expand_as(decoded)  # the same noise for every clip: a clip's sound does not hang on its batch
        sizes = torch.full((len(decoded),), float(size), device=decoded.device)
        for step in range(self.config.steps):
            time = torch.full_like(sizes, step / self.config.steps)
            x = x + self.velocity(x, time, decoded, sizes, harmony) / self.config.steps
        drawn = (decoded + share * SCALE_DB * x).clamp_min(self.mel.floor_db)
        return torch.where(decoded > self.mel.floor_db, drawn, decoded)  # silence stays silent

    def grown(self, config: TextureConfig) -> "Texture":
        """A texture of as wide but deeper a shape that at first draws what this one does."""
        larger = Texture(config, self.mel)
        with torch.no_grad():
            for block in list(larger.blocks)[self.config.depth :]:
                block.get_parameter("scale").zero_()
        larger.load_state_dict(self.state_dict(), strict=False)
        return larger

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


def waves(x: Tensor) -> Tensor:
    """Cosines (B, FEATURES) of numbers (B,) in [0, 1]."""
    return (x[:, None] * math.pi * torch.arange(FEATURES, device=x.device)).cos()


def basis_at_frames() -> Tensor:
    """What each dimension of harmony adds to the pitch classes at each frame of a log-mel, (32, 12, 431)."""
    hop = HARMONY_HOP * FACTOR  # samples; frames of harmony are centred half a window in, as a log-mel's
    return basis(0.0, (torch.arange(431.0) * 256 / hop).clamp_max(HARMONY_FRAMES - 1))


def flow_loss(
    texture: Texture,
    decoded: Tensor,
    mel: Tensor,
    sizes: Tensor,
    rng: torch.Generator,
    harmony: Tensor | None = None,
) -> Tensor:
    """Mean square error of the velocity between noise and the difference of true and decoded log-mels.

    `mel` and `decoded` are (B, n_mels, F) in dB, `sizes` (B,) the vectors' sizes.
    """
    noise = torch.randn(mel.shape, generator=rng).to(mel.device)  # (B, n_mels, F)
    time = torch.rand(len(mel), generator=rng).to(mel.device)  # (B,)
    target = (mel - decoded) / SCALE_DB  # (B, n_mels, F)
    x = torch.lerp(noise, target, time[:, None, None])
    return (texture.velocity(x, time, decoded, sizes, harmony) - (target - noise)).square().mean()
