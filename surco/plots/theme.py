"""One look for every figure: reads in grey, safe for colour-blind eyes, labels large enough to print.

Colours are Paul Tol's "muted" scheme (https://sronpersonalpages.nl/~pault/), whose members differ in
lightness as well as in hue; each comes with a marker and a dash of its own, so that no figure leans
on colour alone. Spectrograms use magma, whose lightness rises with level.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

WIDTH = 6.3  # inches: the text width of the report, so that nothing is scaled in it
PALETTE = (
    "#332288",  # indigo
    "#CC6677",  # rose
    "#117733",  # green
    "#88CCEE",  # cyan
    "#882255",  # wine
    "#999933",  # olive
    "#44AA99",  # teal
    "#AA4499",  # purple
    "#DDCC77",  # sand
    "#555555",  # grey
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 2, 1, 2)), (0, (8, 2)), (0, (3, 1, 1, 1)))
INK, SOFT, GRID = "#1d1d22", "#6b6b74", "#d9d9de"
SPECTROGRAM = "magma"
SEQUENTIAL = "cividis"

RC: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    "errorbar.capsize": 2.5,
    "image.cmap": SEQUENTIAL,
    "savefig.dpi": 160,
    "svg.hashsalt": "surco",
    "svg.fonttype": "path",
}


def figure(
    width: float = WIDTH, height: float = 3.0, *, rows: int = 1, columns: int = 1, **subplots: Any
) -> tuple[Figure, Any]:
    """A figure and its axes in the house style: `fig, ax = figure(height=2.5)`.

    Sizes are in inches. `rows` and `columns` give an array of axes as `plt.subplots` does, and
    further keywords (`sharex`, `width_ratios`, ...) go to `Figure.subplots`. The figure is not
    registered with pyplot, so it is freed with its last reference; matplotlib's defaults are set
    to the house's for everything drawn on it afterwards.
    """
    matplotlib.rcParams.update(RC)
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, fig.subplots(rows, columns, **subplots)


def save(fig: Figure, path: Path) -> Path:
    """Write a figure as PNG, PDF or SVG, by suffix; the same figure gives the same bytes."""
    matplotlib.rcParams.update(RC)
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata: dict[str, Any] = {"Software": None} if path.suffix == ".png" else {"Date": None}
    if path.suffix == ".pdf":
        metadata = {"CreationDate": None, "ModDate": None}
    fig.savefig(path, metadata=metadata)
    return path


def series(index: int) -> dict[str, Any]:
    """Keywords for `ax.plot`: the colour, marker and dash of the `index`-th line of a figure."""
    return {
        "color": PALETTE[index % len(PALETTE)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
    }


def genre_styles(genres: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Keywords for `ax.scatter` per genre, in sorted order so that every figure of a sweep agrees."""
    names = sorted(set(genres))
    return {
        name: {"color": PALETTE[i % len(PALETTE)], "marker": MARKERS[(i + i // len(PALETTE)) % len(MARKERS)]}
        for i, name in enumerate(names)
    }


def scatter_by_genre(
    ax: Any, points: NDArray[Any], genres: Sequence[str], *, size: float = 16, legend: bool = True
) -> None:
    """Points (N, 2) on `ax`, one colour and one marker per genre; axes without ticks, as in a map."""
    names = np.asarray(genres)
    for name, look in genre_styles(genres).items():
        chosen = points[names == name]  # (n, 2)
        ax.scatter(chosen[:, 0], chosen[:, 1], s=size, alpha=0.85, linewidths=0, label=name, **look)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    if legend:
        ax.legend(ncols=2, markerscale=1.2)


def size_axis(ax: Any, sizes: Sequence[int], *, label: str = "dimensions per 5 s clip") -> None:
    """A logarithmic x axis with the vector sizes themselves as its ticks."""
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(sizes), [str(s) for s in sizes])
    ax.minorticks_off()
    ax.set_xlabel(label)


def mel_ticks(
    n_mels: int = 80, sample_rate: int = 22_050, *, decimal: str = "."
) -> tuple[list[float], list[str]]:
    """Rows of a Slaney mel spectrogram and their frequencies in kHz, for a y axis."""
    import librosa

    centres = librosa.mel_frequencies(n_mels=n_mels + 2, fmax=sample_rate / 2)[1:-1]  # Hz, (n_mels,)
    marks = [0.5, 1, 2, 4, 8]
    rows = [float(np.interp(k * 1000, centres, np.arange(n_mels))) for k in marks]
    return rows, [f"{k:g}".replace(".", decimal) for k in marks]


def spectrogram_row(
    panels: Mapping[str, NDArray[Any]],
    *,
    seconds: float = 5.0,
    width: float = WIDTH,
    height: float | None = None,
    columns: int = 4,
    floor_db: float = -80.0,
    sample_rate: int = 22_050,
    labels: tuple[str, str, str] = ("time (s)", "frequency (kHz)", "level (dB)"),
    decimal: str = ".",
) -> Figure:
    """Log-mel spectrograms (n_mels, frames) in dB, by title, on one common scale of level.

    `labels` are those of the axes and the colour bar, and `decimal` the sign in their numbers, for figures
    in another language.
    """
    names = list(panels)
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    shared = {"sharex": True, "sharey": True, "squeeze": False}
    fig, axes = figure(width, height or 0.5 + 1.35 * rows, rows=rows, columns=columns, **shared)
    top = max(float(np.max(m)) for m in panels.values())
    image: Any = None
    for ax, name in zip(axes.flat, names, strict=False):
        mel = panels[name]  # (n_mels, frames)
        image = ax.imshow(
            mel,
            origin="lower",
            aspect="auto",
            extent=(0, seconds, -0.5, mel.shape[0] - 0.5),
            cmap=SPECTROGRAM,
            vmin=floor_db,
            vmax=top,
            interpolation="nearest",
        )
        ax.set_title(name)
        ax.grid(False)
        ax.set_yticks(*mel_ticks(mel.shape[0], sample_rate, decimal=decimal))
        ax.set_xticks(np.arange(0, seconds, 2 if seconds <= 8 else 4))
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(names))
        ax.tick_params(labelbottom=i + columns >= len(names))
    fig.supxlabel(labels[0], fontsize=9)
    fig.supylabel(labels[1], fontsize=9)
    fig.colorbar(image, ax=list(axes.flat)[: len(names)], label=labels[2], pad=0.015, aspect=30)
    return fig


def spectrogram_pair(
    original: NDArray[Any], decoded: NDArray[Any], *, title: str = "decoded", **row: Any
) -> Figure:
    """Original and decoded log-mel (n_mels, frames) side by side; `row` as in `spectrogram_row`."""
    return spectrogram_row({"original": original, title: decoded}, columns=2, **{"height": 2.4, **row})
