"""The figure behind the smallest vector: definition lost as the vector shrinks."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from surco.metrics.choice import Choice
from surco.metrics.smallest import BOUNDS, Smallest
from surco.plots.theme import INK, PALETTE, SOFT, figure, series, size_axis


def definition_figure(found: Smallest | Choice, *, bounds: Mapping[str, float] = BOUNDS) -> Figure:
    """Definition of each kind by size, 0 at the floor and 1 at the ceiling, with 95 % intervals.

    Short ticks at the right mark how low each kind may lie; the line marks the size chosen.
    """
    sizes = sorted(found.losses)
    fig, ax = figure(height=3.2)
    for i, kind in enumerate(found.losses[sizes[0]]):
        points = [found.losses[s][kind].definition for s in sizes]  # (mean, low, high) each
        mean = [p[0] for p in points]
        bars = [[p[0] - p[1] for p in points], [p[2] - p[0] for p in points]]
        ax.errorbar(sizes, mean, yerr=bars, label=kind, **series(i))
        ax.axhline(1 - bounds[kind], xmin=0.97, color=PALETTE[i], linewidth=2.2)
    ax.axhline(1, color=SOFT, linewidth=0.8)
    ax.annotate("vocoder on the true mel", (sizes[0], 1), (0, 3), textcoords="offset points", color=SOFT)
    ax.axhline(0, color=SOFT, linewidth=0.8)
    ax.annotate("another track", (sizes[0], 0), (0, 3), textcoords="offset points", color=SOFT)
    ax.axvline(found.size, color=INK, linewidth=1)
    note = f"{'smallest' if found.passed else 'proposed'}: {found.size}"
    ax.annotate(note, (found.size, 0.08), (-4, 0), textcoords="offset points", color=INK, ha="right")
    size_axis(ax, sizes)
    ax.set_ylabel("definition")
    ax.set_title("Definition lost as the vector shrinks")
    fig.legend(loc="outside upper right", ncols=3)
    return fig
