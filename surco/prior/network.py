"""The velocity network: what a Gaussian in closed form knows, plus a residual MLP for the rest.

For x0 ~ N(0, I), x1 ~ N(m, diag(s^2)) and x = (1 - t) x0 + t x1 the best velocity is

    E[x1 - x0 | x] = m + (t s^2 - (1 - t)) / q * (x - t m),   q = t^2 s^2 + (1 - t)^2,

and what it leaves unexplained has variance s^2 / q. The network predicts that remainder in units of its
own deviation (the preconditioning of Karras et al. 2022, moved to rectified flow). It starts at
zero: an untrained prior is exactly a Gaussian with one mean per genre and, where a previous clip is
given, a linear step from it. So what lowers the loss is what was learned beyond that.

Two parts make the remainder. Gains per octave of coordinates, from the level in each octave: music is
calm or busy as a whole, which a Gaussian cannot say and a few hundred clips can teach. And a residual
MLP on the coordinates themselves, which with so few clips learns them by heart; it is for thousands.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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


class MLP(nn.Module):
    """Coordinates (B, D) and those of the clip before (B, D) to a remainder (B, D), zero at first."""

    def __init__(self, size: int, width: int, depth: int, dropout: float):
        super().__init__()
        self.enter = nn.Linear(size, width)
        self.previous = nn.Linear(size, width, bias=False)
        self.blocks = nn.ModuleList(Block(width, dropout) for _ in range(depth))
        self.leave = nn.Linear(width, size)
        _zero(self.leave)

    def forward(self, u: Tensor, previous: Tensor, condition: Tensor) -> Tensor:
        h = self.enter(u)  # (B, W)
        condition = condition + self.previous(previous)  # (B, W)
        for block in self.blocks:
            h = block(h, condition)
        return self.leave(h)


class Velocity(nn.Module):
    """Velocity (B, D) at x (B, D), time t (B,), genre (B,) and the previous clip (B, D).

    Genre index G (one past the last) stands for 'any genre'; `has_previous` (B,) is 0 where there is none.
    `depth` counts the blocks of the residual MLP; 0 leaves it out.
    """

    centres: Tensor
    memory: Tensor
    bands: Tensor

    def __init__(self, size: int, n_genres: int, *, width: int = 256, depth: int = 0, dropout: float = 0.1):
        super().__init__()
        self.size, self.any_genre = size, n_genres
        self.config = {"width": width, "depth": depth, "dropout": dropout}
        self.register_buffer("centres", torch.zeros(n_genres + 1, size))  # (G + 1, D)
        self.register_buffer("memory", torch.zeros(size))  # (D,) correlation with the previous clip
        self.register_buffer("bands", octaves(size), persistent=False)  # (K, D)
        self.genre = nn.Embedding(n_genres + 1, width)
        self.time = nn.Sequential(nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.level = nn.Linear(2 * len(self.bands), width)
        self.gains = nn.Linear(width, len(self.bands))
        nn.init.normal_(self.genre.weight, std=0.1)
        _zero(self.gains)
        self.mlp: MLP | None = MLP(size, width, depth, dropout) if depth else None

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
        u = away / q.sqrt()  # (B, D) of about unit variance
        known = previous * has_previous[:, None]  # (B, D)
        freq = torch.exp(torch.linspace(0, math.log(100), 16, device=x.device))  # (16,)
        angle = t_ * freq  # (B, 16)
        condition = self.time(torch.cat([angle.sin(), angle.cos()], -1)) + self.genre(genre)  # (B, W)
        level = torch.cat([self._level(u), self._level(known) * has_previous[:, None]], -1)  # (B, 2K)
        gain = self.gains(F.silu(self.level(level) + condition))  # (B, K)
        remainder = gain @ (self.bands > 0).to(u) * u  # (B, D)
        if self.mlp is not None:
            remainder = remainder + self.mlp(u, known, condition)
        return base, (variance / q).sqrt(), remainder

    def _level(self, u: Tensor) -> Tensor:
        """Log mean square (B, K) of u (B, D) in each octave of coordinates."""
        return (u**2 @ self.bands.T + 1e-2).log()

    def forward(self, x: Tensor, t: Tensor, genre: Tensor, previous: Tensor, has_previous: Tensor) -> Tensor:
        base, deviation, remainder = self.split(x, t, genre, previous, has_previous)
        return base + deviation * remainder


def octaves(size: int) -> Tensor:
    """Means (K, D) over the coordinates 0, 1 to 2, 3 to 6, and so on by octaves."""
    octave = torch.arange(size).add(1).log2().floor().long()  # (D,)
    hot = F.one_hot(octave).float().T  # (K, D)
    return hot / hot.sum(1, keepdim=True)


def _zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
