"""Harmony: which pitch classes sound when, in a few numbers that a mel has no room for.

Up to some 500 Hz the bands of a mel are wider than a semitone, so that a clip's chords hide in
differences of 2 to 3 dB between bands, which small vectors lose first. The shares that the twelve pitch
classes have of the sound down there are coded here instead, as centred log-ratios (Aitchison, 1982): a
Fourier transform around the circle of pitch classes, a cosine transform over time, and of these the
coefficients of largest variance.

A decoder imposes them on a spectrogram by iterative proportional fitting (Deming & Stephan, 1940): gains for
each pitch class and each mel band in turn, in long windows, until the one has its share and the other
the energy it had. The mel stays; the notes inside its bands move.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from surco.audio.mel import MelConfig, istft, mel_filters, stft
from surco.codec.linear import dct_at, dct_matrix
from surco.codec.pose import IDENTITY, Pose

FACTOR = 16  # of decimation: harmony is looked at below 689 Hz alone
WINDOW, HOP = 1024, 256  # samples after decimation: 0.74 s, 0.19 s
FRAMES = 28  # of a 5-second clip
SECONDS = HOP * FACTOR / 22_050  # between two of them
LOWEST, HIGHEST = 30.0, 500.0  # Hz; above, the bands of a mel tell the semitones apart by themselves
C1 = 32.703  # Hz
FLOOR = 0.01  # of the mean over a clip: a share under it counts as that much, and silence as no chord
RANGE_DB = 200.0  # a dimension of harmony lies within this, either way
ROUNDS = 2  # of proportional fitting
LIMIT = 3.5  # largest gain, in nepers: 30 dB
# The dimensions of harmony, each by its place on two axes: around the circle of pitch classes (cosine and
# sine of 1 to 5 turns, then the alternation) and over time; in order of variance on the open corpus's
# training split.
ORDER = (
    (1, 0), (0, 0), (3, 0), (2, 0), (4, 0), (5, 0), (9, 0), (8, 0), (1, 1), (0, 1), (3, 1),
    (2, 1), (6, 0), (1, 2), (5, 1), (7, 0), (4, 1), (0, 2), (3, 2), (2, 2), (4, 2), (5, 2),
    (0, 3), (1, 3), (1, 4), (0, 4), (3, 3), (2, 3), (0, 5), (2, 4), (1, 5), (5, 3),
)  # fmt: skip


class Harmony(nn.Module):
    """Dimensions of harmony (B, 32) of waves (B, T) of 5 s, and their spectrograms changed to have them.

    All of it works on the wave that the lowest bins of a spectrogram make, at a sixteenth of the rate.
    """

    classes: Tensor
    weight: Tensor
    bands: Tensor
    basis: Tensor
    window: Tensor

    def __init__(self, mel: MelConfig | None = None):
        super().__init__()
        self.mel = c = mel or MelConfig()
        rate, n_fft, hop = (n // FACTOR for n in (c.sample_rate, c.n_fft, c.hop))
        self.slow = replace(c, sample_rate=rate, n_fft=n_fft, hop=hop)
        bins = WINDOW * FACTOR // 2 + 1
        hertz = torch.linspace(0, c.sample_rate / 2, bins)
        self.bins = slice(int((hertz < LOWEST).sum()), int((hertz < HIGHEST).sum()))  # K of them
        hertz = hertz[self.bins]  # (K,)
        pitch = 12 * (hertz / C1).log2()  # (K,) semitones over C1
        distance = (pitch[:, None] - torch.arange(12) + 6) % 12 - 6  # (K, 12)
        filters = mel_filters(bins, c.sample_rate, c.n_mels).T[self.bins]  # (K, n_mels)
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
        magnitude = self._spectrum(self._low(stft(wave, self.mel)))[:, self.bins].abs()  # (B, K, 28)
        return torch.einsum("bct,hct->bh", 20 * self._shares(magnitude).log10(), self.basis)

    def impose(self, spec: Tensor, numbers: Tensor, pose: Pose = IDENTITY) -> Tensor:
        """Spectrograms (B, F, frames), as `surco.audio.mel.stft` has them, with the harmony of `numbers`.

        numbers : (B, h <= 32). The mel stays, as far as both go. In a `pose`, the spectrograms are of it.
        """

        def decibel(frames: int) -> Tensor:
            over = self.basis  # (32, 12, t), t is 28 but in a pose
            if pose:
                moments = torch.arange(frames) * pose.tempo  # (t,)
                over = basis(pose.semitones, moments.clamp_max(FRAMES - 1)).to(over.device)
            return torch.einsum("bh,hct->bct", numbers, over[: numbers.shape[1]])

        return self.impose_shares(spec, decibel)

    def impose_shares(self, spec: Tensor, decibel: Callable[[int], Tensor]) -> Tensor:
        """Spectrograms (B, F, frames) of any length in which the pitch classes have the shares wanted.

        `decibel` gives them as log-ratios (B, 12, t) in dB at t moments, `SECONDS` apart.
        """
        low = self._low(spec)  # (B, n)
        spectrum = self._spectrum(low)  # (B, L, t)
        wanted = (decibel(spectrum.shape[2]) * (math.log(10) / 20)).softmax(1)
        magnitude = spectrum[:, self.bins].abs()  # (B, K, t)
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
        moved = stft(self._sound(change, low.shape[1]), self.slow)  # (B, F / 16, frames)
        spec = spec.mT.clone().mT  # (B, F, frames), still frame by frame in memory
        spec[:, : moved.shape[1] - 1] += moved[:, :-1]
        return spec

    def _shares(self, magnitude: Tensor) -> Tensor:
        """Shares (B, 12, 28) of the pitch classes, which sum to 1, of magnitudes (B, K, 28)."""
        heard = (self.classes * self.weight[:, None]).T @ magnitude  # (B, 12, 28)
        heard = heard + FLOOR * heard.mean((1, 2), keepdim=True) + 1e-9
        return heard / heard.sum(1, keepdim=True)

    def _energy(self, magnitude: Tensor) -> Tensor:
        """Energy (B, M, 28) in each mel band of magnitudes (B, K, 28)."""
        return self.bands.T @ magnitude.square() + 1e-9

    def _low(self, spec: Tensor) -> Tensor:
        """Waves (B, n) at a sixteenth of the rate, of the lowest bins of spectrograms (B, F, frames)."""
        lowest = spec[:, : self.slow.n_fft // 2 + 1]  # (B, F / 16, frames)
        return istft(lowest, self.slow, self.slow.hop * (spec.shape[2] - 1))

    def _spectrum(self, low: Tensor) -> Tensor:
        """Long windows: the spectrogram (B, L, 28) of what `_low` makes of 5 s, reflected at both ends."""
        padded = nn.functional.pad(low[:, None], _margins(low.shape[1]), mode="reflect")[:, 0]
        return torch.stft(padded, WINDOW, HOP, window=self.window, center=False, return_complex=True)

    def _sound(self, spectrum: Tensor, length: int) -> Tensor:
        """The wave (B, length) of such a spectrogram (B, L, 28)."""
        before, after = _margins(length)
        whole = before + length + after
        frames = torch.fft.irfft(spectrum.mT, n=WINDOW) * self.window  # (B, 28, WINDOW)
        square = self.window.square().expand_as(frames[:1])  # (1, 28, WINDOW)
        sound = _overlap_add(frames, whole) / _overlap_add(square, whole).clamp_min(0.1)
        return sound[:, before : before + length]


def _margins(length: int) -> tuple[int, int]:
    """Samples before and after a slow wave: half a window at least, and a whole number of hops in all."""
    before = WINDOW // 2
    hops = math.ceil((length + 2 * before) / HOP)
    return before, hops * HOP - length - before


def basis(semitones: float = 0.0, moments: Tensor | None = None) -> Tensor:
    """What each dimension of harmony adds to the log-ratios of pitch classes over time, (32, 12, t).

    The classes are raised by `semitones`: the k-th cosine and sine turn by k twelfths of a circle a
    semitone. The alternation has no partner to turn into; it changes its sign at every odd semitone and
    fades to nothing between two. `moments` (t,) are in frames, the 28 of a clip by default.
    """
    raised = torch.arange(12.0) - semitones  # (12,) where what sounds now was before
    turn = 2 * math.pi * raised[:, None] * torch.arange(1, 6) / 12  # (12, 5)
    waves = torch.stack([turn.cos(), turn.sin()], 2).flatten(1) / math.sqrt(6)  # (12, 10)
    alternation = (1 - 2 * (torch.arange(12) % 2.0))[:, None] / math.sqrt(12)  # (12, 1)
    alternation = alternation * math.cos(math.pi * semitones)
    around = torch.cat([waves, alternation], 1)  # (12, 11): orthonormal, and without the mean
    over = dct_matrix(FRAMES) if moments is None else dct_at(FRAMES, moments)  # (t, 28)
    return torch.stack([around[:, i, None] * over[:, k] for i, k in ORDER])


def turned(numbers: Tensor, semitones: float) -> Tensor:
    """Numbers (B, h <= 32) of the same harmony `semitones` higher.

    What a number without its partner among them would turn into is lost; decoding in a pose loses nothing.
    """
    h = numbers.shape[1]
    turn = torch.einsum("hct,gct->hg", basis(semitones)[:h], basis()[:h])  # (h, h)
    return numbers @ turn.to(numbers)


def _overlap_add(frames: Tensor, length: int) -> Tensor:
    """Sum (B, length) of frames (B, 28, WINDOW) that start every HOP samples."""
    folded = nn.functional.fold(frames.mT, (1, length), (1, WINDOW), stride=(1, HOP))  # (B, 1, 1, length)
    return folded[:, 0, 0]
