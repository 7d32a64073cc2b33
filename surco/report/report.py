"""The report on a sweep: its sections in order, with the answers at the head, typeset as a PDF."""

import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from surco.plots import theme
from surco.report.document import Block, Bullets, Heading, Para, typeset
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.sections.back import back
from surco.report.sections.edits import edits
from surco.report.sections.encoding import encoding
from surco.report.sections.generation import generation
from surco.report.sections.outside import outside
from surco.report.sections.study import nearest, study


def write_report(evidence: Evidence, out: Path, *, language: str = "en") -> Path:
    """Write the report on a sweep as a PDF.

    Parameters
    ----------
    evidence : what the sweep's jobs found; what is missing gives a section that says so
    out : the PDF
    language : "en" or "es", of all text, numbers and labels

    Raises
    ------
    InputError : an unknown language
    """
    words = Language(language)
    with tempfile.TemporaryDirectory() as name:
        blocks = compose(evidence, words, Path(name))
        title = words.plain("report.title").format(name=evidence.name)
        subtitle = words.plain("report.subtitle").format(id=evidence.id[:12])
        return typeset(title, subtitle, blocks, words, out)


def compose(evidence: Evidence, words: Language, folder: Path) -> list[Block]:
    """The blocks of the report; its figures are drawn into `folder`."""

    def draw(name: str, figure: Figure) -> Path:
        return theme.save(figure, folder / name)

    sections = [part(evidence, words, draw) for part in (encoding, study, outside, edits, generation)]
    head: list[Block] = [
        Para(words.say("report.intro")),
        Heading(words.plain("report.short"), 2, numbered=False),
        Bullets(short(evidence, words)),
    ]
    return [*head, *(b for section in sections for b in section), *back(evidence, words)]


def short(evidence: Evidence, words: Language) -> list[str]:
    """The five answers, a sentence each."""
    items = []
    if evidence.smallest and evidence.chosen in evidence.scores:
        size = evidence.smallest.size
        found = evidence.scores[evidence.chosen]
        key = "short.encoding" if evidence.smallest.passed else "short.encoding_open"
        score = words.number(found.mean("decoded", "zimtohrli"))
        top = words.number(found.mean("ceiling", "zimtohrli"))
        items.append(
            words.say(key, size=size, score=score, ceiling=top, ratio=words.number(110_250 / size, 0))
        )
    else:
        items.append(words.say("short.encoding_missing"))
    items.append(_study(evidence, words))
    verdicts = {size: found["verdict"] for size, found in evidence.outside.items() if found.get("verdict")}
    if verdicts:
        answer = verdicts[nearest(verdicts, evidence.chosen)]["answer"]
        items.append(words.say(f"short.outside_{answer}"))
    else:
        items.append(words.say("short.outside_missing"))
    if evidence.judged:
        judged = evidence.judged[nearest(evidence.judged, evidence.chosen)]
        good = sum(r["answer"] == "yes" for r in judged)
        items.append(words.say("short.edits" if good else "short.edits_none", yes=good, all=len(judged)))
    elif evidence.edits:
        rows = evidence.edits[nearest(evidence.edits, evidence.chosen)]
        good = sum(r["possible"]["answer"] == "yes" for r in rows)
        items.append(words.say("short.edits" if good else "short.edits_none", yes=good, all=len(rows)))
    else:
        items.append(words.say("short.edits_missing"))
    if evidence.priors:
        table = evidence.priors[nearest(evidence.priors, evidence.chosen)]["comparison"]["tables"][-1]
        flow = table["systems"]["flow"]
        copies = words.percent(flow["copies"]["mean"] or 0, 1)
        items.append(
            words.say("short.generation", precision=words.percent(flow["precision"]["mean"]), copies=copies)
        )
    else:
        items.append(words.say("short.generation_missing"))
    return items


def _study(evidence: Evidence, words: Language) -> str:
    if not evidence.studies:
        return words.say("short.study_missing")
    found = evidence.studies[nearest(evidence.studies, evidence.chosen)]
    near = next(r for r in found["neighbours"] if r["description"] == "raw")
    low = near["genre_map"]["low"]
    key = "short.study" if low is not None and low > near["genre_chance"] else "short.study_chance"
    return words.say(
        key, map=words.number(near["genre_map"]["mean"]), chance=words.number(near["genre_chance"])
    )
