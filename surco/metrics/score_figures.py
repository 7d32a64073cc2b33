"""A figure of measures: systems side by side."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

from surco.metrics.aggregate import Estimate
from surco.plots.theme import PALETTE, figure

LABELS = {
    "log_mel_db": "log-mel L1 (dB)",
    "multi_scale_mel": "multi-scale mel",
    "zimtohrli": "Zimtohrli (1 to 5)",
    "visqol": "ViSQOL (1 to 5)",
    "chroma": "chroma correlation",
    "onset": "onset correlation",
    "onset_f1": "onset F1",
    "tempo": "tempo agreement",
    "self_similarity": "self-similarity",
    "style_agreement": "style agreement",
    "style_kl": "style KL (nats)",
}


def systems_figure(
    estimates: Mapping[str, Mapping[str, Estimate]],
    measures: Sequence[str] = ("log_mel_db", "zimtohrli", "chroma", "onset"),
) -> Figure:
    """One panel a measure, one point a system, with 95 % intervals over tracks."""
    shown = [m for m in measures if any(m in e for e in estimates.values())]
    fig, axes = figure(height=2.4, columns=len(shown), squeeze=False, sharey=True)
    names = list(estimates)
    for ax, measure in zip(axes[0], shown, strict=True):
        for i, name in enumerate(names):
            e = estimates[name].get(measure)
            if e is not None:
                bar = [[e.mean - e.low], [e.high - e.mean]]
                ax.errorbar(e.mean, i, xerr=bar, marker="o", color=PALETTE[i % len(PALETTE)])
        ax.set_title(LABELS.get(measure, measure))
    axes[0][0].set_yticks(range(len(names)), names)
    axes[0][0].invert_yaxis()
    return fig
