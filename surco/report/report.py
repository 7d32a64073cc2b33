"""The report on a sweep: its sections in order, with the answers at the head, typeset as a PDF."""

import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from surco.plots import theme
from surco.report.citations import cited
from surco.report.document import Block, Bullets, Heading, Para, typeset
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.sections.back import back, data
from surco.report.sections.edits import edits
from surco.report.sections.encoding import encoding
from surco.report.sections.generation import generation
from surco.report.sections.lost import first_lost, sentence
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
        subtitle = spoken.plain("report.subtitle").format(id=evidence.id[:16])
        return typeset(title, subtitle, blocks, spoken, out)


def compose(evidence: Evidence, language: Language, folder: Path) -> list[Block]:
    """The blocks of the report; its figures are drawn into `folder`."""

    def draw(name: str, figure: Figure) -> Path:
        return theme.save(figure, folder / name)

    parts = (encoding, study, outside, edits, generation)
    sections = [part(evidence, language, draw) for part in parts]
    head: list[Block] = [
        *([Bullets(_front(evidence, language))] if evidence.front else []),
        Para(language.say("report.intro")),
        *([Para(_rounds(evidence, language))] if evidence.rounds else []),
        Heading(language.plain("report.short"), 2, numbered=False),
        Bullets(short(evidence, language)),
    ]
    head += data(evidence, language)
    whole = [*head, *(b for section in sections for b in section), *back(evidence, language)]
    return cited(whole, language)


def _front(evidence: Evidence, language: Language) -> list[str]:
    """Group, authors, course and date, those that were given."""
    return [language.say(f"front.{key}", value=value) for key, value in evidence.front.items()]


def _rounds(evidence: Evidence, language: Language) -> str:
    """What the first round proposed, and what the second one studied."""
    found = evidence.rounds
    if found is None:
        return ""
    asked, studied = (language.listing([str(s) for s in k]) for k in (found.asked, found.studied))
    if found.smallest is None:
        return language.say("report.rounds_none", asked=asked, studied=studied)
    key = "report.rounds" if found.passed else "report.rounds_open"
    return language.say(key, asked=asked, size=found.smallest, studied=studied)


def _missing(evidence: Evidence, language: Language, part: str, kind: str) -> str:
    """The answer of a part without findings: how its job ended, or that there was none."""
    job = first_lost(evidence, kind)
    if job is None:
        return language.say(f"short.{part}_missing")
    return f"*{language.say(f'short.name_{part}')}.* {sentence(job, language)}"


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
        items.append(_missing(evidence, language, "encoding", "evaluate"))
    items.append(_study(evidence, language))
    verdicts = {size: found.music.verdict for size, found in evidence.outside.items() if found.music}
    if verdicts:
        answer = verdicts[nearest(verdicts, evidence.chosen)].answer
        items.append(language.say(f"short.outside_{answer}"))
    else:
        items.append(_missing(evidence, language, "outside", "outside"))
    if evidence.edits:
        found_edits = evidence.edits[nearest(evidence.edits, evidence.chosen)]
        answers = [r.answer for r in found_edits.judged] or [r.possible.answer for r in found_edits.moves]
        good = sum(a == "yes" for a in answers)
        untold = all(a == "too few" for a in answers)
        key = "short.edits" if good else "short.edits_untold" if untold else "short.edits_none"
        items.append(language.say(key, yes=good, all=len(answers)))
    else:
        items.append(_missing(evidence, language, "edits", "edits"))
    if evidence.priors:
        prior = evidence.priors[nearest(evidence.priors, evidence.chosen)]
        flow = prior.comparison.last.systems["flow"]
        copies = language.percent(flow["copies"].mean, 1)
        precision = language.percent(flow["precision"].mean)
        key = "short.generation" if prior.curve.best_step else "short.generation_nothing"
        items.append(language.say(key, precision=precision, copies=copies))
    else:
        items.append(_missing(evidence, language, "generation", "train_prior"))
    return items


def _study(evidence: Evidence, language: Language) -> str:
    if not evidence.studies:
        return _missing(evidence, language, "study", "cluster")
    found = evidence.studies[nearest(evidence.studies, evidence.chosen)]
    near = found.neighbourhood()
    if near is None:
        return _missing(evidence, language, "study", "cluster")
    return language.say(
        "short.study" if near.above_chance else "short.study_chance",
        map=language.number(near.genre_map.mean),
        chance=language.number(near.genre_chance),
    )
