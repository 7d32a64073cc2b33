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
    spoken = Language(language)
    with tempfile.TemporaryDirectory() as name:
        blocks = compose(evidence, spoken, Path(name))
        title = spoken.plain("report.title").format(name=evidence.name)
        subtitle = spoken.plain("report.subtitle").format(id=evidence.id[:12])
        return typeset(title, subtitle, blocks, spoken, out)


def compose(evidence: Evidence, language: Language, folder: Path) -> list[Block]:
    """The blocks of the report; its figures are drawn into `folder`."""

    def draw(name: str, figure: Figure) -> Path:
        return theme.save(figure, folder / name)

    sections = [part(evidence, language, draw) for part in (encoding, study, outside, edits, generation)]
    head: list[Block] = [
        Para(language.say("report.intro")),
        Heading(language.plain("report.short"), 2, numbered=False),
        Bullets(short(evidence, language)),
    ]
    return [*head, *(b for section in sections for b in section), *back(evidence, language)]


def short(evidence: Evidence, language: Language) -> list[str]:
    """The five answers, a sentence each."""
    items = []
    if evidence.smallest and evidence.chosen in evidence.scores:
        size = evidence.smallest.size
        found = evidence.scores[evidence.chosen]
        key = "short.encoding" if evidence.smallest.passed else "short.encoding_open"
        score = language.number(found.mean("decoded", "zimtohrli"))
        top = language.number(found.mean("ceiling", "zimtohrli"))
        items.append(
            language.say(key, size=size, score=score, ceiling=top, ratio=language.number(110_250 / size, 0))
        )
    else:
        items.append(language.say("short.encoding_missing"))
    items.append(_study(evidence, language))
    verdicts = {size: found.music.verdict for size, found in evidence.outside.items() if found.music}
    if verdicts:
        answer = verdicts[nearest(verdicts, evidence.chosen)].answer
        items.append(language.say(f"short.outside_{answer}"))
    else:
        items.append(language.say("short.outside_missing"))
    if evidence.edits:
        found_edits = evidence.edits[nearest(evidence.edits, evidence.chosen)]
        answers = [r.answer for r in found_edits.judged] or [r.possible.answer for r in found_edits.moves]
        good = sum(a == "yes" for a in answers)
        items.append(language.say("short.edits" if good else "short.edits_none", yes=good, all=len(answers)))
    else:
        items.append(language.say("short.edits_missing"))
    if evidence.priors:
        flow = evidence.priors[nearest(evidence.priors, evidence.chosen)].comparison.last.systems["flow"]
        copies = language.percent(flow["copies"].mean, 1)
        precision = language.percent(flow["precision"].mean)
        items.append(language.say("short.generation", precision=precision, copies=copies))
    else:
        items.append(language.say("short.generation_missing"))
    return items


def _study(evidence: Evidence, language: Language) -> str:
    if not evidence.studies:
        return language.say("short.study_missing")
    found = evidence.studies[nearest(evidence.studies, evidence.chosen)]
    near = found.neighbourhood()
    if near is None:
        return language.say("short.study_missing")
    return language.say(
        "short.study" if near.above_chance else "short.study_chance",
        map=language.number(near.genre_map.mean),
        chance=language.number(near.genre_chance),
    )
