"""Two small transformers over the 54 patches of a clip, one on each side of the linear transform.

Their output layers start at zero, so that an untrained network adds nothing. Weights are shared over
time; rotary positions let attention find the same beat wherever in the clip it falls.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from surco.codec.vector_layout import octaves


def rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions (Su et al. 2021) on queries or keys (B, H, T, d)."""
    a, b = x.chunk(2, -1)  # each (B, H, T, d / 2)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention (B, H, T, d) over 54 tokens, written out: fused kernels are three times slower on cores."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v)
    score = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, H, T, T)
    return score.softmax(-1).to(v.dtype) @ v


class Block(nn.Module):
    """Pre-norm attention and a squared-ReLU MLP on tokens (B, T, width)."""

    def __init__(self, width: int, heads: int, expansion: int):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.mix = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, expansion * width, bias=False)
        self.down = nn.Linear(expansion * width, width, bias=False)
        nn.init.zeros_(self.mix.weight)
        nn.init.zeros_(self.down.weight)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        h = F.rms_norm(x, x.shape[-1:])
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # each (B, H, T, d)
        q, k = (rotary(F.rms_norm(y, y.shape[-1:]), cos, sin) for y in (q, k))
        x = x + self.mix(attend(q, k, v).transpose(1, 2).flatten(2))
        h = F.rms_norm(x, x.shape[-1:])
        return x + self.down(F.relu(self.up(h)).square())


class TokenNet(nn.Module):
    """Tokens (B, T, d_in) to a correction (B, T, d_out), zero until trained.

    `condition` (B, width) is added to every token; `size_embedding` makes one of a prefix size.
    """

    cos: Tensor
    sin: Tensor

    def __init__(
        self, d_in: int, d_out: int, *, width: int, depth: int, heads: int, expansion: int, tokens: int
    ):
        super().__init__()
        self.enter = nn.Linear(d_in, width)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.blocks = nn.ModuleList(Block(width, heads, expansion) for _ in range(depth))
        self.leave = nn.Linear(width, d_out)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        half = width // heads // 2
        angle = torch.arange(tokens)[:, None] * (2 * tokens) ** (-torch.arange(half) / half)  # (T, d / 2)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.enter(x) + self.place
        if condition is not None:
            x = x + condition[:, None]
        cos, sin = self.cos.to(x.dtype), self.sin.to(x.dtype)
        for block in self.blocks:
            x = block(x, cos, sin)
        return self.leave(F.rms_norm(x, x.shape[-1:]))


class SizeEmbedding(nn.Module):
    """How many dimensions of the vector are there, (B,) floats, as (B, width)."""

    def __init__(self, width: int, features: int = 32):
        super().__init__()
        self.features = features
        self.project = nn.Linear(features, width)

    def forward(self, size: Tensor) -> Tensor:
        wave = octaves(size)[:, None] * math.pi * torch.arange(1, self.features + 1, device=size.device) / 2
        return self.project(wave.cos())
