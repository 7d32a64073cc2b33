"""Training batches without touching a wave: log-mels of whole tracks, cropped and altered as mels.

The STFT of every track is taken once. A random crop is then a slice of frames, and bringing it to the
fixed loudness is a shift in dB by the crop's own RMS, so that training spends its time on the network.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from surco.audio.mel import SILENCE_DB, LogMel, MelConfig
from surco.errors import InputError

FRAMES = 431  # frames of a 5-second clip, 1 + 110 250 // 256
BLOCK = 4096  # frames transformed at once, so that a long track does not fill memory
DEEP_DB = -110.0  # floor of the stored mels: below the codec's own, so that quiet crops may be raised


@dataclass(frozen=True)
class Augment:
    """How far a crop may be altered, on the mel; zeros leave it as it is."""

    tilt_db: float = 3.0  # largest gain of the random EQ curve, either way
    bend: float = 0.0  # largest relative change of tempo, by interpolation over frames
    mix: float = 0.0  # probability that a second crop is laid over the first


class MelPool:
    """Log-mels (frames, n_mels) float16 and block energies of many tracks, laid end to end.

    A track of exactly one clip gives that clip; a longer one gives a crop at any frame.
    """

    def __init__(self, mels: Tensor, energy: Tensor, starts: Tensor, lengths: Tensor):
        """`mels` (F, n_mels) dB, `energy` (F,) mean square per hop, `starts`, `lengths` (N,) in frames."""
        self.mels, self.energy = mels, energy
        keep = lengths >= FRAMES
        self.starts, self.lengths = starts[keep], lengths[keep]
        if not len(self.starts):
            raise InputError("No track is as long as a clip of 5 s; add longer recordings.")
        self.choices = (self.lengths - FRAMES + 1).cumsum(0)  # a uniform draw over all crops

    def __len__(self) -> int:
        return len(self.starts)

    def to(self, device: str) -> "MelPool":
        """The same pool with its data resident on another device."""
        return MelPool(self.mels.to(device), self.energy.to(device), self.starts, self.lengths)

    @classmethod
    def from_waves(
        cls, waves: Iterable[Tensor], config: MelConfig | None = None, device: str = "cpu"
    ) -> "MelPool":
        """A pool of waves (T,), resident on a device."""
        log_mel = LogMel(config).to(device)
        parts = [track_mel(wave.to(device), log_mel) for wave in waves]
        lengths = torch.tensor([len(energy) for _, energy in parts])
        mels, energy = (torch.cat(column) for column in zip(*parts, strict=True))
        return cls(mels, energy, lengths.cumsum(0) - lengths, lengths)

    @classmethod
    def write(cls, folder: Path, waves: Iterable[Tensor], config: MelConfig | None = None) -> None:
        """Stream the pool of waves (T,) to a folder, for sets that do not fit in memory."""
        log_mel, lengths = LogMel(config), []
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "mels.f16").open("wb") as mels, (folder / "energy.f32").open("wb") as energies:
            for wave in waves:
                mel, energy = track_mel(wave, log_mel)
                mels.write(mel.numpy().tobytes())
                energies.write(energy.numpy().tobytes())
                lengths.append(len(energy))
        (folder / "pool.json").write_text(json.dumps({"lengths": lengths, **asdict(log_mel.config)}))

    @classmethod
    def open(cls, folder: Path) -> "MelPool":
        """A pool that `write` left, memory-mapped."""
        meta = json.loads((folder / "pool.json").read_text())
        lengths = torch.tensor(meta["lengths"])
        total = int(lengths.sum())
        mels = np.memmap(folder / "mels.f16", np.float16, "c", shape=(total, meta["n_mels"]))
        energy = np.memmap(folder / "energy.f32", np.float32, "c", shape=(total,))
        return cls(torch.from_numpy(mels), torch.from_numpy(energy), lengths.cumsum(0) - lengths, lengths)

    def crop(self, draws: Tensor, config: MelConfig) -> Tensor:
        """Log-mels (B, n_mels, 431) at fixed loudness of crops `draws` (B,) out of `choices[-1]`."""
        track = torch.searchsorted(self.choices, draws, right=True)
        offset = draws - (self.choices[track] - (self.lengths[track] - FRAMES + 1))
        frames = (self.starts[track] + offset)[:, None] + torch.arange(FRAMES)  # (B, 431)
        frames = frames.to(self.mels.device)
        mel = self.mels[frames].float()  # (B, 431, n_mels)
        power = self.energy[frames[:, :-1]].mean(1).clamp_min(10 ** (SILENCE_DB / 10))  # (B,)
        shift = config.loudness_db - 10 * power.log10()  # (B,) dB
        return (mel + shift[:, None, None]).clamp_min(config.floor_db).transpose(1, 2)

    def batch(self, size: int, seed: int, step: int, augment: Augment, config: MelConfig) -> Tensor:
        """The random batch (size, n_mels, 431) of one step: a function of seed and step alone."""
        rng = generator(seed, step, 0)
        mel = self.crop(torch.randint(int(self.choices[-1]), (size,), generator=rng), config)
        other = None
        if augment.mix:
            other = self.crop(torch.randint(int(self.choices[-1]), (size,), generator=rng), config)
        return altered(mel, other, augment, rng, config)


def generator(*key: int) -> torch.Generator:
    """A random generator that is a function of all of a key: PyTorch's own takes only 32 bits of a seed."""
    return torch.Generator().manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


def track_mel(wave: Tensor, log_mel: LogMel) -> tuple[Tensor, Tensor]:
    """Log-mel (F, n_mels) float16, deeply floored, and mean square per hop (F,) of a wave (T,)."""
    config = log_mel.config
    deep = LogMel(replace(config, floor_db=DEEP_DB)).to(wave.device)
    frames = 1 + len(wave) // config.hop
    padded = torch.nn.functional.pad(wave[None, None], (config.n_fft // 2,) * 2, mode="reflect")[0, 0]
    parts = []
    for first in range(0, frames, BLOCK):
        # Centred frames of the padded wave: two spare frames each side meet the reflection, and are cut.
        low = max(first - 2, 0)
        piece = padded[low * config.hop : (min(first + BLOCK, frames) + 1) * config.hop + config.n_fft]
        mel = deep(piece[None])[0].T  # (frames of the piece, n_mels)
        skip = first - low + config.n_fft // 2 // config.hop
        parts.append(mel[skip : skip + min(BLOCK, frames - first)])
    tail = torch.nn.functional.pad(wave, (0, frames * config.hop - len(wave)))[: frames * config.hop]
    energy = tail.view(frames, config.hop).pow(2).mean(1)  # (F,)
    if len(wave) % config.hop:
        energy[-1] *= config.hop / (len(wave) % config.hop)
    return torch.cat(parts).half(), energy


def altered(
    mel: Tensor, other: Tensor | None, augment: Augment, rng: torch.Generator, config: MelConfig
) -> Tensor:
    """EQ, bend of tempo and mixing of log-mels (B, n_mels, F)."""
    size, bands, frames = mel.shape
    if augment.bend:
        rate = 1 + augment.bend * (2 * torch.rand(size, generator=rng) - 1)  # (B,)
        centre = (frames - 1) / 2  # slower only, since a faster clip would need frames that are not there
        at = (torch.arange(frames) - centre) * rate.clamp(max=1)[:, None] + centre
        at = at.to(mel.device)
        low = at.floor().long().clamp(0, frames - 2)
        part = (at - low)[:, None, :]
        gather = low[:, None, :].expand(-1, bands, -1)
        mel = mel.gather(2, gather) * (1 - part) + mel.gather(2, gather + 1) * part
    if other is not None:
        chosen = torch.rand(size, generator=rng) < augment.mix
        level = -12 * torch.rand(size, generator=rng)  # dB
        level = torch.where(chosen, level, torch.full_like(level, -200.0)).to(mel.device)
        second = other + level[:, None, None]
        mel = 10 * torch.logaddexp(mel * (np.log(10) / 10), second * (np.log(10) / 10)) / np.log(10)
    if augment.tilt_db:
        knots = torch.randn(size, 1, 5, generator=rng) * (augment.tilt_db / 2)
        curve = torch.nn.functional.interpolate(knots, bands, mode="linear", align_corners=True)[:, 0]
        curve = curve.clamp(-augment.tilt_db, augment.tilt_db).to(mel.device)
        mel = torch.where(mel > config.floor_db, mel + curve[:, :, None], mel)
    return mel.clamp_min(config.floor_db)
