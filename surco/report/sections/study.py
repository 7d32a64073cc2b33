"""Section 2: what the vectors know at each size, and what the size changes."""

from collections.abc import Iterable
from typing import Any

from surco.judgement import StudyLimits, judgement
from surco.report import report_figures
from surco.report.document import Block, Heading, Missing, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import Language, level
from surco.report.sections.encoding import Draw


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
            Missing(language.say("study.missing"), "surco submit sweep --sizes 64,256,1024 --dataset demo"),
        ]
    sizes = sorted(evidence.studies)
    blocks.append(
        Para(
            language.say(
                "study.tried",
                sizes=language.listing([str(s) for s in sizes]),
                clips=len(evidence.studies[sizes[-1]]["clips"]),
            )
        )
    )
    blocks.append(_table(evidence, language))
    blocks.append(
        Picture(draw("study.svg", report_figures.study(evidence, language)), language.say("study.figure"))
    )
    blocks.append(Para(_answer(evidence, language, limits), "answer"))
    blocks.append(
        Picture(draw("maps.svg", report_figures.maps(evidence, language)), language.say("study.figure_maps"))
    )
    blocks += _attributes(evidence, language, draw, limits)
    return blocks + _sizes(evidence, language, limits)


def groups(found: dict[str, Any]) -> dict[str, Any]:
    """k-means on the raw vectors."""
    row = report_figures.row_of(found["clusters"], "raw")
    return row or {}


def probe(found: dict[str, Any]) -> dict[str, Any] | None:
    """Logistic regression on the standardised vectors, or on the raw ones."""
    return report_figures.row_of(found["genre_probes"], "standardised") or report_figures.row_of(
        found["genre_probes"], "raw"
    )


def _table(evidence: Evidence, language: Language) -> Table:
    keys = ("size", "k", "ami", "null", "stability", "map", "chance", "probe", "majority", "dimension")
    rows = []
    for size in sorted(evidence.studies):
        found = evidence.studies[size]
        k, near, read = groups(found), report_figures.row_of(found["neighbours"], "raw"), probe(found)
        shape = report_figures.row_of(found["geometry"], "raw")
        test = k.get("test") or {}
        rows.append(
            [
                str(size),
                language.number(k.get("k"), 0),
                language.interval(test.get("ami")),
                language.number((k.get("null") or {}).get("ami_shuffled_genres_high")),
                language.number((k.get("stability") or {}).get("ari")),
                language.interval(near["genre_map"]),
                language.number(near["genre_chance"]),
                language.interval(read["accuracy"] if read else None),
                language.number(read["majority"]["mean"] if read else None),
                language.number(shape["two_nn"]["mean"] if shape else None, 1),
            ]
        )
    return Table([language.plain(f"column.{k}") for k in keys], rows, language.say("study.table"))


def _answer(evidence: Evidence, language: Language, limits: StudyLimits) -> str:
    """Clusters, neighbours and probes at the size the report speaks of, in sentences."""
    size = nearest(evidence.studies, evidence.chosen)
    found = evidence.studies[size]
    texts = []
    k = groups(found)
    if k.get("k") is None:
        texts.append(language.say("study.no_clusters", size=size))
    else:
        ami, p = k["test"]["ami"]["mean"], k["null"]["ami_p"]
        if p < limits.p:
            texts.append(
                language.say(
                    f"study.ami_{level(ami, limits.ami)}",
                    size=size,
                    k=k["k"],
                    ami=language.number(ami),
                    p=language.number(p, 3),
                )
            )
        else:
            texts.append(
                language.say(
                    "study.ami_chance", size=size, k=k["k"], ami=language.number(ami), p=language.number(p, 2)
                )
            )
        ari = k["stability"]["ari"]
        if ari is not None:
            texts.append(
                language.say(
                    "study.stable" if ari >= limits.stable else "study.unstable", ari=language.number(ari)
                )
            )
    near = report_figures.row_of(found["neighbours"], "raw")
    beats = near["genre_map"]["low"] is not None and near["genre_map"]["low"] > near["genre_chance"]
    texts.append(
        language.say(
            "study.neighbours" if beats and near["genre_map_p"] < limits.p else "study.neighbours_chance",
            map=language.number(near["genre_map"]["mean"]),
            chance=language.number(near["genre_chance"]),
        )
    )
    if near["hubness"]["skewness"] is not None and near["hubness"]["skewness"] > limits.hubness:
        texts.append(
            language.say(
                "study.hubs",
                hub=near["hubness"]["hub"],
                largest=near["hubness"]["largest"],
                skewness=language.number(near["hubness"]["skewness"], 1),
            )
        )
    read = probe(found)
    if read:
        above = read["accuracy"]["low"] is not None and read["accuracy"]["low"] > read["majority"]["mean"]
        texts.append(
            language.say(
                "study.probe" if above else "study.probe_chance",
                accuracy=language.percent(read["accuracy"]["mean"]),
                majority=language.percent(read["majority"]["mean"]),
            )
        )
    plain = report_figures.row_of(found["neighbours"], "MFCC statistics")
    if plain and plain["genre_map"]["mean"] is not None:
        ours, theirs = near["genre_map"]["mean"], plain["genre_map"]["mean"]
        texts.append(
            language.say(
                "study.above_mfcc" if ours > theirs else "study.below_mfcc",
                ours=language.number(ours),
                theirs=language.number(theirs),
            )
        )
    return " ".join(texts)


def nearest(known: Iterable[int], size: int) -> int:
    """The size in `known` nearest to the one the report speaks of."""
    return min(known, key=lambda s: (abs(s - size), s))


def _attributes(evidence: Evidence, language: Language, draw: Draw, limits: StudyLimits) -> list[Block]:
    size = nearest(evidence.studies, evidence.chosen)
    rows = [r for r in evidence.studies[size]["attribute_probes"] if r["description"] == "standardised"]
    if not rows:
        return []
    told: dict[str, list[str]] = {"knows": [], "partly": [], "not": []}
    for row in rows:
        if row["r2"]["mean"] is not None:
            name = language.name("attribute", row["attribute"])
            told[level(row["r2"]["mean"], limits.r2)].append(f"{name} ({language.number(row['r2']['mean'])})")
    texts = [
        language.say(f"study.attributes_{k}", names=language.listing(v), size=size)
        for k, v in told.items()
        if v
    ]
    carriers = [c["number"] for r in rows for c in r["carriers"][:3]]
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
        for other in evidence.studies[size]["others"]:
            if other.get("size") is None or other["size"] <= size:
                continue
            overlaps.append(other["neighbour_overlap"]["mean"])
            switched += other["switched"]["clips"]
            rows.append(
                [
                    f"{size} – {other['size']}",
                    language.interval(other["cka"]),
                    language.number(other["cka_shuffled"]),
                    language.number(other["mantel"]),
                    language.interval(other["neighbour_overlap"]),
                    language.number(other["neighbour_overlap_chance"]),
                    language.percent(other["switched"]["share"]),
                    language.percent(other["switched"]["share_other_seed"]),
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
                _growth(a["accuracy"], b["accuracy"]),
                a=language.percent(a["accuracy"]["mean"]),
                b=language.percent(b["accuracy"]["mean"]),
            )
        )
    texts.append(language.say("study.reason"))
    return [*blocks, Table(header, rows, language.say("study.table_sizes")), Para(" ".join(texts))]


def _growth(a: dict[str, Any], b: dict[str, Any]) -> str:
    if a["low"] is None or b["low"] is None:  # too few tracks for an interval
        return "study.size_same"
    if b["low"] > a["high"]:
        return "study.size_helps"
    return "study.size_hurts" if b["high"] < a["low"] else "study.size_same"
