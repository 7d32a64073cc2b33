"""Section 2: what the vectors know at each size, and what the size changes."""

from collections.abc import Iterable
from math import isfinite

from surco.judgement import StudyLimits, judgement
from surco.latents.study import GenreReading, Study
from surco.metrics.aggregate import Estimate
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language, level
from surco.report.sections.clusters import clusters
from surco.report.sections.codec import Draw
from surco.report.sections.lost import absent


def study(evidence: Evidence, language: Language, draw: Draw) -> list[Block]:
    """Blocks of the section."""
    limits = judgement().report.study
    blocks: list[Block] = [
        Heading(language.plain("study.title")),
        Para(language.say("study.question"), "question"),
    ]
    if not evidence.studies:
        return [
            *blocks,
            absent(evidence, language, "cluster", "study.missing", "surco submit sweep demo"),
        ]
    sizes = sorted(evidence.studies)
    last = evidence.studies[sizes[-1]]
    tried = [
        language.say("study.tried", sizes=language.listing([str(s) for s in sizes]), clips=len(last.clips))
    ]
    if last.clips_there > len(last.clips):
        all_clips = language.number(last.clips_there, 0)
        tried.append(language.say("study.sampled", clips=len(last.clips), all=all_clips))
    blocks.append(Para(" ".join(tried)))
    blocks.append(_table(evidence, language))
    blocks.append(
        Picture(draw("study.svg", report_figures.study(evidence, language)), language.say("study.figure"))
    )
    blocks.append(Para(_answer(evidence, language, limits), "answer"))
    blocks += clusters(evidence, nearest(evidence.studies, evidence.chosen), language, draw)
    blocks.append(
        Picture(draw("maps.svg", report_figures.maps(evidence, language)), language.say("study.figure_maps"))
    )
    blocks += _attributes(evidence, language, draw, limits)
    return blocks + _sizes(evidence, language, limits)


def probe(found: Study) -> GenreReading | None:
    """Logistic regression on the standardised vectors, or on the raw ones."""
    return found.reading("standardised") or found.reading("raw")


def _table(evidence: Evidence, language: Language) -> Table:
    keys = ("size", "ami", "null", "map", "chance", "probe", "majority", "dimension")
    rows = []
    for size in sorted(evidence.studies):
        found = evidence.studies[size]
        chosen, near, read, shape = found.clustering(), found.neighbourhood(), probe(found), found.shape()
        rows.append(
            [
                str(size),
                language.interval(chosen.test.ami if chosen else None),
                language.number(chosen.null.ami_shuffled_genres_high if chosen else None),
                language.interval(near.genre_map if near else None),
                language.number(near.genre_chance if near else None),
                language.interval(read.accuracy if read else None),
                language.number(read.majority.mean if read else None),
                language.number(shape.two_nn.mean if shape else None, 1),
            ]
        )
    n = max(found.neighbours[0].genre_map.tracks for found in evidence.studies.values())
    return Table([language.plain(f"column.{k}") for k in keys], rows, language.say("study.table", n=n))


def _answer(evidence: Evidence, language: Language, limits: StudyLimits) -> str:
    """Clusters, neighbours and probes at the size the report speaks of, in sentences."""
    size = nearest(evidence.studies, evidence.chosen)
    found = evidence.studies[size]
    parts = (
        _clusters(found, language, limits),
        _neighbours(found, language, limits),
        _reading(found, language),
    )
    return " ".join(text for part in parts for text in part)


def _clusters(found: Study, language: Language, limits: StudyLimits) -> list[str]:
    chosen = found.clustering()
    if chosen is None:
        return [language.say("study.no_clusters", size=found.size)]
    ami, p = chosen.test.ami.mean, chosen.null.ami_p
    certain = p < limits.p
    key = f"study.ami_{level(ami, limits.ami)}" if certain else "study.ami_chance"
    digits = 3 if certain else 2
    texts = [
        language.say(key, size=found.size, k=chosen.k, ami=language.number(ami), p=language.number(p, digits))
    ]
    ari = chosen.stability.ari
    if isfinite(ari):
        key = "study.stable" if ari >= limits.stable else "study.unstable"
        texts.append(language.say(key, ari=language.number(ari)))
    return texts


def _neighbours(found: Study, language: Language, limits: StudyLimits) -> list[str]:
    near = found.neighbourhood()
    if near is None:
        return []
    key = (
        "study.neighbours" if near.above_chance and near.genre_map_p < limits.p else "study.neighbours_chance"
    )
    texts = [
        language.say(key, map=language.number(near.genre_map.mean), chance=language.number(near.genre_chance))
    ]
    if near.hubness.skewness > limits.hubness:
        texts.append(
            language.say(
                "study.hubs",
                hub=near.hubness.hub,
                largest=near.hubness.largest,
                skewness=language.number(near.hubness.skewness, 1),
            )
        )
    return texts


def _reading(found: Study, language: Language) -> list[str]:
    texts = []
    read = probe(found)
    if read:
        key = "study.probe" if read.accuracy.low > read.majority.mean else "study.probe_chance"
        texts.append(
            language.say(
                key,
                accuracy=language.percent(read.accuracy.mean),
                majority=language.percent(read.majority.mean),
            )
        )
    near, plain = found.neighbourhood(), found.neighbourhood("MFCC statistics")
    if near and plain and isfinite(plain.genre_map.mean):
        ours, theirs = near.genre_map, plain.genre_map
        texts.append(
            language.say(
                f"study.{_compared(ours, theirs)}_mfcc",
                size=found.size,
                ours=language.interval(ours),
                theirs=language.interval(theirs),
            )
        )
    return texts


def nearest(known: Iterable[int], size: int) -> int:
    """The size in `known` nearest to the one the report speaks of."""
    return min(known, key=lambda s: (abs(s - size), s))


def _attributes(evidence: Evidence, language: Language, draw: Draw, limits: StudyLimits) -> list[Block]:
    size = nearest(evidence.studies, evidence.chosen)
    rows = list(evidence.studies[size].attributes().values())
    if not rows:
        return []
    told: dict[str, list[str]] = {"knows": [], "partly": [], "not": []}
    for row in rows:
        if isfinite(row.r2.mean):
            name = language.name("attribute", row.attribute)
            told[level(row.r2.mean, limits.r2)].append(f"{name} ({language.number(row.r2.mean)})")
    texts = [
        language.say(f"study.attributes_{k}", names=language.listing(v), size=size)
        for k, v in told.items()
        if v
    ]
    carriers = [c.dimension for r in rows for c in r.carriers[:3]]
    early = sum(c < size / 4 for c in carriers)
    if carriers:
        texts.append(language.say("study.carriers", share=language.percent(early / len(carriers))))
    fig = report_figures.attributes(evidence, language)
    return [
        Heading(language.plain("study.attributes_title"), 2),
        Para(" ".join(texts)),
        Picture(draw("attributes.svg", fig), language.say("study.figure_attributes")),
    ]


def _sizes(evidence: Evidence, language: Language, limits: StudyLimits) -> list[Block]:
    """What the size changes: likeness between sizes, clips that switch cluster."""
    blocks: list[Block] = [Heading(language.plain("study.sizes_title"), 2)]
    rows, overlaps, switched = [], [], []
    for size in sorted(evidence.studies):
        for other in evidence.studies[size].others:
            if other.size <= size:
                continue
            alike = other.likeness
            overlaps.append(alike.neighbour_overlap.mean)
            switched += other.switched.clips
            rows.append(
                [
                    f"{size} – {other.size}",
                    language.interval(alike.cka),
                    language.number(alike.cka_shuffled),
                    language.number(alike.mantel),
                    language.interval(alike.neighbour_overlap),
                    language.number(alike.neighbour_overlap_chance),
                    language.percent(other.switched.share),
                    language.percent(other.switched.share_other_seed),
                ]
            )
    if not rows:
        return [
            *blocks,
            Missing(language.say("study.sizes_missing"), "surco submit sweep demo"),
        ]
    header = [
        language.plain(f"column.{k}")
        for k in ("pair", "cka", "shuffled", "mantel", "overlap", "chance", "switched", "seed_alone")
    ]
    texts = [
        language.say(
            f"study.overlap_{level(min(overlaps), limits.overlap)}", least=language.percent(min(overlaps))
        )
    ]
    often = sorted(set(switched), key=lambda c: (-switched.count(c), c))[:4]
    if often:
        texts.append(language.say("study.switchers", clips=language.listing(often)))
    small, large = (evidence.studies[s] for s in (min(evidence.studies), max(evidence.studies)))
    a, b = probe(small), probe(large)
    if a and b:
        texts.append(
            language.say(
                _growth(a.accuracy, b.accuracy),
                a=language.percent(a.accuracy.mean),
                b=language.percent(b.accuracy.mean),
            )
        )
    texts.append(language.say("study.reason"))
    return [*blocks, Table(header, rows, language.say("study.table_sizes")), Para(" ".join(texts))]


def _compared(ours: Estimate, theirs: Estimate) -> str:
    """ "above" or "below" where neither interval holds the other's mean, else "like"."""
    if min(ours.tracks, theirs.tracks) < FEWEST:
        return "like"
    if ours.low > theirs.mean and theirs.high < ours.mean:
        return "above"
    return "below" if ours.high < theirs.mean and theirs.low > ours.mean else "like"


def _growth(a: Estimate, b: Estimate) -> str:
    """The sentence on two accuracies; without intervals, from too few tracks, they pass for the same."""
    if min(a.tracks, b.tracks) < FEWEST:
        return "study.size_same"
    if b.low > a.high:
        return "study.size_helps"
    return "study.size_hurts" if b.high < a.low else "study.size_same"
