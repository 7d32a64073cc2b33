"""The linear optimum that the codec starts from: patch PCA, DCT over time, and a rotation per DCT bin.

A log-mel of 54 patches (8 frames, 640 numbers) becomes 54 x `rank` PCA coordinates, then a DCT over the
54 patches. The protocol's Linear keeps single coordinates of that grid, those of largest training
variance. Here the coordinates of each DCT bin may also be rotated to their own principal axes (the
Karhunen-Loeve transform of a stationary signal of patches), since slow and fast changes lie along
different axes. Both are orthonormal: distance between coefficients is distance between log-mels.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

PATCH = 8  # frames
TOKENS = 54  # patches of a clip; 432 frames, one more than the clip's 431


def dct_matrix(length: int) -> Tensor:
    """Orthonormal DCT-II as columns (length, length): bin k of a series is its product with column k."""
    return dct_at(length, torch.arange(length))


def dct_at(length: int, places: Tensor) -> Tensor:
    """The columns (t, length) of `dct_matrix` read at `places` (t,), between its rows too."""
    n, k = places.double(), torch.arange(length, dtype=torch.float64)
    basis = torch.cos(math.pi / length * (n[:, None] + 0.5) * k) * math.sqrt(2 / length)
    basis[:, 0] /= math.sqrt(2)
    return basis.float()


def to_patches(mel: Tensor) -> Tensor:
    """Log-mel (B, M, 431) to patches (B, 54, M * 8); the last frame is repeated once."""
    mel = torch.cat([mel, mel[:, :, -1:]], 2)  # (B, M, 432)
    return mel.unflatten(2, (TOKENS, PATCH)).permute(0, 2, 1, 3).flatten(2)  # (B, 54, M * 8)


def from_patches(patches: Tensor) -> Tensor:
    """Patches (B, 54, M * 8) to log-mel (B, M, 431)."""
    return patches.unflatten(2, (-1, PATCH)).permute(0, 2, 1, 3).flatten(2)[:, :, :-1]


class LinearTransform(nn.Module):
    """Patches (B, 54, P) to ordered coefficients (B, K) and back, through PCA coordinates (B, 54, R).

    `mean` (P,), `basis` (P, R) and `axes` (K, R) are fitted; coefficient j lies in DCT bin `bins[j]`
    along `axes[j]`. `spread` (K,) is the standard deviation of each on the training set, descending;
    `scale` (R,) takes PCA coordinates half-way to unit variance, for networks to read. It is kept, not
    derived, so that a codec cut to its first coefficients still reads the same.
    """

    mean: Tensor
    basis: Tensor
    axes: Tensor
    bins: Tensor
    spread: Tensor
    scale: Tensor
    dct: Tensor

    def __init__(self, patch_dim: int, rank: int, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(patch_dim))
        self.register_buffer("basis", torch.zeros(patch_dim, rank))
        self.register_buffer("axes", torch.zeros(size, rank))
        self.register_buffer("bins", torch.zeros(size, dtype=torch.int32))
        self.register_buffer("spread", torch.ones(size))
        self.register_buffer("scale", torch.ones(rank))
        self.register_buffer("dct", dct_matrix(TOKENS), persistent=False)
        self._cached: tuple[Tensor, Tensor] | None = None

    def coordinates(self, patches: Tensor) -> Tensor:
        """PCA coordinates (B, 54, R) of patches (B, 54, P)."""
        return (patches - self.mean) @ self.basis

    def patches(self, coordinates: Tensor) -> Tensor:
        """Patches (B, 54, P) of PCA coordinates (B, 54, R)."""
        return coordinates @ self.basis.T + self.mean

    def analyse(self, coordinates: Tensor) -> Tensor:
        """Coefficients (B, K) of PCA coordinates (B, 54, R)."""
        axes, place = self._grid()
        spectrum = torch.einsum("btr,tk->kbr", coordinates, self.dct)  # (54, B, R)
        return torch.bmm(spectrum, axes).transpose(0, 1).flatten(1)[:, place]  # (B, K)

    def synthesise(self, coefficients: Tensor) -> Tensor:
        """PCA coordinates (B, 54, R) of the first coefficients (B, k <= K); the missing ones count as 0."""
        axes, place = self._grid()
        k = coefficients.shape[1]
        grid = coefficients.new_zeros(len(coefficients), TOKENS * axes.shape[2])
        grid = grid.index_copy(1, place[:k], coefficients).unflatten(1, (TOKENS, -1))  # (B, 54, n)
        spectrum = torch.bmm(grid.transpose(0, 1), axes.transpose(1, 2))  # (54, B, R)
        return torch.einsum("kbr,tk->btr", spectrum, self.dct)

    def prepare(self) -> None:
        """Lay out the axes now, so that a compiled graph finds them ready."""
        self._grid()

    def _grid(self) -> tuple[Tensor, Tensor]:
        """Axes by DCT bin (54, R, n), zero-padded, and the place (K,) of each coefficient among 54 * n."""
        if self._cached is None or self._cached[0].device != self.axes.device:
            bins = self.bins.long()
            hot = torch.nn.functional.one_hot(bins, TOKENS)  # (K, 54)
            rank = (hot.cumsum(0) - 1)[torch.arange(len(bins), device=bins.device), bins]  # (K,)
            widest = int(rank.max()) + 1
            grid = self.axes.new_zeros(TOKENS, widest, self.axes.shape[1])
            grid[bins, rank] = self.axes
            self._cached = (grid.transpose(1, 2).contiguous(), bins * widest + rank)
        return self._cached

    def _load_from_state_dict(self, *args: Any) -> None:
        super()._load_from_state_dict(*args)
        self._cached = None

    @torch.no_grad()
    def fit(self, batches: Iterable[Tensor], *, rotate: bool = True) -> "LinearTransform":
        """Fit to log-mels (B, M, 431), given twice over by an iterable that can be read again.

        `rotate=False` is the protocol's Linear; True rotates each DCT bin to its own principal axes.
        """
        rank, device = self.basis.shape[1], self.mean.device
        total, count = torch.zeros_like(self.mean, dtype=torch.float64), 0
        square = torch.zeros(len(total), len(total), dtype=torch.float64, device=device)
        for mel in batches:
            x = to_patches(mel.to(device)).flatten(0, 1)  # (B * 54, P)
            total += x.sum(0).double()
            square += (x.T @ x).double()
            count += len(x)
        mean = total / count
        _, vectors = torch.linalg.eigh(square / count - mean[:, None] * mean)
        self.mean.copy_(mean)
        self.basis.copy_(_signed(vectors.flip(1)[:, :rank]))

        moment = torch.zeros(TOKENS, rank, rank, dtype=torch.float64, device=device)
        clips = 0
        for mel in batches:
            spectrum = torch.einsum("btr,tk->kbr", self.coordinates(to_patches(mel.to(device))), self.dct)
            moment += (spectrum.transpose(1, 2) @ spectrum).double()  # (54, R, R)
            clips += len(mel)
        moment /= clips
        if rotate:
            # Neighbouring bins are alike; averaging their moments leaves less to chance with few clips.
            inner = (moment[1:-3] + 2 * moment[2:-2] + moment[3:-1]) / 4
            smooth = torch.cat([moment[:2], inner, moment[-2:]])
            axes = torch.stack([_signed(torch.linalg.eigh(m)[1].flip(1)) for m in smooth])  # (54, R, R)
            variance = torch.einsum("krn,krs,ksn->kn", axes, moment, axes)  # (54, R)
        else:
            axes = torch.eye(rank, dtype=torch.float64, device=device).expand(TOKENS, -1, -1)
            variance = moment.diagonal(dim1=1, dim2=2)
        order = variance.flatten().argsort(descending=True, stable=True)[: len(self.bins)]
        self.bins.copy_(order // rank)
        self.axes.copy_(axes.transpose(1, 2).flatten(0, 1)[order])
        self.spread.copy_(variance.flatten()[order].clamp_min(0).sqrt())
        self._cached = None
        self.rescale()
        return self

    def rescale(self) -> None:
        """Set `scale` from the coefficients there are."""
        power = (self.spread.square()[:, None] * self.axes.square()).sum(0) / TOKENS  # (R,)
        root = power.clamp_min(1e-6).sqrt().sqrt()
        self.scale.copy_(root * root.square().mean().sqrt())


def _signed(vectors: Tensor) -> Tensor:
    """Eigenvectors with their largest entry positive, so that a fit does not depend on the solver's signs."""
    peak = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return vectors * peak.sign()
