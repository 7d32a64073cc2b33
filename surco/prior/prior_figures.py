"""Pictures of a prior: how it learned, how its settings were chosen, how it stands beside its rivals."""

from pathlib import Path

import numpy as np

from surco.metrics.aggregate import error_bars
from surco.plots import theme
from surco.prior.prior_report import Curve, Measure, Table, Tuning

MEASURES: dict[Measure, str] = {
    "kad": "kernel distance (less is better)",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "style_accuracy": "style accuracy",
    "diversity": "diversity (real = 1)",
    "nearest": "nearest clip (real = 1)",
}


def draw_curve(curve: Curve, path: Path) -> None:
    """Loss by step; step 0 is the Gaussian that training starts from."""
    fig, ax = theme.figure(height=2.6)
    ax.plot(curve.step, curve.train, label="train", **(theme.series(0) | {"marker": ""}))
    ax.plot(curve.step, curve.valid, label="valid", **(theme.series(1) | {"marker": ""}))
    ax.axhline(curve.valid[0], color=theme.SOFT, linewidth=0.8, label="Gaussian on valid")
    ax.axvline(curve.best_step, color=theme.SOFT, linewidth=0.8, linestyle=":", label="kept")
    ax.set_xlabel("step")
    ax.set_ylabel("loss (Gaussian on train = 1)")
    ax.legend()
    theme.save(fig, path)


def draw_tuning(tuning: Tuning, path: Path) -> None:
    """Distance to the valid clips by temperature and guidance, and the error of few steps."""
    fig, (left, right) = theme.figure(height=2.8, columns=2)
    for i, guidance in enumerate(sorted({r.guidance for r in tuning.grid})):
        rows = sorted((r for r in tuning.grid if r.guidance == guidance), key=lambda r: r.temperature)
        x = [r.temperature for r in rows]
        above = [r.above_chosen for r in rows]
        y, low, high = [e.mean for e in above], [e.low for e in above], [e.high for e in above]
        look = theme.series(i)
        left.plot(x, y, label=f"guidance {guidance:g}", **look)
        left.fill_between(x, low, high, color=look["color"], alpha=0.12, linewidth=0)
    left.set_xlabel("temperature")
    left.set_ylabel("kernel distance above the chosen")
    left.legend()
    right.plot([r.steps for r in tuning.steps], [r.error for r in tuning.steps], **theme.series(0))
    right.set_xscale("log", base=2)
    right.set_yscale("log")
    right.set_xlabel("sampler steps")
    right.set_ylabel("error against 64 steps (share)")
    right.axvline(tuning.settings.steps, color=theme.SOFT, linewidth=0.8, linestyle=":")
    theme.save(fig, path)


def draw_comparison(table: Table, path: Path) -> None:
    """Each measure of each system with its 95 % interval."""
    names = list(table.systems)
    fig, axes = theme.figure(height=0.9 + 0.42 * len(names), rows=2, columns=4, sharey=True)
    for ax, (measure, title) in zip(axes.flat, MEASURES.items(), strict=True):
        for i, name in enumerate(names):
            found = table.systems[name][measure]
            if not np.isfinite(found.mean):
                continue
            look = theme.series(i)
            ax.errorbar(
                [found.mean],
                [len(names) - 1 - i],
                xerr=error_bars([found]),
                color=look["color"],
                marker=look["marker"],
            )
        ax.set_yticks(range(len(names)), names[::-1])
        ax.set_ylim(-0.6, len(names) - 0.4)
        head, _, tail = title.partition(" (")
        ax.set_title(head, fontsize=8)
        ax.set_xlabel(tail.rstrip(")") if tail else "share", fontsize=8)
    theme.save(fig, path)
