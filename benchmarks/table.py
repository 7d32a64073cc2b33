"""The results of `benchmarks.codec` as Markdown."""

from collections.abc import Mapping
from typing import Any

COLUMNS = {
    "zimtohrli": ("Zimtohrli ↑", 2),
    "visqol": ("ViSQOL ↑", 2),
    "log_mel_db": ("log-mel dB ↓", 2),
    "chroma": ("chroma ↑", 2),
    "onset": ("onset ↑", 2),
    "onset_f1": ("onset F1 ↑", 2),
    "tempo": ("tempo ↑", 2),
    "self_similarity": ("self-sim. ↑", 2),
    "style_agreement": ("style ↑", 2),
    "style_kl": ("style KL ↓", 3),
    "si_sdr_db": ("SI-SDR dB", 1),
}


def cell(estimate: Mapping[str, Any] | None, digits: int) -> str:
    """A mean with the ends of its interval."""
    if not estimate or estimate["mean"] is None:
        return "–"
    mean, low, high = (f"{estimate[k]:.{digits}f}" for k in ("mean", "low", "high"))
    return f"{mean} ({low}–{high})"


def number(value: float | None, digits: int = 2) -> str:
    return "not reached" if value is None else f"{value:.{digits}f}"


def markdown(document: Mapping[str, Any]) -> str:
    """Where it was measured, the table, the marks and the smallest vector."""
    about, marks = document["about"], document["marks"]
    lines = ["# Sound per float", "", f"`{about['command']}`", ""]
    lines += [
        f"Commit {about['commit']}, codec {about['codec']}; {about['machine']}; {about['clips']} clips of "
        f"{about['tracks']} tracks of the {about['split']} split, seed {about['seed']}, "
        f"{about['seconds']} s. Means over tracks with 95 % bootstrap intervals over tracks; "
        "docs/measures.md has the columns.",
        "",
        "| system | floats | bits | " + " | ".join(title for title, _ in COLUMNS.values()) + " | KAD ↓ |",
        "|---|---|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for row in document["rows"]:
        name = row["system"]
        cells = [cell(document["aggregate"][name].get(m), digits) for m, (_, digits) in COLUMNS.items()]
        kad = document["sets"][name].get("kernel_audio_distance")
        counts = [f"{row[k]:.0f}" if row[k] else "–" for k in ("floats", "bits")]
        lines.append(f"| {name} | {' | '.join(counts + cells)} | {'–' if kad is None else number(kad)} |")
    lines += ["", "Bits count 8 a number; Opus's are its packets without Ogg's headers.", "", "## Marks", ""]
    for size, mark in marks["floats_for_linear"].items():
        lines.append(
            f"- Floats for Linear's Zimtohrli at {size} ({mark['zimtohrli']:.2f}): "
            f"{number(mark['floats'], 0)}, {number(mark['share'])} of them."
        )
    if marks["floats_for_peer"]:
        mark = marks["floats_for_peer"]
        lines.append(
            f"- Floats for the best trained peer's Zimtohrli ({mark['peer']}, {mark['zimtohrli']:.2f}): "
            f"{number(mark['floats'], 0)}, {number(mark['share'])} of them."
        )
    ratios = ", ".join(f"{s}: {cell(r, 3)}" for s, r in marks["log_mel_against_linear"].items())
    lines.append(f"- Log-mel L1 against Linear's at equal size: {ratios}.")
    ahead = ", ".join(f"{s}: {gain:+.2f}" for s, gain in marks["zimtohrli_over_linear"].items())
    lines.append(f"- Zimtohrli over Linear's at equal size: {ahead}.")
    for size, both in marks["structure_against_ceiling"].items():
        told = "; ".join(
            f"{system} " + ", ".join(f"{m.replace('_', '-')} {v:.2f}" for m, v in found.items())
            for system, found in both.items()
        )
        lines.append(f"- Structure against the ceiling at {size}: {told}.")
    for size, lost in marks["lost_at_8_bits"].items():
        lines.append(
            f"- Lost at 8 bits a number at {size}: log-mel {100 * lost['log_mel_db']:.2f} %, "
            f"Zimtohrli {100 * lost['zimtohrli']:.2f} %."
        )
    lines += ["", "## The smallest vector", "", document["smallest"]["reason"], ""]
    if document["budgets"]:
        lines += [
            "## Budgets of the peers",
            "",
            "| peer | core minutes | steps | seconds of sound | parameters |",
        ]
        lines += ["|---|---|---|---|---|"]
        for name, b in document["budgets"].items():
            seen = f"{b['clip_seconds']:.0f}"
            lines.append(f"| {name} | {b['minutes']:g} | {b['steps']} | {seen} | {b['parameters']} |")
        lines += [
            "",
            "Minutes of one core are far from what these peers were made for: their rows show what each "
            "does with little training, not what it can do. Linear is Surco's codec before any, so at that "
            "budget Surco stands between its own row and Linear's; the shipped codec and the vocoder that "
            "both use saw more (model card).",
        ]
    return "\n".join(lines) + "\n"
