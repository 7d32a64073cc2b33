"""Section 3: does it work on music from outside the data set?"""

from dataclasses import replace

from surco.latents.outside_report import Music, Outside
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.sections.codec import Draw
from surco.report.sections.lost import absent
from surco.report.sections.study import nearest

COMMAND = "surco submit outside --audio FOLDER"


def outside(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    blocks: list[Block] = [
        Heading(language.plain("outside.title")),
        Para(language.say("outside.question"), "question"),
    ]
    if not evidence.outside:
        return [*blocks, absent(evidence, language, "outside", "outside.missing", COMMAND)]
    size = nearest(evidence.outside, evidence.chosen)
    found = evidence.outside[size]
    if found.music:
        blocks += _verdict(found.music, language, size)
    else:
        blocks.append(Missing(language.say("outside.no_folder"), COMMAND))
    return blocks + _stress(found, language, draw, size)


def _verdict(found: Music, language: Language, size: int) -> list[Block]:
    there, band = found.side, found.bands["neighbours"].outside
    compared = found.comparisons["mel_error_db"]
    over = compared.difference
    share = [value / compared.test for value in (over.mean, over.low, over.high)]
    change = replace(over, mean=share[0], low=share[1], high=share[2])
    rows = [
        [
            language.name("measure", name),
            language.number(row.test),
            language.number(row.outside),
            language.interval(row.difference),
            language.interval(row.effect),
        ]
        for name, row in found.comparisons.items()
    ]
    header = [language.plain(f"column.{k}") for k in ("measure", "test", "outside", "difference", "effect")]
    verdict = language.say(
        f"outside.{found.verdict.answer}",
        size=size,
        change=language.interval(change, 0, percent=True),
        band=language.percent(band.mean),
        clips=there.clips,
        tracks=there.tracks,
    )
    styles = compared.styles
    pairing = (
        language.say("outside.paired", styles=language.listing([language.style(s) for s in styles]))
        if styles
        else language.say("outside.unpaired")
    )
    return [
        Para(language.say("outside.tried", clips=there.clips, tracks=there.tracks)),
        Table(header, rows, language.say("outside.table", size=size)),
        Para(verdict, "answer"),
        Para(pairing + " " + language.say("outside.hear")),
    ]


def _stress(found: Outside, language: Language, draw: Draw, size: int) -> list[Block]:
    rows = sorted(found.stress, key=lambda r: r.mel_error_db)
    fails = [language.name("stress", r.name) for r in rows if not r.works]
    strange = [language.name("stress", r.name) for r in rows if not r.recognised]
    blind = [language.name("stress", r.name) for r in rows if not r.works and r.recognised]
    texts = [
        language.say("outside.stress_fails", names=language.listing(fails))
        if fails
        else language.say("outside.stress_holds")
    ]
    if strange:
        texts.append(language.say("outside.strange", names=language.listing(strange)))
    if blind:
        texts.append(language.say("outside.blind", names=language.listing(blind)))
    texts.append(language.say("outside.reason" if fails else "outside.reason_holds"))
    header = [
        language.plain(f"column.{k}")
        for k in ("sound", "error", "unaltered", "zimtohrli", "distance", "works", "recognised")
    ]
    cells = [
        [
            language.name("stress", r.name),
            language.number(r.mel_error_db),
            language.number(r.same_clips_unaltered_db),
            language.number(r.zimtohrli),
            language.number(r.distance / r.distance_test_high),
            language.plain("word.yes" if r.works else "word.no"),
            language.plain("word.yes" if r.recognised else "word.no"),
        ]
        for r in rows
    ]
    return [
        Heading(language.plain("outside.stress_title"), 2),
        Para(language.say("outside.stress_tried")),
        Picture(
            draw("stress.svg", report_figures.stress(found, language)),
            language.say("outside.figure", size=size),
        ),
        Table(header, cells, language.say("outside.table_stress", size=size)),
        Para(" ".join(texts)),
    ]
