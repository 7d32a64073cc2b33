"""Bass notes: how many cents off do tones of 41 to 147 Hz come back, without harmony and with it?

    python -m benchmarks.bass

Notes stand a third of a tone apart, so that most lie between the pitches of a piano: bare sines, and notes
with six partials that fall by 6 dB an octave over faint noise. Writes `benchmarks/results/bass.md`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import machine
from surco.audio.mel import normalise_loudness
from surco.codec import SAMPLES, Codec
from surco.files import write_bytes

RATE = 22_050  # Hz
LOWEST, NOTES, CENTS = 41.2, 34, 66.67  # Hz, notes, cents between two
SIZES = (128, 512, 2048)


def notes(partials: int) -> tuple[Tensor, np.ndarray]:
    """Waves (N, 110 250) and their fundamentals (N,) in Hz."""
    hertz = LOWEST * 2 ** (np.arange(NOTES) * CENTS / 1200)
    hertz = hertz[hertz < 150]
    t, order = torch.arange(SAMPLES) / RATE, torch.arange(1, partials + 1)
    phase = 2 * torch.pi * torch.from_numpy(hertz).float()[:, None, None] * order[:, None] * t  # (N, P, T)
    waves = (phase.sin() / order[:, None]).sum(1)  # (N, T)
    noise = torch.randn(SAMPLES, generator=torch.Generator().manual_seed(0))
    return 0.2 * waves + (0.002 * noise if partials > 1 else 0), hertz


def cents_off(waves: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """Distance (N,) in cents of the loudest partial within a fourth of each fundamental (N,), unsigned."""
    middle = waves[:, RATE : 4 * RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(3 * RATE), 2**19, axis=1))  # 0.04 Hz a bin
    grid = np.arange(spectrum.shape[1]) * RATE / 2**19
    off = []
    for row, f in zip(spectrum, hertz, strict=True):
        near = np.flatnonzero((grid > f / 1.33) & (grid < f * 1.33))
        off.append(abs(1200 * np.log2(grid[near[row[near].argmax()]] / f)))
    return np.array(off)


@torch.no_grad()
def rows(codec: Codec, partials: int) -> list[tuple[str, np.ndarray]]:
    """By system, cents (N,) off."""
    waves, hertz = notes(partials)
    normal = normalise_loudness(waves, codec.mel)[0]
    mel, harmony = codec.log_mel(normal), codec.harmony.analyse(normal)
    found = [("vocoder on the true mel", codec.mel_to_wave(mel))]
    found += [("the same, with 32 numbers of harmony", codec.mel_to_wave(mel, harmony))]
    for size in SIZES:
        vectors = codec.encode(waves, size)
        found += [(f"{size} numbers, harmony not imposed", codec.mel_to_wave(codec.decode_mel(vectors)))]
        found += [(f"{size} numbers", codec.decode(vectors))]
    return [(name, cents_off(wave.numpy(), hertz)) for name, wave in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    codec = Codec.load()
    lines = ["# Bass notes", "", "`python -m benchmarks.bass`", ""]
    lines += [f"Codec {codec.fingerprint}; {len(notes(1)[1])} notes from 41 to 147 Hz, cents off.", ""]
    lines += ["| system | sines: median | worst tenth | notes of six partials: median | worst tenth |"]
    lines += ["|---|---|---|---|---|"]
    for (name, bare), (_, full) in zip(rows(codec, 1), rows(codec, 6), strict=True):
        cells = [f"{q:.0f}" for off in (bare, full) for q in (np.median(off), np.quantile(off, 0.9))]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    write_bytes(args.out / "bass.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
