"""Section 5: a network that generates songs."""

from math import isfinite

from surco.judgement import GenerationLimits, judgement
from surco.prior.prior_report import Comparison, Measure, System
from surco.prior.prior_report import Table as PriorTable
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language
from surco.report.sections.codec import Draw
from surco.report.sections.lost import absent
from surco.report.sections.study import nearest

REAL: System = "unseen real clips"
MEASURES: tuple[Measure, ...] = (
    "kad",
    "precision",
    "recall",
    "density",
    "coverage",
    "style_accuracy",
    "diversity",
    "nearest",
    "copies",
)
MOST_SONGS = 10  # rows of the table
DRAWN: tuple[Measure, ...] = ("kad", "precision", "coverage", "style_accuracy")


def generation(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    blocks: list[Block] = [
        Heading(language.plain("generation.title")),
        Para(language.say("generation.question"), "question"),
        Para(language.say("generation.architecture")),
    ]
    if evidence.priors:
        blocks += _prior(evidence, language, draw)
    else:
        blocks.append(
            absent(evidence, language, "train_prior", "generation.missing", "surco submit train-prior")
        )
    return blocks + _songs(evidence, language, draw)


def _prior(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    limits = judgement().report.generation
    size = nearest(evidence.priors, evidence.chosen)
    found = evidence.priors[size]
    table, curve = found.comparison.last, found.curve
    settings, systems = found.comparison.settings, table.systems
    quoted = reads_styles(found.comparison.last, genres_of(evidence), limits)
    measures = [m for m in MEASURES if m in systems["flow"] and (quoted or m != "style_accuracy")]
    rows = [
        [language.name("sampler", name), *(language.number(row[m].mean) for m in measures)]
        for name, row in systems.items()
    ]
    header = [language.plain("column.sampler"), *(language.name("measure", m) for m in measures)]
    space = language.plain(f"generation.space_{table.space}")
    tried = language.say(
        "generation.tried" if curve.best_step else "generation.tried_nothing",
        size=size,
        step=curve.best_step,
        steps=max(curve.step, default=0),
        loss=language.number(min(curve.valid)),
        guidance=language.number(settings.guidance, 1),
        samples=settings.steps,
        temperature=language.number(settings.temperature, 1),
        new=table.clips.new,
        test=table.clips.test,
        space=space,
    )
    fig = report_figures.comparison(table, language, [m for m in DRAWN if m in measures])
    return [
        Para(tried),
        Table(header, rows, language.say("generation.table", size=size, space=space)),
        Picture(draw("generation.svg", fig), language.say("generation.figure", size=size)),
        Para(" ".join(_answer(evidence, found.comparison, language, limits)), "answer"),
        Para(language.say("generation.reason")),
    ]


def _answer(evidence: Evidence, found: Comparison, language: Language, limits: GenerationLimits) -> list[str]:
    """The verdict on the flow, sentence by sentence."""
    table = found.last
    flow, real = table.systems["flow"], table.systems.get(REAL, {})
    texts = []
    against = table.against_gaussian
    if against:
        key = "equal" if against.p >= limits.p else "better" if against.kad_difference < 0 else "worse"
        texts.append(
            language.say(
                f"generation.flow_{key}",
                difference=language.number(against.kad_difference),
                p=language.number(against.p, 3),
            )
        )
    convincing = flow["precision"].mean >= limits.precision
    covering = flow["coverage"].mean >= limits.coverage
    texts.append(
        language.say(
            f"generation.{'in' if convincing else 'out'}_{'wide' if covering else 'narrow'}",
            precision=language.percent(flow["precision"].mean),
            coverage=language.percent(flow["coverage"].mean),
            real=language.percent(real["precision"].mean if real else None),
            real_coverage=language.percent(real["coverage"].mean if real else None),
        )
    )
    genres = genres_of(evidence)
    accuracy = flow["style_accuracy"].mean
    right = real["style_accuracy"].mean if real else None
    key = "style_heard" if accuracy >= limits.style / genres else "style_unheard"
    texts.append(
        language.say(
            f"generation.{key}",
            accuracy=language.percent(accuracy),
            chance=language.percent(1 / genres),
            real=language.percent(right),
        )
        if reads_styles(table, genres, limits)
        else language.say(
            "generation.style_unread", real=language.percent(right), chance=language.percent(1 / genres)
        )
    )
    copies = flow["copies"].mean
    named = table.copied.get("flow", [])
    if copies > limits.copies:
        texts.append(
            language.say(
                "generation.copies", share=language.percent(copies, 1), clips=language.listing(named[:5])
            )
        )
    else:
        texts.append(
            language.say(
                "generation.no_copies",
                share=language.percent(copies, 1),
                nearest=language.number(flow["nearest"].mean),
            )
        )
    joined, apart = found.coherence.prior.mean, found.coherence.apart.mean
    if isfinite(joined):
        key = "coherent" if joined <= limits.coherent else "incoherent"
        texts.append(
            language.say(f"generation.{key}", value=language.number(joined), apart=language.number(apart))
        )
    return texts


def genres_of(evidence: Evidence) -> int:
    """How many styles the data have."""
    return len(set(evidence.genres.values())) or 1


def reads_styles(table: PriorTable, genres: int, limits: GenerationLimits) -> bool:
    """Whether the reader of styles may be quoted on new clips: it surely reads most unseen real ones."""
    real = table.systems.get(REAL, {}).get("style_accuracy")
    if real is None:
        return False
    sure = real.tracks < FEWEST or real.low > 1 / genres
    return real.mean >= limits.reader and sure


def songs_are_read(evidence: Evidence) -> bool:
    """Whether the style heard in songs may be told: the classifier reads real clips, or none were asked."""
    if not evidence.priors:
        return True
    found = evidence.priors[nearest(evidence.priors, evidence.chosen)].comparison.last
    return reads_styles(found, genres_of(evidence), judgement().report.generation)


def _songs(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    blocks: list[Block] = [Heading(language.plain("generation.songs_title"), 2)]
    if not evidence.songs:
        return [
            *blocks,
            absent(evidence, language, "generate", "generation.no_songs", "surco submit generate"),
        ]
    size = nearest(evidence.songs, evidence.chosen)
    made = [r for r in evidence.songs[size] if r.drawn]
    if not made:
        return [*blocks, Missing(language.say("generation.no_songs"), "surco submit generate")]
    read = songs_are_read(evidence)
    agree = sum(bool(r.style and r.style.agrees) for r in made)
    copies = sorted({c for r in made for c in r.copies})
    texts = [language.say("generation.songs", songs=len(made), size=size)]
    if read:
        texts.append(language.say("generation.songs_heard", agree=agree, songs=len(made)))
    if any(r.recipe == "bars" for r in made):
        texts.append(language.say("generation.songs_of_bars"))
    texts.append(
        language.say("generation.song_copies", clips=language.listing(copies))
        if copies
        else language.say("generation.song_no_copies")
    )
    told = ("heard", "probability") if read else ()
    header = [language.plain(f"column.{k}") for k in ("genre", *told, "nearest", "relative", "seed")]
    rows = []
    for row in made[:MOST_SONGS]:
        heard = row.style.style if row.style else "–"
        asked = language.percent(row.style.asked if row.style else None)
        rows.append(
            [
                language.style(row.genre),
                *([language.style(heard), asked] if read else []),
                row.nearest.clip,
                language.number(row.nearest.relative),
                str(row.seed),
            ]
        )
    caption = language.say("generation.table_songs" if read else "generation.table_songs_unread", size=size)
    left = (0, 1, 3) if read else (0, 1)
    blocks += [
        Para(" ".join(texts)),
        Table(header, rows, caption, left=left),
    ]
    files = {
        language.style(r.genre): evidence.song_files[r.name] for r in made if r.name in evidence.song_files
    }
    if files:
        first = dict(list(files.items())[:4])
        rows_of = -(-len(first) // 2)
        fig = report_figures.spectrograms(first, language, columns=2, height=0.5 + 1.5 * rows_of)
        blocks.append(Picture(draw("songs.png", fig), language.say("generation.figure_songs", size=size)))
    return blocks
