"""Figures on clusters: what every number of clusters gives, by vector size."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from surco.latents.study import Clustering
from surco.plots import theme
from surco.report.language import Language
from surco.report.report_figures import localise

PANELS = ("inertia", "silhouette", "v_measure")


def scan(rows: Mapping[int, Clustering], language: Language) -> Figure:
    """Inertia (over that of the fewest clusters), silhouette and V-measure against k, a line a size.

    A filled mark is the k chosen, by the silhouette of validation clips.
    """
    fig, axes = theme.figure(height=2.6, columns=len(PANELS))
    for ax, panel in zip(axes, PANELS, strict=True):
        for i, size in enumerate(sorted(rows)):
            row = rows[size]
            ks = [s.k for s in row.scan]
            values = np.array([getattr(s, panel) for s in row.scan])
            if panel == "inertia":
                values = values / values[0]
            look = theme.series(i)
            ax.plot(ks, values, label=str(size), **{**look, "markerfacecolor": "white"})
            if row.chosen and row.chosen.k in ks:
                at = ks.index(row.chosen.k)
                filled = {"linestyle": "none", "marker": look["marker"], "color": look["color"]}
                ax.plot(ks[at], values[at], markersize=8, **filled)
        ax.set_ylabel(language.plain(f"axis.{panel}"))
        ax.set_xlabel(language.plain("axis.k"))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        localise(ax, language)
    handles, labels = axes[0].get_legend_handles_labels()
    title = language.plain("axis.size")
    fig.legend(handles, labels, title=title, title_fontsize=8, loc="outside upper center", ncols=len(rows))
    return fig
