"""The codec of section 1: what it is made of, how many parameters it has, and how its training went."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.patches as patches
from matplotlib.figure import Figure

from surco.plots import theme
from surco.report.document import Block, Heading, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.report_figures import localise

Draw = Callable[[str, Figure], Path]
CHAIN = ("wave", "mel", "transform", "encoder", "vector", "decoder", "inverse", "vocoder", "wave")
COLUMNS = CHAIN.index("vector") + 1  # of the figure: the way to the vector, and under it the way back
CARD = Path(__file__).resolve().parents[2] / "weights" / "MODEL_CARD.md"
SHOWN = (128, 512, 2048)  # sizes of the shipped weights' curve


def codec(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks on architecture, parameters and training."""
    counts = parameters()
    rows = [[language.name("part", name), language.number(count, 0)] for name, count in counts.items()]
    rows.append([language.plain("word.all"), language.number(sum(counts.values()), 0)])
    header = [language.plain("column.part"), language.plain("column.parameters")]
    return [
        Heading(language.plain("codec.title"), 2),
        Para(" ".join([language.say("codec.text"), *_untrained(evidence, language)])),
        Picture(draw("architecture.svg", architecture(language)), language.say("codec.figure")),
        Table(header, rows, language.say("codec.table")),
        Picture(
            draw("training.svg", curves(evidence.histories, language)), language.say("codec.figure_curves")
        ),
    ]


def _untrained(evidence: Evidence, language: Language) -> list[str]:
    """The sizes at which no step of training was better than the weights that it began with."""
    still = [str(size) for size, row in sorted(evidence.trained.items()) if row.get("best_step") == 0]
    return [language.say("codec.untrained", sizes=language.listing(still))] if still else []


@cache
def parameters() -> dict[str, int]:
    """Numbers that are learned, by part of the codec; of the linear transform, those that are fitted."""
    from surco.codec import Codec
    from surco.codec.vocoder import Vocoder

    shipped = Codec.load()
    parts: dict[str, Any] = {
        "transform": shipped.linear, "encoder": shipped.encoder, "decoder": shipped.decoder,
        "size_embedding": shipped.size_embedding, "vocoder": Vocoder.load(),
    }  # fmt: skip
    return {
        name: sum(p.numel() for p in module.parameters())
        or sum(b.numel() for b in module.buffers() if b.is_floating_point())
        for name, module in parts.items()
    }


def shipped_curve(card: str) -> tuple[list[int], dict[int, list[float]]]:
    """Steps, and by size the log-mel L1 in dB on valid clips, as the model card's table has them."""
    table = re.search(r"^\| numbers \|((?: [\d,]+ \|)+)\n((?:\|.*\n)+)", card, re.M)
    if table is None:
        return [], {}
    sizes = [int(cell.replace(",", "")) for cell in table[1].strip(" |").split("|")]
    steps: list[int] = []
    errors: dict[int, list[float]] = {size: [] for size in sizes}
    for match in re.finditer(
        r"^\| (the same with rotated axes.*?|after ([\d,]+).*?) \|(.+)\|$", table[2], re.M
    ):
        cells = match[3].split("|")
        if len(cells) == len(sizes):
            steps.append(int(match[2].replace(",", "")) if match[2] else 0)
            for size, cell in zip(sizes, cells, strict=True):
                errors[size].append(float(cell))
    return steps, errors


def architecture(language: Language) -> Figure:
    """The way of a clip through the codec, a box a step: to the vector above, back from it below."""
    fig, ax = theme.figure(height=1.75)
    ax.set_axis_off()
    ax.set_xlim(0, COLUMNS)
    ax.set_ylim(0, 2)
    half = COLUMNS - 1
    for i, name in enumerate(CHAIN):
        learned = name in ("encoder", "decoder", "vocoder")
        vector = name == "vector"
        colour = theme.PALETTE[0] if vector else "#e4e1f3" if learned else "#f3f2ee"
        look: Any = {"facecolor": colour, "edgecolor": theme.SOFT, "linewidth": 0.8}
        column, row = (i, 1) if i <= half else (2 * half - i, 0)
        low, high = (0.12, 1.88) if vector else (row + 0.12, row + 0.88)
        x, width = column + 0.07, 0.79
        round_box = "round,pad=0.01,rounding_size=0.05"
        ax.add_patch(patches.FancyBboxPatch((x, low), width, high - low, boxstyle=round_box, **look))
        text = language.plain(f"chain.{name}").replace("|", "\n")
        ink = "white" if vector else theme.INK
        ax.text(x + width / 2, (low + high) / 2, text, ha="center", va="center", fontsize=8, color=ink)
        if i:
            arrow = {"arrowstyle": "->", "color": theme.INK, "shrinkA": 0, "shrinkB": 0}
            ends = (column - 0.12, x - 0.02) if row or vector else (column + 1.05, x + width + 0.02)
            ax.annotate("", (ends[1], row + 0.5), (ends[0], row + 0.5), arrowprops=arrow)
    return fig


def curves(histories: Mapping[int, Any], language: Language) -> Figure:
    """Error on validation clips against training steps: of the shipped weights, and of this sweep's sizes."""
    fig, axes = theme.figure(height=2.7, columns=2)
    steps, errors = shipped_curve(CARD.read_text(encoding="utf-8"))
    for i, size in enumerate(SHOWN):
        if size in errors:
            axes[0].plot(steps, errors[size], label=str(size), **theme.series(i))
    for i, (size, history) in enumerate(sorted(histories.items())):
        look = theme.series(i)
        for split, line in (("valid", "-"), ("train", ":")):
            seen = [(e["step"], e[f"{split}/l1_db"]) for e in history if f"{split}/l1_db" in e]
            if seen:
                label = str(size) if split == "valid" else None
                axes[1].plot(*zip(*seen, strict=True), label=label, **{**look, "linestyle": line})
    for ax, title in zip(axes, ("shipped", "here"), strict=True):
        ax.set_title(language.plain(f"axis.{title}"), pad=3)
        ax.set_xlabel(language.plain("axis.steps"))
        ax.set_ylabel(language.plain("axis.l1_db"))
        localise(ax, language)
        if ax.lines:
            ax.legend(
                title=language.plain("axis.size"),
                title_fontsize=7,
                fontsize=7,
                ncols=6,
                columnspacing=1,
                handlelength=1.6,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.24),  # below the axis: no curve lies under it
            )
    return fig
