"""The report's figures, drawn from the runs' own numbers and labelled in the report's language."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from surco.edits.edit_report import Moved
from surco.latents.outside_report import Outside
from surco.latents.study import Study
from surco.metrics.aggregate import Estimate, error_bars
from surco.metrics.scores import System
from surco.plots import theme
from surco.prior.prior_report import Measure
from surco.prior.prior_report import Table as PriorTable
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language

GAINS = (-1.0, 3.0)  # of the figure of edits, in units of mixing
CURVES: tuple[System, ...] = ("decoded", "linear", "8 bits")
LEVELS: tuple[System, ...] = ("ceiling", "floor")


def localise(ax: Any, language: Language, axis: str = "y") -> None:
    """Numbers on an axis in the language's writing."""

    def write(value: float, position: int) -> str:
        return f"{value:.4g}".replace("-", "−").replace(".", language.decimal)

    for name in axis:
        getattr(ax, f"{name}axis").set_major_formatter(FuncFormatter(write))


def errorbars(
    ax: Any, x: Sequence[float], estimates: Sequence[Estimate | None], index: int, label: str
) -> None:
    """Estimates with their intervals, each line a hair aside of the one before it; gaps where missing."""
    octaves = max(1.0, float(np.log2(max(x) / min(x))))
    aside = 2 ** (0.025 * octaves * index)  # as far on paper whatever the sizes
    kept = [(a * aside, e) for a, e in zip(x, estimates, strict=True) if e and np.isfinite(e.mean)]
    if kept:
        places, shown = [a for a, _ in kept], [e for _, e in kept]
        means = [e.mean for e in shown]
        ax.errorbar(
            places, means, yerr=error_bars([certain(e) for e in shown]), label=label, **theme.series(index)
        )


def certain(estimate: Estimate) -> Estimate:
    """The estimate without its interval where it rests on fewer than eight tracks."""
    return estimate if estimate.tracks >= FEWEST else replace(estimate, low=np.nan, high=np.nan)


def quality(evidence: Evidence, language: Language) -> Figure:
    """Listening and spectrum against size: ours, Linear, ceiling and floor."""
    sizes = sorted(evidence.scores)
    fig, axes = theme.figure(height=2.75, columns=2)
    for ax, measure in zip(axes, ("zimtohrli", "log_mel_db"), strict=True):
        for i, system in enumerate(CURVES):
            found = [evidence.scores[s].estimate(system, measure) for s in sizes]
            errorbars(ax, sizes, found, i, language.name("system", system))
        for i, system in enumerate(LEVELS):
            mean = evidence.scores[sizes[-1]].mean(system, measure)
            if mean is not None:
                ax.axhline(
                    mean,
                    color=theme.INK if i == 0 else theme.SOFT,
                    linestyle=theme.DASHES[i + 2],
                    linewidth=1.2,
                    label=language.name("system", system),
                )
        theme.size_axis(ax, sizes, label=language.plain("axis.size"))
        ax.set_ylabel(language.plain(f"axis.{measure}"))
        localise(ax, language)
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=5)
    return fig


def definition(evidence: Evidence, language: Language) -> Figure:
    """Definition that is left, by kind: 1 the ceiling, 0 another track's clip."""
    assert evidence.smallest is not None
    losses = evidence.smallest.losses
    sizes = sorted(losses)
    kinds = list(losses[sizes[0]])
    fig, ax = theme.figure(height=2.75)
    for i, kind in enumerate(kinds):
        found = [Estimate(*losses[s][kind].definition, tracks=0, missing=0) for s in sizes]
        errorbars(ax, sizes, found, i, language.name("kind", kind))
    ax.axhline(
        1, color=theme.INK, linewidth=1, linestyle=theme.DASHES[2], label=language.name("system", "ceiling")
    )
    ax.axvline(
        evidence.smallest.size,
        color=theme.SOFT,
        linewidth=4,
        alpha=0.3,
        label=language.plain("axis.proposed"),
    )
    theme.size_axis(ax, sizes, label=language.plain("axis.size"))
    ax.set_ylabel(language.plain("axis.definition"))
    localise(ax, language)
    fig.legend(loc="outside upper center", ncols=5)
    return fig


def log_mel(path: Path) -> Any:
    """Log-mel (80, frames) of a sound file, loudness normalised, and its length in seconds."""
    import torch

    from surco.audio.io import read_audio
    from surco.audio.mel import LogMel, normalise_loudness

    wave = torch.from_numpy(read_audio(path, allow_silence=True))[None]  # (1, T)
    front = LogMel()
    return front(normalise_loudness(wave, front.config)[0])[0].numpy(), wave.shape[
        1
    ] / front.config.sample_rate


def spectrograms(
    files: Mapping[str, Path], language: Language, *, columns: int = 4, height: float | None = None
) -> Figure:
    """Spectrograms of sound files by title."""
    mels = {title: log_mel(path) for title, path in files.items()}
    seconds = max(s for _, s in mels.values())
    labels = (language.plain("axis.time"), language.plain("axis.frequency"), language.plain("axis.level"))
    panels = {title: mel for title, (mel, _) in mels.items()}
    return theme.spectrogram_row(
        panels, seconds=seconds, columns=columns, height=height, labels=labels, decimal=language.decimal
    )


def versions(sounds: Mapping[str, Path], language: Language) -> dict[str, Path]:
    """The versions of a clip in the order original, ceiling, sizes from the largest, under their titles."""
    sizes = sorted((c for c in sounds if c.isdigit()), key=int, reverse=True)
    found = {language.name("system", c): sounds[c] for c in ("original", "ceiling") if c in sounds}
    return {**found, **{c: sounds[c] for c in sizes}}


def _clusters(found: Study, description: str) -> tuple[Estimate, float] | None:
    chosen = found.clustering(description)
    return (chosen.test.ami, chosen.null.ami_shuffled_genres_high) if chosen else None


def _neighbours(found: Study, description: str) -> tuple[Estimate, float] | None:
    near = found.neighbourhood(description)
    return (near.genre_map, near.genre_chance) if near else None


def _readings(found: Study, description: str) -> tuple[Estimate, float] | None:
    read = found.reading(description)
    return (read.accuracy, read.majority.mean) if read else None


STUDY_PANELS = {
    "axis.ami": _clusters,
    "axis.map": _neighbours,
    "axis.accuracy": _readings,
}  # and their chance


def study(evidence: Evidence, language: Language) -> Figure:
    """What the vectors know of style and track by size, beside descriptions that are not vectors."""
    sizes = sorted(evidence.studies)
    fig, axes = theme.figure(height=2.75, columns=3)
    others = [r.description for r in evidence.studies[sizes[-1]].neighbours]
    shown = ["raw", *[d for d in ("MFCC statistics", "Linear", "mel PCA") if d in others]]
    for ax, (label, read) in zip(axes, STUDY_PANELS.items(), strict=True):
        for i, description in enumerate(shown):
            found = [read(evidence.studies[s], description) for s in sizes]
            estimates = [value[0] if value else None for value in found]
            errorbars(ax, sizes, estimates, i, language.name("description", description))
        chance = [value[1] if value else None for value in (read(evidence.studies[s], "raw") for s in sizes)]
        if all(c is not None for c in chance):
            ax.plot(
                sizes,
                chance,
                color=theme.SOFT,
                linestyle=theme.DASHES[2],
                label=language.plain("axis.chance"),
            )
        theme.size_axis(ax, sizes, label="")
        ax.set_ylabel(language.plain(label))
        localise(ax, language)
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=5)
    fig.supxlabel(language.plain("axis.size"), fontsize=9)
    return fig


def maps(evidence: Evidence, language: Language, kind: str = "t-SNE") -> Figure:
    """The maps of every size side by side, one marker a style."""
    sizes = sorted(evidence.studies)[-4:]
    fig, axes = theme.figure(height=2.9, columns=len(sizes), squeeze=False)
    for ax, size in zip(axes[0], sizes, strict=True):
        found = evidence.studies[size]
        genres = [evidence.genres.get(c, "?") for c in found.clips]
        theme.scatter_by_genre(ax, np.array(found.maps[kind].points), genres, legend=False, size=14)
        trust = language.number(found.maps[kind].trustworthiness.mean, 2)
        ax.set_title(f"{size}", pad=3)
        ax.set_xlabel(f"{language.plain('axis.trust')} {trust}", fontsize=8)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(
        handles,
        [language.style(label) for label in labels],
        loc="outside upper center",
        ncols=min(8, len(labels)),
        handletextpad=0.1,
        columnspacing=0.9,
    )
    return fig


def attributes(evidence: Evidence, language: Language) -> Figure:
    """How much of each attribute a ridge regression reads from the vectors, by size."""
    sizes = sorted(evidence.studies)
    rows = {s: evidence.studies[s].attributes() for s in sizes}
    last = {name: row.r2.mean for name, row in rows[sizes[-1]].items()}
    names = sorted(last, key=lambda a: last[a] if np.isfinite(last[a]) else 0.0)
    fig, ax = theme.figure(height=0.9 + (0.12 + 0.11 * len(sizes)) * len(names))
    for i, size in enumerate(sizes):
        look = {**theme.series(i), "linestyle": "none"}
        y = np.arange(len(names)) + (i - (len(sizes) - 1) / 2) * 0.7 / len(sizes)
        found = [rows[size][n].r2 if n in rows[size] else None for n in names]
        for k, estimate in enumerate(found):
            if estimate and np.isfinite(estimate.mean):
                if np.isfinite(estimate.low):
                    low, high = max(-0.6, estimate.low), max(-0.6, estimate.high)
                    ax.plot([low, high], [y[k]] * 2, color=look["color"], linewidth=1)
                ax.plot(
                    [max(-0.6, estimate.mean)],
                    [y[k]],
                    **look,
                    label=str(size) if k == len(names) - 1 else None,
                )
    ax.axvline(0, color=theme.SOFT, linewidth=1)
    ax.set_yticks(range(len(names)), [language.name("attribute", n) for n in names])
    ax.set_xlim(-0.62, 1.02)
    ax.set_xlabel(language.plain("axis.r2"))
    localise(ax, language, "x")
    title = language.plain("axis.size")
    fig.legend(title=title, title_fontsize=8, loc="outside upper center", ncols=len(sizes))
    return fig


def stress(found: Outside, language: Language) -> Figure:
    """Error of stress sounds beside the band of the data set's own test clips."""
    rows = sorted(found.stress, key=lambda r: r.mel_error_db)
    fig, ax = theme.figure(height=0.8 + 0.2 * len(rows))
    low, high = rows[0].test_band_db
    ax.axvspan(low, high, color=theme.PALETTE[3], alpha=0.35, label=language.plain("axis.band"))
    for i, row in enumerate(rows):
        known = row.recognised
        ax.plot(
            row.mel_error_db,
            i,
            linestyle="none",
            markersize=6,
            color=theme.PALETTE[0 if known else 1],
            marker="o" if known else "X",
        )
    for known, key in ((True, "axis.recognised"), (False, "axis.strange")):
        ax.plot(
            [],
            [],
            linestyle="none",
            color=theme.PALETTE[0 if known else 1],
            marker="o" if known else "X",
            label=language.plain(key),
        )
    ax.set_yticks(range(len(rows)), [language.name("stress", r.name) for r in rows])
    ax.set_xlabel(language.plain("axis.log_mel_db"))
    localise(ax, language, "x")
    fig.legend(loc="outside upper center", ncols=3)
    return fig


def comparison(table: PriorTable, language: Language, measures: Sequence[Measure]) -> Figure:
    """New clips of each system beside unseen real ones, measure by measure, with intervals."""
    systems = list(table.systems)
    fig, axes = theme.figure(height=2.6, columns=len(measures), sharey=True)
    for ax, measure in zip(axes, measures, strict=True):
        for i, system in enumerate(systems):
            estimate = table.systems[system].get(measure)
            if estimate and np.isfinite(estimate.mean):
                y = len(systems) - 1 - i
                if np.isfinite(estimate.low):
                    ax.plot(
                        [estimate.low, estimate.high],
                        [y, y],
                        color=theme.PALETTE[i % 10],
                        linewidth=1.2,
                    )
                ax.plot(
                    estimate.mean,
                    y,
                    linestyle="none",
                    markersize=6,
                    color=theme.PALETTE[i % 10],
                    marker=theme.MARKERS[i % 10],
                )
        ax.set_xlabel(language.name("measure", measure), fontsize=8.5)
        ax.locator_params(axis="x", nbins=4)
        localise(ax, language, "x")
    axes[0].set_yticks(range(len(systems)), [language.name("sampler", s) for s in reversed(systems)])
    axes[0].set_ylim(-0.6, len(systems) - 0.4)
    return fig


def edits(rows: Sequence[Moved], language: Language) -> Figure:
    """Gain of every edit in units of its harder baseline's, beside how much realism each costs.

    Mixing is a line at 1 on the left, for it is the unit; what lies beyond the frame stands at its edge
    with its number.
    """
    fig, (gains, costs) = theme.figure(height=0.9 + 0.22 * len(rows), columns=2, sharey=True)
    names = [language.name("edit", r.edit) for r in rows]
    low, high = GAINS
    for i, row in enumerate(reversed(rows)):
        gain, unit = certain(row.measured.gain), max(abs(row.hardest.gain.mean), 1e-6)
        look = {**theme.series(0), "linestyle": "none"}
        if np.isfinite(gain.low):
            ends = np.clip([gain.low / unit, gain.high / unit], low, high)
            gains.plot(ends, [i, i], color=look["color"], linewidth=1)
        place = gain.mean / unit
        gains.plot(np.clip(place, low, high), i, **look)
        if not low <= place <= high:
            text, side = language.number(place, 1), "right" if place > high else "left"
            at = (np.clip(place, low, high) + (-0.12 if place > high else 0.12), i)
            gains.text(*at, text, ha=side, va="center", fontsize=7)
        for k, side_of in enumerate((row.measured, row.hardest)):
            cost, y = certain(side_of.realism_loss), i + (0.15 if k == 0 else -0.15)
            look = {**theme.series(k), "linestyle": "none"}
            if np.isfinite(cost.low):
                costs.plot([cost.low, cost.high], [y, y], color=look["color"], linewidth=1)
            label = language.plain(f"axis.{'edit' if k == 0 else 'mixing'}") if i == 0 else None
            costs.plot(cost.mean, y, **look, label=label)
    gains.axvline(1, color=theme.PALETTE[1], linewidth=1.2, linestyle=theme.DASHES[1])
    for ax, label in ((gains, "axis.gain"), (costs, "axis.realism")):
        ax.axvline(0, color=theme.SOFT, linewidth=1)
        ax.set_xlabel(language.plain(label))
        localise(ax, language, "x")
    gains.set_xlim(low - 0.1, high + 0.1)
    gains.set_yticks(range(len(rows)), list(reversed(names)))
    handles, labels = costs.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=2)
    return fig
