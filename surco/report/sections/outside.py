"""Section 3: does it work on music from outside the data set?"""

from typing import Any

from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.sections.encoding import Draw
from surco.report.sections.study import nearest

COMMAND = "surco submit outside --audio FOLDER"


def outside(evidence: Evidence, words: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    blocks: list[Block] = [
        Heading(words.plain("outside.title")),
        Para(words.say("outside.question"), "question"),
    ]
    if not evidence.outside:
        return [*blocks, Missing(words.say("outside.missing"), COMMAND)]
    size = nearest(evidence.outside, evidence.chosen)
    found = evidence.outside[size]
    if found.get("outside"):
        blocks += _verdict(found, words, size)
    else:
        blocks.append(Missing(words.say("outside.no_folder"), COMMAND))
    return blocks + _stress(found, words, draw, size)


def _verdict(found: dict[str, Any], words: Language, size: int) -> list[Block]:
    there, band = found["outside"], found["bands"]["neighbours"]["outside"]
    compared = found["comparisons"]["mel_error_db"]
    change = compared["outside"] / compared["test"] - 1
    rows = [
        [
            words.name("measure", name),
            words.number(row["test"]),
            words.number(row["outside"]),
            words.interval(row["difference"]),
            words.interval(row["effect"]),
        ]
        for name, row in found["comparisons"].items()
    ]
    header = [words.plain(f"column.{k}") for k in ("measure", "test", "outside", "difference", "effect")]
    verdict = words.say(
        f"outside.{found['verdict']['answer']}",
        size=size,
        change=words.percent(change),
        band=words.percent(band["mean"]),
        clips=there["clips"],
        tracks=there["tracks"],
    )
    styles = compared["styles"]
    pairing = (
        words.say("outside.paired", styles=words.listing(styles)) if styles else words.say("outside.unpaired")
    )
    return [
        Para(words.say("outside.tried", clips=there["clips"], tracks=there["tracks"])),
        Table(header, rows, words.say("outside.table", size=size)),
        Para(verdict, "answer"),
        Para(pairing + " " + words.say("outside.hear")),
    ]


def _stress(found: dict[str, Any], words: Language, draw: Draw, size: int) -> list[Block]:
    rows = sorted(found["stress"], key=lambda r: r["mel_error_db"])
    fails = [words.name("stress", r["name"]) for r in rows if not r["works"]]
    strange = [words.name("stress", r["name"]) for r in rows if not r["recognised"]]
    blind = [words.name("stress", r["name"]) for r in rows if not r["works"] and r["recognised"]]
    texts = [
        words.say("outside.stress_fails", names=words.listing(fails))
        if fails
        else words.say("outside.stress_holds")
    ]
    if strange:
        texts.append(words.say("outside.strange", names=words.listing(strange)))
    if blind:
        texts.append(words.say("outside.blind", names=words.listing(blind)))
    texts.append(words.say("outside.reason" if fails else "outside.reason_holds"))
    header = [
        words.plain(f"column.{k}")
        for k in ("sound", "error", "unaltered", "zimtohrli", "distance", "works", "recognised")
    ]
    cells = [
        [
            words.name("stress", r["name"]),
            words.number(r["mel_error_db"]),
            words.number(r["same_clips_unaltered_db"]),
            words.number(r["zimtohrli"]),
            words.number(r["distance"] / r["distance_test_high"]),
            words.plain("word.yes" if r["works"] else "word.no"),
            words.plain("word.yes" if r["recognised"] else "word.no"),
        ]
        for r in rows
    ]
    return [
        Heading(words.plain("outside.stress_title"), 2),
        Para(words.say("outside.stress_tried")),
        Picture(
            draw("stress.svg", report_figures.stress(found, words)), words.say("outside.figure", size=size)
        ),
        Table(header, cells, words.say("outside.table_stress", size=size)),
        Para(" ".join(texts)),
    ]
