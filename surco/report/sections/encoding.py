"""Section 1: how much definition is lost as the vector shrinks, and the smallest size that holds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from surco.judgement import EncodingLimits, judgement
from surco.metrics.scores import Scores, System
from surco.metrics.smallest import BOUNDS, STEP, Loss
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language, level
from surco.report.sections.codec import Draw, codec
from surco.report.sections.lost import absent

STRUCTURE = ("chroma", "onset", "self_similarity")
PANELS = (3, 4)  # spectrograms side by side: wide enough to be read in print
FAILS = {"chroma": "harmony", "onset": "attacks", "self_similarity": "form", "zimtohrli": "timbre"}


def encoding(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    limits = judgement().report.encoding
    blocks: list[Block] = [
        Heading(language.plain("encoding.title")),
        Para(language.say("encoding.question"), "question"),
    ]
    if not evidence.scores:
        return [
            *blocks,
            absent(evidence, language, "evaluate", "encoding.missing", "surco submit sweep demo"),
        ]
    sizes = sorted(evidence.scores)
    last = evidence.scores[sizes[-1]]
    clips, tracks = len(last.clips), len(set(last.tracks))
    blocks.append(
        Para(
            language.say(
                "encoding.tried",
                sizes=language.listing([str(s) for s in sizes]),
                clips=clips,
                tracks=tracks,
                split=language.name("split", last.split),
            )
        )
    )
    blocks += codec(evidence, language, draw)
    blocks += [
        _table(evidence, language),
        Picture(
            draw("quality.svg", report_figures.quality(evidence, language)),
            language.say("encoding.figure_quality"),
        ),
    ]
    blocks += _readings(evidence, language, limits)
    blocks += _smallest(evidence, language, draw)
    blocks += _pictures(evidence, language, draw)
    return blocks + _listening(evidence, language, limits)


def _table(evidence: Evidence, language: Language) -> Table:
    header = [
        language.plain(f"column.{k}")
        for k in ("size", "zimtohrli", "log_mel_db", "linear_db", "structure", "style", "bits8")
    ]
    rows = []
    for size in sorted(evidence.scores):
        found = evidence.scores[size]
        rows.append(
            [
                str(size),
                language.interval(found.estimate("decoded", "zimtohrli")),
                language.interval(found.estimate("decoded", "log_mel_db")),
                language.interval(found.estimate("linear", "log_mel_db")),
                language.percent(kept_structure(found)),
                language.percent(found.mean("decoded", "style_agreement")),
                language.percent(found.lost_at_8_bits["zimtohrli"], 1),
            ]
        )
    last = evidence.scores[max(evidence.scores)]
    marks: tuple[System, ...] = ("ceiling", "floor")
    for system in marks:
        rows.append(
            [
                language.name("system", system),
                language.interval(last.estimate(system, "zimtohrli")),
                language.interval(last.estimate(system, "log_mel_db")),
                "–",
                "–",
                language.percent(last.mean(system, "style_agreement")),
                "–",
            ]
        )
    n = len(set(last.tracks))
    return Table(header, rows, language.say("encoding.table", n=n))


def kept_structure(found: Scores, system: System = "decoded") -> float | None:
    """Share of the ceiling's structure (chroma, onsets, self-similarity) that a size keeps."""
    shares = []
    for measure in STRUCTURE:
        ours, top = found.mean(system, measure), found.mean("ceiling", measure)
        if ours is not None and top:
            shares.append(ours / top)
    return float(np.mean(shares)) if shares else None


def _readings(evidence: Evidence, language: Language, limits: EncodingLimits) -> list[Block]:
    """What the table says of Linear, of 8 bits and of structure, sentence by sentence."""
    sizes = sorted(evidence.scores)
    told: dict[str, list[str]] = {"better": [], "equal": [], "worse": []}
    for size in sizes:
        ratio = evidence.scores[size].against_linear["log_mel_db"]
        if np.isfinite(ratio.high):
            told["better" if ratio.high < 1 else "worse" if ratio.low > 1 else "equal"].append(str(size))
    sentences = [
        language.say(f"encoding.linear_{k}", sizes=language.listing(v)) for k, v in told.items() if v
    ]
    hidden = [str(s) for s in sizes if evidence.scores[s].lost_at_8_bits["zimtohrli"] > limits.bits_lost]
    limit = language.percent(limits.bits_lost)
    sentences.append(
        language.say("encoding.bits_hidden", sizes=language.listing(hidden), limit=limit)
        if hidden
        else language.say("encoding.bits_fine", limit=limit)
    )
    structures = {s: kept_structure(evidence.scores[s]) for s in sizes}
    holding = [s for s in sizes if (structures[s] or 0) >= limits.structure_kept]
    share = language.percent(limits.structure_kept)
    sentences.append(
        language.say("encoding.structure_from", size=holding[0], share=share)
        if holding
        else language.say("encoding.structure_none", share=share)
    )
    sentences += _texture(evidence, language)
    return [Para(" ".join(sentences))]


def _texture(evidence: Evidence, language: Language) -> list[str]:
    """What the second decoder gains and costs at the size nearest to the one proposed."""
    size = min(evidence.scores, key=lambda s: (abs(s - evidence.chosen), s))
    found = evidence.scores[size]
    both: tuple[System, System] = ("textured", "decoded")
    near, plain = (found.sets.get(s, {}).get("kernel_audio_distance") for s in both)
    if near is None or plain is None:
        return []
    key = "encoding.texture_helps" if near < plain else "encoding.texture_none"
    heard = [found.mean(s, "zimtohrli") for s in both]
    kept = [language.percent(kept_structure(found, s)) for s in both]
    return [
        language.say(
            key,
            size=size,
            near=language.number(near, 1),
            plain=language.number(plain, 1),
            heard=language.number(heard[0]),
            heard_plain=language.number(heard[1]),
            kept=kept[0],
            kept_plain=kept[1],
        )
    ]


def _smallest(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """The proposal, its table of losses and its figure."""
    blocks: list[Block] = [Heading(language.plain("encoding.smallest_title"), 2)]
    found = evidence.smallest
    if not found:
        return [
            *blocks,
            absent(evidence, language, "summary", "encoding.smallest_missing", "surco submit sweep demo"),
        ]
    limits = judgement().report.encoding
    size = found.size
    key = "passed" if found.passed else "not_passed"
    study = language.listing([str(s) for s in found.study])
    texts = [language.say(f"encoding.smallest_{key}", size=size, study=study)]
    if found.chosen_on != found.reported_on:
        split, other = (language.name("split", s) for s in (found.chosen_on, found.reported_on))
        texts.append(
            language.say(
                "encoding.chosen_on", split=split, clips=found.clips, tracks=found.tracks, other=other
            )
        )
        if found.passed:
            kept = "encoding.kept" if found.holds else "encoding.not_kept"
            texts.append(language.say(kept, size=size, split=other))
    texts.append(
        language.say("encoding.knee", knee=found.knee) if found.knee else language.say("encoding.no_knee")
    )
    chosen = evidence.chosen
    if chosen in evidence.scores:
        mean = evidence.scores[chosen].mean("decoded", "zimtohrli") or 0.0
        texts.append(
            language.say(
                f"encoding.heard_{level(mean, limits.heard)}", size=chosen, score=language.number(mean)
            )
        )
    losses = found.losses
    sizes = sorted(losses)
    kinds = list(losses[sizes[0]])
    small = losses[sizes[0]]
    drops = {k: small[k].definition[0] for k in kinds}
    if len(kinds) > 1 and max(drops.values()) - min(drops.values()) > limits.kind_apart:
        worst, best = min(drops, key=drops.__getitem__), max(drops, key=drops.__getitem__)
        texts.append(
            language.say(
                "encoding.first_lost",
                kind=language.name("kind", worst),
                other=language.name("kind", best),
                size=sizes[0],
                a=language.percent(drops[worst]),
                b=language.percent(drops[best]),
            )
        )
    else:
        texts.append(language.say("encoding.lost_together"))
    blocks.append(Para(" ".join(texts), "answer"))
    header = (
        [language.plain("column.size")]
        + [f"{language.name('kind', k)}" for k in kinds]
        + [language.plain("column.holds")]
    )
    rows = []
    for s in sizes:
        cells = [
            language.interval(dict(zip(("mean", "low", "high"), losses[s][k].definition, strict=True)))
            for k in kinds
        ]
        rows.append(
            [
                str(s),
                *cells,
                failing(losses[s], language) or language.plain("word.yes"),
            ]
        )
    n = len(set(evidence.scores[max(evidence.scores)].tracks)) if evidence.scores else 0
    last = len(header) - 1
    caption = language.say("encoding.table_definition", n=n)
    blocks.append(Table(header, rows, caption, left=(0, last)))
    blocks.append(
        Picture(
            draw("definition.svg", report_figures.definition(evidence, language)),
            language.say("encoding.figure_definition", size=size),
        )
    )
    return [*blocks, Para(language.say("encoding.reason"))]


def failing(losses: Mapping[str, Loss], language: Language) -> str:
    """The bounds that a size fails, each with the loss that may be ("listening 0.62 > 0.50"); "" for none."""
    told = []
    for kind, loss in losses.items():
        next_sizes = [language.plain("word.next")]
        worst = [(loss.to_ceiling[2], BOUNDS[kind], []), (loss.to_next[2], STEP, next_sizes)]
        told += [
            " ".join(
                [language.name("kind", kind), *where, language.number(value), ">", language.number(bound)]
            )
            for value, bound, where in worst
            if value > bound
        ]
    return "; ".join(told)


def ranked_clips(evidence: Evidence, size: int) -> list[tuple[str, float]]:
    """Clips of the listening set with Zimtohrli at a size, best first."""
    found = evidence.scores[size]
    values = {c.id: found.value("decoded", "zimtohrli", i) for i, c in enumerate(found.clips)}
    heard = [(clip, value) for clip in evidence.sounds if (value := values.get(clip)) is not None]
    return sorted(heard, key=lambda pair: -pair[1])


def _pictures(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Original and every size of the clip in the middle of the ranking."""
    chosen = evidence.chosen
    if chosen not in evidence.scores or not (ranked := ranked_clips(evidence, chosen)):
        return []
    clip, score = ranked[len(ranked) // 2]
    panels = report_figures.versions(evidence.sounds[clip], language)
    rows, columns = min((-(-len(panels) // columns), columns) for columns in PANELS)
    fig = report_figures.spectrograms(panels, language, columns=columns, height=0.5 + 1.8 * rows)
    caption = language.say(
        "encoding.figure_spectrograms", clip=clip, size=chosen, score=language.number(score)
    )
    return [Picture(draw("spectrograms.png", fig), caption)]


def _listening(evidence: Evidence, language: Language, limits: EncodingLimits) -> list[Block]:
    """The listening set clip by clip, the best and the worst, what fails in them; blind tests if any."""
    blocks: list[Block] = [Heading(language.plain("encoding.listening_title"), 2)]
    ranked = ranked_clips(evidence, evidence.chosen)
    if ranked:
        blocks += _heard(evidence, language, ranked, limits)
    else:
        blocks.append(
            Missing(language.say("encoding.listening_missing"), "surco submit evaluate --listening 6")
        )
    if evidence.tests is None:
        return [
            *blocks,
            Missing(
                language.say("encoding.tests_missing"), "surco listen; surco submit report --scores FILE.json"
            ),
        ]
    return blocks + _tests(evidence.tests, language, limits)


def _heard(
    evidence: Evidence, language: Language, ranked: list[tuple[str, float]], limits: EncodingLimits
) -> list[Block]:
    """The table of the listening set, and what its ends tell."""
    chosen = evidence.chosen
    found = evidence.scores[chosen]
    index = {c.id: i for i, c in enumerate(found.clips)}
    rows = []
    for clip, score in ranked:
        i = index[clip]
        rows.append(
            [
                clip,
                language.style(found.clips[i].genre),
                language.number(score),
                *(language.number(found.value("decoded", m, i)) for m in STRUCTURE),
                language.number(found.value("ceiling", "zimtohrli", i)),
            ]
        )
    header = [language.plain(f"column.{k}") for k in ("clip", "genre", "zimtohrli", *STRUCTURE, "ceiling")]
    best, worst = ranked[0], ranked[-1]
    fault = what_fails(found, index[worst[0]], limits.failing)
    texts = [
        language.say("encoding.best", clip=best[0], score=language.number(best[1])),
        language.say(
            "encoding.worst",
            clip=worst[0],
            score=language.number(worst[1]),
            fault=language.plain(f"fault.{fault}"),
        ),
        language.say("encoding.page"),
    ]
    return [
        Table(header, rows, language.say("encoding.table_listening", size=chosen), left=(0, 1)),
        Para(" ".join(texts)),
    ]


def what_fails(found: Scores, i: int, limit: float) -> str:
    """Which side of clip `i` falls furthest below its own ceiling; "nothing" if all stay above `limit`."""
    shares = {}
    for measure in (*STRUCTURE, "zimtohrli"):
        ours, top = found.value("decoded", measure, i), found.value("ceiling", measure, i)
        if ours is not None and top and top > 0:
            shares[measure] = ours / top
    worst = min(shares, key=shares.__getitem__, default="")
    return FAILS[worst] if worst and shares[worst] < limit else "nothing"


def _tests(tests: dict[str, Any], language: Language, limits: EncodingLimits) -> list[Block]:
    rows = [
        [language.name("system", c) if not c.isdigit() else c, language.interval(o, 1), str(o["marks"])]
        for c, o in tests["conditions"].items()
    ]
    header = [language.plain(f"column.{k}") for k in ("condition", "mark", "marks")]
    texts = [
        language.say("encoding.tests", listeners=len(tests["listeners"]), excluded=len(tests["excluded"]))
    ]
    reference = tests["conditions"].get("reference")
    if reference:
        known = reference["mean"] >= limits.blind_reference
        texts.append(language.say("encoding.reference_known" if known else "encoding.reference_unknown"))
    return [Table(header, rows, language.say("encoding.table_tests")), Para(" ".join(texts))]
