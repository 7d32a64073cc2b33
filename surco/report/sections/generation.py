"""Section 5: a network that generates songs."""

from typing import Any

from surco.judgement import GenerationLimits, judgement
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language
from surco.report.sections.encoding import Draw
from surco.report.sections.study import nearest

REAL = "unseen real clips"
MEASURES = (
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
DRAWN = ("kad", "precision", "coverage", "style_accuracy")


def generation(evidence: Evidence, words: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    blocks: list[Block] = [
        Heading(words.plain("generation.title")),
        Para(words.say("generation.question"), "question"),
        Para(words.say("generation.architecture")),
    ]
    if evidence.priors:
        blocks += _prior(evidence, words, draw)
    else:
        blocks.append(Missing(words.say("generation.missing"), "surco submit train-prior"))
    return blocks + _songs(evidence, words, draw)


def _prior(evidence: Evidence, words: Language, draw: Draw) -> list[Block]:
    limits = judgement().report.generation
    size = nearest(evidence.priors, evidence.chosen)
    found = evidence.priors[size]
    table = found["comparison"]["tables"][-1]
    settings = found["comparison"]["settings"]
    curve = found["curve"]
    systems = table["systems"]
    measures = [m for m in MEASURES if m in systems["flow"]]
    rows = [
        [words.name("sampler", name), *(words.number(row[m]["mean"]) for m in measures)]
        for name, row in systems.items()
    ]
    header = [words.plain("column.sampler"), *(words.name("measure", m) for m in measures)]
    space = words.plain(f"generation.space_{table['space']}")
    tried = words.say(
        "generation.tried",
        size=size,
        step=curve["best_step"],
        steps=max(curve["step"], default=0),
        loss=words.number(min(curve["valid"])),
        guidance=words.number(settings["guidance"], 1),
        samples=settings["steps"],
        temperature=words.number(settings["temperature"], 1),
        new=table["clips"]["new"],
        test=table["clips"]["test"],
        space=space,
    )
    fig = report_figures.comparison(table, words, [m for m in DRAWN if m in systems["flow"]])
    return [
        Para(tried),
        Table(header, rows, words.say("generation.table", size=size, space=space)),
        Picture(draw("generation.svg", fig), words.say("generation.figure", size=size)),
        Para(" ".join(_answer(evidence, table, found["comparison"], words, limits)), "answer"),
        Para(words.say("generation.reason")),
    ]


def _answer(
    evidence: Evidence,
    table: dict[str, Any],
    whole: dict[str, Any],
    words: Language,
    limits: GenerationLimits,
) -> list[str]:
    """The verdict on the flow, sentence by sentence."""
    flow, real = table["systems"]["flow"], table["systems"].get(REAL, {})
    texts = []
    against = table["against_gaussian"]
    if against:
        key = "equal" if against["p"] >= limits.p else "better" if against["kad_difference"] < 0 else "worse"
        texts.append(
            words.say(
                f"generation.flow_{key}",
                difference=words.number(against["kad_difference"]),
                p=words.number(against["p"], 3),
            )
        )
    convincing = (flow["precision"]["mean"] or 0) >= limits.precision
    covering = (flow["coverage"]["mean"] or 0) >= limits.coverage
    texts.append(
        words.say(
            f"generation.{'in' if convincing else 'out'}_{'wide' if covering else 'narrow'}",
            precision=words.percent(flow["precision"]["mean"]),
            coverage=words.percent(flow["coverage"]["mean"]),
            real=words.percent((real.get("precision") or {}).get("mean")),
            real_coverage=words.percent((real.get("coverage") or {}).get("mean")),
        )
    )
    genres = len(set(evidence.genres.values())) or 1
    accuracy = flow["style_accuracy"]["mean"] or 0
    key = "style_heard" if accuracy >= limits.style / genres else "style_unheard"
    texts.append(
        words.say(f"generation.{key}", accuracy=words.percent(accuracy), chance=words.percent(1 / genres))
    )
    copies = flow["copies"]["mean"] or 0
    named = table["copied"].get("flow", [])
    if copies > limits.copies:
        texts.append(
            words.say("generation.copies", share=words.percent(copies, 1), clips=words.listing(named[:5]))
        )
    else:
        texts.append(
            words.say(
                "generation.no_copies",
                share=words.percent(copies, 1),
                nearest=words.number(flow["nearest"]["mean"]),
            )
        )
    joined = whole.get("coherence", {}).get("prior")
    if joined and joined["mean"] is not None:
        key = "coherent" if joined["mean"] <= limits.coherent else "incoherent"
        apart = (whole["coherence"].get("clips drawn apart") or {}).get("mean")
        texts.append(
            words.say(f"generation.{key}", value=words.number(joined["mean"]), apart=words.number(apart))
        )
    return texts


def _songs(evidence: Evidence, words: Language, draw: Draw) -> list[Block]:
    blocks: list[Block] = [Heading(words.plain("generation.songs_title"), 2)]
    if not evidence.songs:
        return [*blocks, Missing(words.say("generation.no_songs"), "surco submit generate")]
    size = nearest(evidence.songs, evidence.chosen)
    made = [r for r in evidence.songs[size] if not r["sources"]]
    if not made:
        return [*blocks, Missing(words.say("generation.no_songs"), "surco submit generate")]
    agree = sum(bool(r["style"] and r["style"]["agrees"]) for r in made)
    copies = sorted({c for r in made for c in r["copies"]})
    texts = [words.say("generation.songs", songs=len(made), size=size, agree=agree)]
    texts.append(
        words.say("generation.song_copies", clips=words.listing(copies))
        if copies
        else words.say("generation.song_no_copies")
    )
    header = [
        words.plain(f"column.{k}") for k in ("genre", "heard", "probability", "nearest", "relative", "seed")
    ]
    rows = [
        [
            r["genre"],
            r["style"]["style"] if r["style"] else "–",
            words.percent(r["style"]["asked"] if r["style"] else None),
            r["nearest"]["clip"],
            words.number(r["nearest"]["relative"]),
            str(r["seed"]),
        ]
        for r in made[:10]
    ]
    blocks += [
        Para(" ".join(texts)),
        Table(header, rows, words.say("generation.table_songs", size=size), left=(0, 1, 3)),
    ]
    files = {r["genre"]: evidence.song_files[r["name"]] for r in made if r["name"] in evidence.song_files}
    if files:
        first = dict(list(files.items())[:4])
        fig = report_figures.spectrograms(first, words, columns=len(first), height=2.0)
        blocks.append(Picture(draw("songs.png", fig), words.say("generation.figure_songs", size=size)))
    return blocks
