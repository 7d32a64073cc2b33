"""The picture of a study of edits."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from surco.edits.edit_report import Moved
from surco.metrics.aggregate import error_bars
from surco.plots import theme


def draw_moves(rows: Sequence[Moved]) -> Figure:
    """What each edit gains and what it costs in realism, beside mixing; one row of panels a unit."""
    units = {
        "style": "probability of the style",
        "change": "change of the mel (dB)",
        "harmony": "correlation with the other's chroma",
        "": "standard deviations",
    }
    groups = {unit: [r for r in rows if (r.asked if r.asked in units else "") == unit] for unit in units}
    groups = {unit: found for unit, found in groups.items() if found}
    fig, axes = theme.figure(
        height=1.2 + 0.45 * len(rows),
        rows=len(groups),
        columns=2,
        squeeze=False,
        sharex="col" if len(groups) == 1 else False,
        height_ratios=[len(found) + 1 for found in groups.values()],
    )
    for line, (unit, found) in zip(axes, groups.items(), strict=True):
        for ax, key in zip(line, ("gain", "realism_loss"), strict=True):
            kinds = {
                "edit": [r.measured for r in found],
                "mixing waves": [r.baselines["waves"] for r in found],
                "mixing mels": [r.baselines["mels"] for r in found],
            }
            for i, (label, sides) in enumerate(kinds.items()):
                shown = [getattr(side, key) for side in sides]
                look = {k: v for k, v in theme.series(i).items() if k != "linestyle"}
                y = np.arange(len(found)) + (i - 1) * 0.22
                means = [e.mean for e in shown]
                ax.errorbar(means, y, xerr=error_bars(shown), linestyle="", label=label, **look)
            ax.axvline(0, color=theme.SOFT, linewidth=1)
            ax.set_ylim(len(found) - 0.5, -0.5)
            ax.set_yticks(range(len(found)), [r.edit for r in found] if key == "gain" else [])
        line[0].set_xlabel(f"gain, {units[unit]}")
        line[1].set_xlabel("rise of kernel audio distance × 100")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return fig
