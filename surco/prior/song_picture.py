"""The picture of a song: waveform over spectrogram, with its parts named and its beats marked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.plots import theme

Array = NDArray[Any]
WIDE, HIGH = 5.6, 1.9  # inches
COLOURS = 48  # of the file's palette, which halves its bytes


def draw_song(
    wave: Array,
    path: Path,
    *,
    title: str,
    starts: Sequence[float] = (),
    form: str = "",
    tempo: float | None = None,
    rate: int = 22_050,
) -> Path:
    """Write a PNG of a song (T,): its waveform, and its log-mel spectrogram below.

    starts : where its vectors begin, s; a line at each, with its letter of `form` where there is one
    tempo : BPM; beats are marked from the beginning on where one is given
    """
    import torch
    from PIL import Image

    from surco.audio.mel import LogMel, normalise_loudness

    front = LogMel()
    long_enough = np.pad(wave, (0, max(0, front.config.n_fft - len(wave))))
    level, _ = normalise_loudness(torch.from_numpy(long_enough)[None], front.config)
    mel = front(level)[0].numpy()  # (80, frames)
    seconds = len(wave) / rate
    fig, (over, under) = theme.figure(WIDE, HIGH, rows=2, sharex=True, height_ratios=(1, 3))
    low, high = _envelope(wave, 700)
    times = np.linspace(0, seconds, len(low))
    over.fill_between(times, low, high, color=theme.PALETTE[0], linewidth=0)
    over.set_axis_off()
    over.set_title(title)
    under.imshow(
        mel, origin="lower", aspect="auto", extent=(0, seconds, -0.5, mel.shape[0] - 0.5),
        cmap=theme.SPECTROGRAM, vmin=mel.max() - 70, vmax=mel.max(), interpolation="bilinear",
    )  # fmt: skip
    under.grid(False)
    under.set_yticks(*theme.mel_ticks(mel.shape[0], rate))
    under.set_ylabel("kHz")
    under.set_xlim(0, seconds)
    for k, start in enumerate(starts):
        under.axvline(start, color="white", linewidth=0.6, alpha=0.8)
        if k < len(form):
            under.annotate(
                form[k], (start, 1), (2, 1), xycoords=("data", "axes fraction"),
                textcoords="offset points", fontsize=7, color=theme.INK,
            )  # fmt: skip
    if tempo:
        beats = np.arange(0, seconds, 60 / tempo)
        under.plot(
            beats, np.full(len(beats), mel.shape[0] - 2.5), "|", color="white", markersize=3, alpha=0.8
        )
    theme.save(fig, path)
    with Image.open(path) as image:
        image.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    return path


def _envelope(wave: Array, columns: int) -> tuple[Array, Array]:
    """Least and largest sample of each of so many columns, (n,) each, 1 being the song's own peak."""
    size = max(1, len(wave) // columns)
    blocks = wave[: len(wave) // size * size].reshape(-1, size)
    peak = max(float(np.abs(wave).max(initial=0)), 1e-9)
    return blocks.min(1) / peak, blocks.max(1) / peak
