"""The pictures of a study, drawn from its tables; all in the style of `surco.plots.theme`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from surco.latents.outside_report import StressSound
from surco.latents.study import (
    Ablated,
    AttributeReading,
    Clustering,
    GenreReading,
    Map,
    Neighbourhood,
    Prefix,
    Shape,
)
from surco.metrics.aggregate import error_bars
from surco.plots import theme

Array = NDArray[Any]


def scan(rows: Sequence[Clustering], *, description: str = "raw") -> Figure:
    """Inertia, silhouette, Caliński-Harabasz and Davies-Bouldin over k, one line a method."""
    panels = {
        "inertia": "inertia, training clips",
        "silhouette": "silhouette, valid (up is better)",
        "calinski_harabasz": "Caliński-Harabasz, valid (up)",
        "davies_bouldin": "Davies-Bouldin, valid (down)",
    }
    fig, axes = theme.figure(height=4.4, rows=2, columns=2)
    chosen = [r for r in rows if r.description == description]
    for ax, (key, title) in zip(axes.flat, panels.items(), strict=True):
        for i, row in enumerate(chosen):
            ax.plot(
                [s.k for s in row.scan],
                [getattr(s, key) for s in row.scan],
                label=row.method,
                **theme.series(i),
            )
        ax.set_title(title)
        ax.set_xlabel("number of clusters asked for")
    axes.flat[0].legend(fontsize=7)
    return fig


def agreement(rows: Sequence[Clustering]) -> Figure:
    """Adjusted mutual information with genre on test, per description and method, with its shuffled null."""
    names = list(dict.fromkeys(r.description for r in rows))
    methods = list(dict.fromkeys(r.method for r in rows))
    fig, ax = theme.figure(height=3.2)
    for i, method in enumerate(methods):
        look = {k: v for k, v in theme.series(i).items() if k != "linestyle"}
        found = [(r.description, r.chosen) for r in rows if r.method == method and r.chosen is not None]
        for place, (description, chosen) in enumerate(found):
            tried = sum(r.description == description for r in rows)
            x = names.index(description) + (i - (tried - 1) / 2) * 0.15
            ami = chosen.test.ami
            label = method if place == 0 else None
            ax.errorbar([x], [ami.mean], yerr=error_bars([ami]), linestyle="", label=label, **look)
            high = chosen.null.ami_shuffled_genres_high
            ax.plot([x - 0.06, x + 0.06], [high, high], color=theme.SOFT, linewidth=1)
    ax.plot([], [], color=theme.SOFT, linewidth=1, label="97.5 % of shuffled")
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel("adjusted mutual information\nwith genre, test clips")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=7)
    return fig


def retrieval(rows: Sequence[Neighbourhood]) -> Figure:
    """Mean average precision for genre and for 'same track', per description, with chance."""
    fig, axes = theme.figure(height=2.8, columns=2)
    sides = {
        "clips of one genre": [(r.genre_map, r.genre_chance) for r in rows],
        "clips of one track": [(r.track_map, r.track_chance) for r in rows],
    }
    for ax, (title, found) in zip(axes, sides.items(), strict=True):
        estimates = [estimate for estimate, _ in found]
        ax.errorbar(
            range(len(rows)),
            [e.mean for e in estimates],
            yerr=error_bars(estimates),
            linestyle="",
            marker="o",
            color=theme.PALETTE[0],
            label="mAP, 95 % over tracks",
        )
        ax.plot(
            range(len(rows)),
            [chance for _, chance in found],
            "_",
            color=theme.SOFT,
            markersize=14,
            label="chance",
        )
        if not any(np.isfinite(e.mean) for e in estimates):
            ax.text(
                0.5, 0.5, "no track has\ntwo clips", transform=ax.transAxes, ha="center", color=theme.SOFT
            )
        ax.set_xticks(range(len(rows)), [r.description for r in rows], rotation=30, ha="right")
        ax.set_title(title)
        ax.set_ylabel("mean average precision")
        ax.set_ylim(bottom=0)
    axes[0].legend()
    return fig


def probes(genre_rows: Sequence[GenreReading], attribute_rows: Sequence[AttributeReading]) -> Figure:
    """Genre accuracy and R² of attributes, per description, each with its baseline."""
    fig, axes = theme.figure(height=3.6, columns=2, width_ratios=[1, 1.5])
    names = list(dict.fromkeys(r.description for r in genre_rows))
    for i, reader in enumerate(("logistic", "k-nn")):
        e = [r.accuracy for r in genre_rows if r.reader == reader]
        look = {k: v for k, v in theme.series(i).items() if k != "linestyle"}
        x = np.arange(len(e)) + (i - 0.5) * 0.25
        axes[0].errorbar(x, [v.mean for v in e], yerr=error_bars(e), linestyle="", label=reader, **look)
    axes[0].axhline(genre_rows[0].majority.mean, color=theme.SOFT, linewidth=1, label="commonest genre")
    axes[0].set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes[0].set_ylabel("genre accuracy, test clips")
    axes[0].set_ylim(0, 1)
    axes[0].legend(fontsize=7, loc="upper right")
    attributes = list(dict.fromkeys(r.attribute for r in attribute_rows))
    for i, name in enumerate(names):
        e = [r.r2 for r in attribute_rows if r.description == name]
        look = {k: v for k, v in theme.series(i).items() if k != "linestyle"}
        x = np.arange(len(e)) + (i - (len(names) - 1) / 2) * 0.13
        bars = np.clip(error_bars(e), 0, 2)
        known = [max(v.mean, -0.5) for v in e]
        axes[1].errorbar(x, known, yerr=bars, linestyle="", label=name, **look)
    axes[1].axhline(0, color=theme.SOFT, linewidth=1)
    axes[1].set_xticks(range(len(attributes)), [a.replace(" ", "\n") for a in attributes])
    axes[1].set_ylabel("R² of ridge, test clips (0: the mean)")
    axes[1].set_ylim(-0.55, 1.02)
    axes[1].legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return fig


def geometry(rows: Sequence[Shape], prefixes: Sequence[Prefix], ablated: Sequence[Ablated]) -> Figure:
    """Variance by axes, what the first dimensions know, and what one dimension is worth."""
    fig, axes = theme.figure(height=3.1, columns=3 if ablated else 2)
    for i, row in enumerate(rows):
        shares = np.cumsum(row.axes)
        look = {k: v for k, v in theme.series(i).items() if k != "marker"}
        axes[0].plot(np.arange(1, len(shares) + 1), 100 * shares, label=row.description, **look)
    axes[0].set_xlabel("principal axes")
    axes[0].set_ylabel("variance explained (%)")
    sizes = [p.dimensions for p in prefixes]
    accuracy = [p.accuracy for p in prefixes]
    means = [a.mean for a in accuracy]
    axes[1].errorbar(sizes, means, error_bars(accuracy), label="genre accuracy", **theme.series(0))
    for i, name in enumerate(prefixes[0].r2, start=1):
        known = [max(p.r2[name].mean, -0.5) for p in prefixes]
        axes[1].plot(sizes, known, label=name, **theme.series(i))
    axes[1].set_xlabel("first dimensions of the vector")
    axes[1].set_ylabel("accuracy, or R²")
    if ablated:
        changes = [a.change for a in ablated]
        places = [a.dimension for a in ablated]
        axes[2].errorbar(places, [c.mean for c in changes], error_bars(changes), **theme.series(0))
        axes[2].set_yscale("log")
        axes[2].set_xlabel("dimension left out")
        axes[2].set_ylabel("change of the mel (dB)")
    for ax in axes:
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
    for ax in axes[:2]:
        ax.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.24))
    return fig


def maps(layouts: Mapping[str, Map], genres: Sequence[str]) -> Figure:
    """The maps side by side, coloured and marked by genre, trustworthiness above each."""
    shown = [name for name in layouts if name != "random"]
    fig, axes = theme.figure(height=2.9, columns=len(shown))
    for ax, name in zip(axes, shown, strict=True):
        theme.scatter_by_genre(
            ax, np.asarray(layouts[name].points, dtype=float), genres, size=7, legend=False
        )
        ax.set_title(f"{name}: trust {layouts[name].trustworthiness.mean:.2f}")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, markerscale=1.6)
    return fig


def outside(groups: Mapping[str, tuple[Array, Array]], stress: Sequence[StressSound]) -> Figure:
    """Error of each clip over its distance from the training vectors, and the stress set beside test.

    `groups` holds distances (N,) and errors (N,) of clips by name.
    """
    fig, axes = theme.figure(height=3.2, columns=2, width_ratios=[1.2, 1])
    for i, (name, (distances, errors)) in enumerate(groups.items()):
        look = {k: v for k, v in theme.series(i).items() if k != "linestyle"}
        axes[0].scatter(distances, errors, s=10, alpha=0.6, linewidths=0, label=name, **look)
    axes[0].scatter(
        [r.distance for r in stress],
        [r.mel_error_db for r in stress],
        s=28,
        marker="x",
        color=theme.INK,
        linewidths=1,
        label="stress set",
    )
    axes[0].set_xlabel("distance to the 5 nearest training vectors (dB)")
    axes[0].set_ylabel("log-mel error (dB)")
    axes[0].legend(fontsize=7)
    low, high = stress[0].test_band_db
    axes[1].axvspan(low, high, color=theme.GRID, label="95 % of test clips")
    axes[1].plot([r.mel_error_db for r in stress], range(len(stress)), "o", color=theme.PALETTE[1])
    axes[1].set_yticks(range(len(stress)), [r.name for r in stress])
    axes[1].invert_yaxis()
    axes[1].set_xlabel("log-mel error (dB)")
    axes[1].legend(fontsize=7)
    return fig
