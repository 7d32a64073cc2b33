"""The velocity network: what a Gaussian in closed form knows, plus a residual MLP for the rest.

For x0 ~ N(0, I), x1 ~ N(m, diag(s^2)) and x = (1 - t) x0 + t x1 the best velocity is

    E[x1 - x0 | x] = m + (t s^2 - (1 - t)) / q * (x - t m),   q = t^2 s^2 + (1 - t)^2,

and what it leaves unexplained has variance s^2 / q. The network predicts that remainder in units of its
own deviation (the preconditioning of Karras et al. 2022, moved to rectified flow). Its last layer
starts at zero: an untrained prior is exactly a Gaussian with one mean per genre and, where a
previous clip is given, a linear step from it. So a loss below 1 is what was learned beyond that.
"""

import math

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Residual MLP block whose norm is shifted and scaled by the condition."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulate = nn.Linear(width, 2 * width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulate(condition).chunk(2, -1)  # (B, W) each
        return h + self.mlp(self.norm(h) * (1 + scale) + shift)


class Velocity(nn.Module):
    """Velocity (B, D) at x (B, D), time t (B,), genre (B,) and the previous clip (B, D).

    Genre index G (one past the last) stands for 'any genre'; `has_previous` (B,) is 0 where there is none.
    """

    centres: Tensor
    memory: Tensor

    def __init__(self, size: int, n_genres: int, *, width: int = 256, depth: int = 3, dropout: float = 0.1):
        super().__init__()
        self.size, self.any_genre = size, n_genres
        self.config = {"width": width, "depth": depth, "dropout": dropout}
        self.register_buffer("centres", torch.zeros(n_genres + 1, size))  # (G + 1, D)
        self.register_buffer("memory", torch.zeros(size))  # (D,) correlation with the previous clip
        self.enter = nn.Linear(size, width)
        self.genre = nn.Embedding(n_genres + 1, width)
        self.previous = nn.Linear(size, width, bias=False)
        self.time = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.leave = nn.Linear(width, size)
        nn.init.normal_(self.genre.weight, std=0.1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def gaussian(self, genre: Tensor, previous: Tensor, has_previous: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance, (B, D) each, of the clip to come as far as a Gaussian knows it."""
        centre = self.centres[genre]  # (B, D)
        r = self.memory * has_previous[:, None]  # (B, D)
        return centre + r * (previous - centre), 1 - r**2

    def split(
        self, x: Tensor, t: Tensor, genre: Tensor, previous: Tensor, has_previous: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gaussian velocity, deviation of its remainder, and the network's remainder: (B, D) each."""
        mean, variance = self.gaussian(genre, previous, has_previous)
        t_ = t[:, None]  # (B, 1)
        q = t_**2 * variance + (1 - t_) ** 2  # (B, D) variance of x
        away = x - t_ * mean  # (B, D)
        base = mean + (t_ * variance - (1 - t_)) / q * away
        freq = torch.exp(torch.linspace(0, math.log(100), 16, device=x.device))  # (16,)
        angle = t_ * freq  # (B, 16)
        condition = self.time(torch.cat([angle.sin(), angle.cos()], -1)) + self.genre(genre)  # (B, W)
        condition = condition + self.previous(previous * has_previous[:, None])
        h = self.enter(away / q.sqrt())  # (B, W)
        for block in self.blocks:
            h = block(h, condition)
        return base, (variance / q).sqrt(), self.leave(h)

    def forward(self, x: Tensor, t: Tensor, genre: Tensor, previous: Tensor, has_previous: Tensor) -> Tensor:
        base, deviation, remainder = self.split(x, t, genre, previous, has_previous)
        return base + deviation * remainder
