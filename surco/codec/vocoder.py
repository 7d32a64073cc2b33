"""The vocoder: log-mel to wave, shared by every vector size.

A ConvNeXt at frame rate, as in Vocos (Siuzdak, 2023), but with nothing left to chance or to an
adversary: it predicts what a mel does determine, the fine structure of the magnitudes and how the
phase turns from frame to frame and from bin to bin (Masuyama et al., 2020; APNet, Ai & Ling, 2023).
The phase itself, which a mel does not determine, is integrated from those turns and settled by a few
Griffin-Lim iterations. The untrained network equals the mel's multiplicative inversion.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from surco.audio import kernels
from surco.audio.griffin_lim import fit_to_mel, invert_mel, random_phase, refine
from surco.audio.mel import LogMel, MelConfig
from surco.codec.precision import bf16_is_fast
from surco.codec.weights import WeightsFile, half
from surco.errors import InputError

STRAY = 0.03  # confidence at which a random angle has as much say as the prediction
SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "vocoder.safetensors"
FILE = WeightsFile("surco-vocoder-1", "vocoder", "`train-vocoder`")


@dataclass(frozen=True)
class VocoderConfig:
    """Width and depth of the network, and how its spectrum becomes a wave."""

    dim: int = 256
    expansion: int = 2
    depth: int = 5
    kernel: int = 7  # frames
    turned_bins: int = 320  # bins, from 0 Hz up, whose turns of phase are predicted
    fit_steps: int = 4  # updates that hold the magnitudes to the mel
    iterations: int = 8  # of Griffin-Lim; 16 come a little closer to a true mel


class Spectrum(NamedTuple):
    """What the network says of the sound: power, and phasors of expected phase differences.

    The length of a phasor, 0 to 1, is the network's confidence in its angle.
    """

    power: Tensor  # (B, F, frames)
    advance: Tensor  # (B, K, frames) complex: phase against the frame before, centre frequency taken out
    delay: Tensor  # (B, K, frames) complex: phase against the bin below, referred to the frame's centre


class Block(nn.Module):
    """ConvNeXt block: a depthwise convolution over time, then an MLP on each frame."""

    def __init__(self, dim: int, expansion: int, kernel: int):
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.widen = nn.Linear(dim, expansion * dim)
        self.narrow = nn.Linear(expansion * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x.transpose(1, 2)).transpose(1, 2)  # (B, frames, dim)
        y = self.narrow(F.gelu(self.widen(self.norm(y))))  # (B, frames, dim)
        return x + self.scale * y


class Vocoder(nn.Module):
    """Log-mel (B, n_mels, frames) in dB at the front end's loudness to wave (B, hop * (frames - 1))."""

    filters: Tensor

    def __init__(self, config: VocoderConfig | None = None, mel: MelConfig | None = None):
        super().__init__()
        self.config = c = config or VocoderConfig()
        self.mel = mel or MelConfig()
        self.bins = self.mel.n_fft // 2 + 1
        self.register_buffer("filters", LogMel(self.mel).filters, persistent=False)  # (n_mels, F)
        self.embed = nn.Conv1d(self.mel.n_mels, c.dim, 3, padding=1)
        self.norm_in = nn.LayerNorm(c.dim)
        self.blocks = nn.ModuleList(Block(c.dim, c.expansion, c.kernel) for _ in range(c.depth))
        self.norm_out = nn.LayerNorm(c.dim)
        self.head = nn.Linear(c.dim, self.bins + 4 * c.turned_bins)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def predict(self, log_mel: Tensor) -> Tensor:
        """The network alone: (B, F + 4 K, frames), a correction of log-power and the turns' parts."""
        x = self.embed((log_mel - self.mel.floor_db) / 40 - 1)  # (B, dim, frames)
        x = self.norm_in(x.transpose(1, 2))  # (B, frames, dim)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm_out(x)).transpose(1, 2)

    def spectrum(self, log_mel: Tensor, out: Tensor) -> Spectrum:
        """What `predict`'s `out` means for its log-mel: power, held to the mel, and turns of phase."""
        correction = out[:, : self.bins]  # (B, F, frames)
        power = invert_mel(log_mel, self.filters, steps=0) * correction.clamp(-15, 15).exp()  # (B, F, frames)
        power = fit_to_mel(power, self.power_mel(log_mel), self.filters, steps=self.config.fit_steps)
        a, b, c, d = out.mT[..., self.bins :].chunk(4, 2)  # (B, frames, K) each
        return Spectrum(power, torch.complex(a, b).mT, torch.complex(c, d).mT)

    def power_mel(self, log_mel: Tensor) -> Tensor:
        """Power mel (B, n_mels, frames) of a log-mel, nothing where it stands at the floor."""
        return 10 ** (log_mel / 10) * (log_mel > self.mel.floor_db + 0.01)

    def forward(
        self,
        log_mel: Tensor,
        *,
        iterations: int | None = None,
        retouch: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """The wave; `retouch`, spectrograms to spectrograms, is asked during its last iterations."""
        if log_mel.ndim != 3 or log_mel.shape[1] != self.mel.n_mels or log_mel.shape[2] < 4:
            wanted = f"(batch, {self.mel.n_mels}, 4 or more)"
            raise InputError(f"A log-mel has shape {wanted}, not {tuple(log_mel.shape)}.")
        log_mel = log_mel.float()
        with torch.autocast(log_mel.device.type, torch.bfloat16, enabled=bf16_is_fast(log_mel.device)):
            out = self.predict(log_mel)  # (B, F + 4 K, frames)
        spectrum = self.spectrum(log_mel, out.float())
        magnitude = spectrum.power.sqrt()  # (B, F, frames)
        phase = integrate(magnitude, spectrum.advance, spectrum.delay, self.mel)  # (B, F, frames)
        rounds = self.config.iterations if iterations is None else iterations
        mel = self.power_mel(log_mel)  # (B, n_mels, frames)
        return refine(
            magnitude, phase, self.mel, iterations=rounds, mel=mel, filters=self.filters, retouch=retouch
        )

    def save(self, path: str | Path) -> None:
        """Write weights (half precision) and configuration as safetensors."""
        FILE.write(path, half(self), config=asdict(self.config), mel=asdict(self.mel))

    @classmethod
    def load(cls, path: str | Path | None = None) -> "Vocoder":
        """The vocoder of a file that `save` wrote; without a path, the shipped one."""

        def build(facts: dict[str, Any], tensors: dict[str, Tensor]) -> Vocoder:
            model = cls(VocoderConfig(**facts["config"]), MelConfig(**facts["mel"]))
            model.load_state_dict(tensors)
            return model.eval()

        return FILE.read(path or SHIPPED, build)


def turns(spec: Tensor, config: MelConfig) -> tuple[Tensor, Tensor]:
    """Unit phasors (advance, delay), each (B, F, frames), of a spectrogram (B, F, frames).

    Advance compares a frame with the one before, less the turn of the bin's centre frequency; delay
    compares a bin with the one below, the frame's centre being time zero. Both are 1 at the first.
    """
    bins = spec.shape[-2]
    unit = spec * (spec.real.square() + spec.imag.square()).clamp_min(1e-24).rsqrt()  # (B, F, frames)
    advance = torch.ones_like(unit)
    centre = centre_advance(bins, config).to(spec.device)[:, None]  # (F, 1)
    advance[..., 1:] = unit[..., 1:] * unit[..., :-1].conj() * centre.conj()
    delay = torch.ones_like(unit)
    delay[..., 1:, :] = -unit[..., 1:, :] * unit[..., :-1, :].conj()
    return advance, delay


def centre_advance(bins: int, config: MelConfig) -> Tensor:
    """Turn (F,) over one hop of a sine in the middle of each bin, as unit phasors."""
    angle = 2 * math.pi * config.hop / config.n_fft * torch.arange(bins)  # (F,)
    return torch.polar(torch.ones(bins), angle)


@torch.no_grad()
def integrate(magnitude: Tensor, advance: Tensor, delay: Tensor, config: MelConfig) -> Tensor:
    """Unit phasors (B, F, frames) whose turns in time and frequency follow the predicted ones.

    Frame by frame, every bin takes the mean of what its own past and its neighbours ask for, weighted
    by magnitude and confidence: recurrent phase unwrapping with one Jacobi sweep. Random angles, always
    the same, go to the bins above the predicted ones and to those of which nothing is known.
    """
    batch, bins, frames = magnitude.shape
    known = advance.shape[1]
    drawn = random_phase(bins, frames).to(magnitude.device)  # (F, frames)
    loud = magnitude.mT[..., :known] + 1e-6  # (B, frames, K): from here on frame by frame
    centre = centre_advance(known, config).to(magnitude.device)  # (K,)
    rest = drawn[known:].mT.expand(batch, -1, -1)  # (B, frames, F - K)
    if kernels.serve(loud, advance, delay):
        unit = torch.empty(batch, frames, known, dtype=advance.dtype)  # (B, frames, K)
        given = (x.contiguous().numpy() for x in (loud, advance.mT, delay.mT, centre, drawn[:known].mT))
        kernels.integrate(*given, STRAY, unit.numpy())
        return torch.cat([unit, rest], 2).mT
    past = (advance.mT * centre) * (loud * F.pad(loud, (0, 0, 1, -1)))  # (B, frames, K)
    stray = (STRAY * drawn[:known].mT) * loud.square()  # (B, frames, K)
    link = delay.mT[..., 1:] * (loud[..., 1:] * -loud[..., :-1])  # (B, frames, K - 1)
    up, down = F.pad(link, (1, 0)), F.pad(link.conj(), (0, 1))  # (B, frames, K)
    # (frames, B, K) each
    past, stray, up, down = (x.transpose(0, 1).contiguous() for x in (past, stray, up, down))
    phase = torch.empty(frames, batch, known, dtype=past.dtype, device=past.device)  # (frames, B, K)
    phase[0] = drawn[:known, 0]
    first = past.new_zeros(batch, known + 2)  # (B, K + 2) phasors before the sweep, with a margin
    middle, below, above = first[:, 1:-1], first[:, :-2], first[:, 2:]  # (B, K) each
    for before, now, p, s, u, d in zip(phase, phase[1:], past[1:], stray[1:], up[1:], down[1:], strict=False):
        asked = torch.addcmul(s, p, before)  # (B, K)
        torch.sgn(asked, out=middle)
        torch.sgn(asked.addcmul_(u, below).addcmul_(d, above), out=now)
    return torch.cat([phase.transpose(0, 1), rest], 2).mT
