"""Harmony: which pitch classes sound when, in a few numbers that a mel has no room for.

Up to some 500 Hz the bands of a mel are wider than a semitone, so that a clip's chords hide in
differences of 2 to 3 dB between bands, which small vectors lose first. The shares that the twelve pitch
classes have of the sound down there are coded here instead, as centred log-ratios (Aitchison, 1982): a
Fourier transform around the circle of pitch classes, a cosine transform over time, and of these the
coefficients of largest variance.

A decoder imposes them on a wave by iterative proportional fitting (Deming & Stephan, 1940): gains for
each pitch class and each mel band in turn, in long windows, until the one has its share and the other
the energy it had. The mel stays; the notes inside its bands move.
"""

import math

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks, resample

from surco.audio.mel import MelConfig
from surco.codec.linear import dct_matrix

FACTOR = 16  # of decimation: harmony is looked at below 689 Hz alone
LOBES = 8  # of the filter that decimates, either side: flat to 500 Hz within a hundredth
WINDOW, HOP = 1024, 256  # samples after decimation: 0.74 s, 0.19 s
FRAMES = 28  # of a 5-second clip
LOWEST, HIGHEST = 30.0, 500.0  # Hz; above, the bands of a mel tell the semitones apart by themselves
C1 = 32.703  # Hz
FLOOR = 0.01  # of the mean over a clip: a share under it counts as that much, and silence as no chord
RANGE_DB = 200.0  # a number of harmony lies within this, either way
ROUNDS = 2  # of proportional fitting
LIMIT = 3.5  # largest gain, in nepers: 30 dB
# The numbers of harmony, each by its place on two axes: around the circle of pitch classes (cosine and
# sine of 1 to 5 turns, then the alternation) and over time; in order of variance on the open corpus's
# training split.
ORDER = (
    (1, 0), (0, 0), (3, 0), (2, 0), (4, 0), (5, 0), (9, 0), (8, 0), (1, 1), (0, 1), (3, 1),
    (2, 1), (6, 0), (1, 2), (5, 1), (7, 0), (4, 1), (0, 2), (3, 2), (2, 2), (4, 2), (5, 2),
    (0, 3), (1, 3), (1, 4), (0, 4), (3, 3), (2, 3), (0, 5), (2, 4), (1, 5), (5, 3),
)  # fmt: skip


class Harmony(nn.Module):
    """Numbers of harmony (B, 32) of waves (B, T) of 5 s, and waves changed to have them."""

    classes: Tensor
    weight: Tensor
    bands: Tensor
    basis: Tensor
    window: Tensor

    def __init__(self, mel: MelConfig | None = None):
        super().__init__()
        c = mel or MelConfig()
        bins = WINDOW * FACTOR // 2 + 1
        hertz = torch.linspace(0, c.sample_rate / 2, bins)
        self.bins = slice(int((hertz < LOWEST).sum()), int((hertz < HIGHEST).sum()))  # K of them
        hertz = hertz[self.bins]  # (K,)
        pitch = 12 * (hertz / C1).log2()  # (K,) semitones over C1
        distance = (pitch[:, None] - torch.arange(12) + 6) % 12 - 6  # (K, 12)
        filters = melscale_fbanks(
            bins, 0.0, c.sample_rate / 2, c.n_mels, c.sample_rate, norm=None, mel_scale="slaney"
        )[self.bins]  # (K, n_mels)
        bands = filters[:, : int(filters.any(0).nonzero().max()) + 1]  # (K, M) those that see a bin
        constants = {
            "classes": (1 - distance.abs()).clamp_min(0),  # (K, 12) a bin's share in each pitch class
            "weight": C1 / hertz,  # (K,) the bass tells most of a chord
            "bands": bands / bands.sum(1, keepdim=True).clamp_min(1e-6),  # (K, M) its share in each band
            "basis": basis(),  # (32, 12, 28)
            "window": torch.hann_window(WINDOW),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)

    def analyse(self, wave: Tensor) -> Tensor:
        """Numbers (B, 32) of waves (B, T)."""
        magnitude = self._spectrum(self._low(wave))[:, self.bins].abs()  # (B, K, 28)
        return torch.einsum("bct,hct->bh", 20 * self._shares(magnitude).log10(), self.basis)

    def impose(self, wave: Tensor, numbers: Tensor) -> Tensor:
        """Waves (B, T) with the harmony of `numbers` (B, h <= 32) and their own mel, as far as both go."""
        decibel = torch.einsum("bh,hct->bct", numbers, self.basis[: numbers.shape[1]])  # (B, 12, 28)
        wanted = (decibel * (math.log(10) / 20)).softmax(1)
        low = self._low(wave)  # (B, n)
        spectrum = self._spectrum(low)  # (B, F, 28)
        magnitude = spectrum[:, self.bins].abs()  # (B, K, 28)
        energy = self._energy(magnitude)  # (B, M, 28)
        gain = torch.zeros_like(magnitude)  # (B, K, 28) nepers
        for _ in range(ROUNDS):
            present = magnitude * gain.exp()  # (B, K, 28)
            gain = gain + self.classes @ ((wanted + 1e-3) / (self._shares(present) + 1e-3)).log()
            present = magnitude * gain.exp()  # (B, K, 28)
            gain = gain + self.bands @ (energy / self._energy(present)).log() / 2
            gain = gain.clamp(-LIMIT, LIMIT)
        change = torch.zeros_like(spectrum)
        change[:, self.bins] = spectrum[:, self.bins] * gain.expm1()
        return wave + self._raised(self._sound(change, low.shape[1]), wave.shape[1])

    def _shares(self, magnitude: Tensor) -> Tensor:
        """Shares (B, 12, 28) of the pitch classes, which sum to 1, of magnitudes (B, K, 28)."""
        heard = (self.classes * self.weight[:, None]).T @ magnitude  # (B, 12, 28)
        heard = heard + FLOOR * heard.mean((1, 2), keepdim=True) + 1e-9
        return heard / heard.sum(1, keepdim=True)

    def _energy(self, magnitude: Tensor) -> Tensor:
        """Energy (B, M, 28) in each mel band of magnitudes (B, K, 28)."""
        return self.bands.T @ magnitude.square() + 1e-9

    def _low(self, wave: Tensor) -> Tensor:
        """Waves (B, T), reflected at both ends, at a sixteenth of their rate: (B, n)."""
        padded = nn.functional.pad(wave[:, None], self._margins(wave.shape[1]), mode="reflect")[:, 0]
        return resample(padded, FACTOR, 1, lowpass_filter_width=LOBES)

    def _raised(self, low: Tensor, length: int) -> Tensor:
        """Waves (B, length) of what `_low` would make `low` (B, n) of."""
        margin = self._margins(length)[0]
        return resample(low, 1, FACTOR, lowpass_filter_width=LOBES)[:, margin : margin + length]

    def _margins(self, length: int) -> tuple[int, int]:
        """Samples before and after a wave: half a window at least, and a whole number of hops in all."""
        before = WINDOW * FACTOR // 2
        hops = math.ceil((length + 2 * before) / (HOP * FACTOR))
        return before, hops * HOP * FACTOR - length - before

    def _spectrum(self, low: Tensor) -> Tensor:
        """Spectrogram (B, F, 28) of what `_low` makes of 5 s."""
        return torch.stft(low, WINDOW, HOP, window=self.window, center=False, return_complex=True)

    def _sound(self, spectrum: Tensor, length: int) -> Tensor:
        """The sound (B, length) of a spectrogram (B, F, 28), but for the ends, which lie in the margins."""
        frames = torch.fft.irfft(spectrum.mT, n=WINDOW) * self.window  # (B, 28, WINDOW)
        square = self.window.square().expand_as(frames[:1])  # (1, 28, WINDOW)
        return _overlap_add(frames, length) / _overlap_add(square, length).clamp_min(0.1)


def basis() -> Tensor:
    """What each number of harmony adds to the log-ratios of pitch classes over time, (32, 12, 28)."""
    turn = 2 * math.pi * torch.arange(12.0)[:, None] * torch.arange(1, 6) / 12  # (12, 5)
    waves = torch.stack([turn.cos(), turn.sin()], 2).flatten(1) / math.sqrt(6)  # (12, 10)
    alternation = (1 - 2 * (torch.arange(12) % 2.0))[:, None] / math.sqrt(12)  # (12, 1)
    around = torch.cat([waves, alternation], 1)  # (12, 11): orthonormal, and without the mean
    over = dct_matrix(FRAMES)  # (28, 28)
    return torch.stack([around[:, i, None] * over[:, k] for i, k in ORDER])


def _overlap_add(frames: Tensor, length: int) -> Tensor:
    """Sum (B, length) of frames (B, 28, WINDOW) that start every HOP samples."""
    folded = nn.functional.fold(frames.mT, (1, length), (1, WINDOW), stride=(1, HOP))  # (B, 1, 1, length)
    return folded[:, 0, 0]
