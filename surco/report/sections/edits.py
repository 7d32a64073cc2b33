"""Section 4: can vectors be edited into new songs?"""

from collections.abc import Sequence
from math import isfinite
from typing import get_args

from surco.edits.edit_report import JudgedEdit, Moved
from surco.edits.judgement import Answer
from surco.prior.song_report import MadeSong
from surco.report import report_figures
from surco.report.document import Block, Heading, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language
from surco.report.sections.codec import Draw
from surco.report.sections.lost import absent
from surco.report.sections.study import nearest

ANSWERS = ("yes", "no better than mixing", "no")
JUDGED: tuple[Answer, ...] = get_args(Answer)


def edits(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    blocks: list[Block] = [
        Heading(language.plain("edits.title")),
        Para(language.say("edits.question"), "question"),
    ]
    if not evidence.edits:
        blocks.append(absent(evidence, language, "edits", "edits.missing", "surco submit edits"))
        return blocks + _songs(evidence, language)
    size = nearest(evidence.edits, evidence.chosen)
    judged = evidence.edits[size].judged
    if judged:
        blocks += _judged(judged, language)
    rows = [r for r in evidence.edits[size].moves if measured_at_all(r)]
    if not rows:
        return blocks + _songs(evidence, language)
    n = max(r.measured.gain.tracks for r in rows)
    blocks.append(Para(language.say("edits.tried_old" if judged else "edits.tried", edits=len(rows), n=n)))
    blocks.append(_table(rows, language, size))
    blocks.append(
        Picture(
            draw("edits.svg", report_figures.edits(rows, language)), language.say("edits.figure", size=size)
        )
    )
    told = {a: [language.name("edit", r.edit) for r in rows if r.possible.answer == a] for a in ANSWERS}
    texts = [
        language.say(f"edits.answer_{a.replace(' ', '_')}", names=language.listing(told[a]))
        for a in ANSWERS
        if told[a]
    ]
    verdict = "all" if len(told["yes"]) == len(rows) else "some" if told["yes"] else "none"
    says = " ".join(
        [language.say(f"edits.verdict_{verdict}", yes=len(told["yes"]), all=len(rows), n=n), *texts]
    )
    # where all edits were judged by what they do, that is the section's answer, and this no more than a part
    blocks.append(Para(says) if judged else Para(says, "answer"))
    blocks.append(Para(_reasons(rows, language)))
    return blocks + _songs(evidence, language)


def _judged(rows: Sequence[JudgedEdit], language: Language) -> list[Block]:
    """What the edits that are made by what a vector holds do: the answer, its reasons and the table."""
    told = {a: [r for r in rows if r.answer == a] for a in JUDGED}
    n = max(r.tracks for r in rows)
    key = "answer" if told["yes"] else "untold" if len(told["too few"]) == len(rows) else "none"
    says = [language.say(f"edits.judged_{key}", yes=len(told["yes"]), all=len(rows), n=n)]
    for answer, found in told.items():
        if found and key != "untold":
            names = language.listing([language.name("edit", r.edit) for r in found])
            says.append(language.say(f"edits.judged_{answer.replace(' ', '_')}", names=names))
    cells = []
    for row in rows:
        edit, mixed = row.did, row.systems["waves, encoded"]
        cells.append(
            [
                language.name("edit", row.edit),
                language.interval(edit.asked),
                language.number(mixed.asked.mean),
                language.number(edit.least_kept) if edit.kept else "–",
                language.number(edit.real.mean, 1),
                language.number(mixed.real.mean, 1),
                language.number(row.exactness.ratio.mean if row.exactness else None),
                language.name("answer", row.answer),
                language.name("answer", row.old.answer),
            ]
        )
    columns = (
        "edit",
        "slope",
        "mixing",
        "least_kept",
        "realism",
        "mixing_realism",
        "exact",
        "possible",
        "old",
    )
    header = [language.plain(f"column.{k}") for k in columns]
    return [
        Para(language.say("edits.judged_tried", edits=len(rows), n=n)),
        Table(header, cells, language.say("edits.judged_table", n=n), left=(0, 7, 8)),
        Para(" ".join(says), "answer"),
        Para(language.say("edits.judged_reason")),
    ]


def _table(rows: Sequence[Moved], language: Language, size: int) -> Table:
    header = [
        language.plain(f"column.{k}")
        for k in (
            "edit",
            "gain",
            "mixing",
            "realism",
            "mixing_realism",
            "roughness",
            "near",
            "possible",
        )
    ]
    cells = []
    for row in rows:
        measured, rival = row.measured, row.hardest
        cells.append(
            [
                language.name("edit", row.edit),
                language.interval(measured.gain),
                language.number(rival.gain.mean),
                language.number(measured.realism_loss.mean, 1),
                language.number(rival.realism_loss.mean, 1),
                language.number(measured.roughness.mean, 1),
                language.number(measured.nearest[-1]),
                language.name("answer", row.possible.answer),
            ]
        )
    return Table(
        header,
        cells,
        language.say("edits.table", size=size, n=max(r.measured.gain.tracks for r in rows)),
        left=(0, 7),
    )


def measured_at_all(row: Moved) -> bool:
    """Whether an edit and its baselines have every figure that is told; silence may leave some undefined."""
    sides = (row.measured, *row.baselines.values())
    return all(isfinite(e.mean) for s in sides for e in (s.gain, s.realism_loss, s.roughness))


def _reasons(rows: Sequence[Moved], language: Language) -> str:
    n = max(r.measured.gain.tracks for r in rows)
    # without an interval, from too few pairs, nothing is proven to have moved
    told = [r for r in rows if r.measured.gain.tracks >= FEWEST]
    moved = [r for r in told if r.measured.gain.low > 0]
    truer = [r for r in rows if r.measured.realism_loss.mean < r.hardest.realism_loss.mean]
    steady = min(rows, key=lambda r: r.measured.roughness.mean)
    rough = max(rows, key=lambda r: r.measured.roughness.mean)
    stuck = any(r.asked == "tempo" and r.possible.answer == "no" for r in rows)
    chords = any(r.asked == "harmony" and r.possible.answer == "yes" for r in rows)
    return " ".join(
        [
            *([language.say("edits.moved", moved=len(moved), all=len(rows), n=n)] if told else []),
            language.say("edits.truer", truer=len(truer), all=len(rows), n=n),
            language.say(
                "edits.even",
                steady=language.name("edit", steady.edit),
                a=language.number(steady.measured.roughness.mean, 1),
                rough=language.name("edit", rough.edit),
                b=language.number(rough.measured.roughness.mean, 1),
            ),
            language.say("edits.reason"),
            *([language.say("edits.reason_harmony")] if chords else []),
            *([language.say("edits.reason_tempo")] if stuck else []),
        ]
    )


def copied(row: MadeSong) -> list[str]:
    """Training clips that an edited song copies, but for those it was made from."""
    return [clip for clip in row.copies if clip not in row.sources]


def _songs(evidence: Evidence, language: Language) -> list[Block]:
    """Edited songs that the sweep wrote."""
    made = [r for size in sorted(evidence.songs) for r in evidence.songs[size] if not r.drawn]
    if not made:
        command = "surco submit generate --edit interpolate"
        return [absent(evidence, language, "generate", "edits.no_songs", command)]
    header = [
        language.plain(f"column.{k}") for k in ("recipe", "size", "sources", "heard", "relative", "copy")
    ]
    rows = [
        [
            language.name("recipe", r.recipe),
            str(r.size),
            language.listing(r.sources),
            language.style(r.style.style) if r.style else "–",
            language.number(r.nearest.relative),
            language.plain("word.yes" if copied(r) else "word.no"),
        ]
        for r in made[:9]
    ]
    return [Table(header, rows, language.say("edits.table_songs"), left=(0, 2, 3))]
