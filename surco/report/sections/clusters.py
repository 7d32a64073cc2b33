"""The clusters of section 2: how many, why so many, what is in them, and what the vector's size changes."""

from collections.abc import Mapping

from surco.latents.study import Clustering, Study
from surco.report import cluster_figures
from surco.report.document import Block, Heading, Para, Picture, Table
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language
from surco.report.sections.codec import Draw

MOST = 3  # styles that are named of a cluster


def clusters(evidence: Evidence, size: int, language: Language, draw: Draw) -> list[Block]:
    """Blocks on k-means over the vectors themselves; `size` is the one that the report speaks of."""
    rows = {
        s: row
        for s, found in evidence.studies.items()
        if (
            row := next((r for r in found.clusters if r.method == "k-means" and r.description == "raw"), None)
        )
    }
    if not rows:
        return []
    n = len({c["track"] for c in (evidence.manifest or {"clips": []})["clips"] if c["split"] == "test"})
    blocks: list[Block] = [
        Heading(language.plain("clusters.title"), 2),
        Para(
            language.say(
                "clusters.tried", ks=language.listing([str(s.k) for s in next(iter(rows.values())).scan])
            )
        ),
        Picture(draw("clusters.svg", cluster_figures.scan(rows, language)), language.say("clusters.figure")),
        _table(rows, language, n),
        Para(" ".join(_why(s, rows[s], language) for s in sorted(rows))),
    ]
    if size in evidence.studies and evidence.studies[size].medoids:
        blocks += _contents(evidence.studies[size], language)
    return [*blocks, Para(_resolution(rows, language))]


def _table(rows: Mapping[int, Clustering], language: Language, n: int) -> Table:
    keys = ("size", "k", "inertia", "silhouette", "homogeneity", "completeness", "v_measure", "chosen")
    cells = []
    for size in sorted(rows):
        chosen = rows[size].chosen
        first = rows[size].scan[0].inertia
        for tried in rows[size].scan:
            marks = []
            if chosen and tried.k == chosen.k:
                marks.append(language.plain("word.chosen"))
            if chosen and tried.k == chosen.elbow:
                marks.append(language.plain("word.elbow"))
            cells.append(
                [
                    str(size),
                    str(tried.k),
                    language.number(tried.inertia / first),
                    language.number(tried.silhouette),
                    language.number(tried.homogeneity),
                    language.number(tried.completeness),
                    language.number(tried.v_measure),
                    ", ".join(marks),
                ]
            )
    return Table(
        [language.plain(f"column.{k}") for k in keys], cells, language.say("clusters.table", n=n), left=(0, 7)
    )


def _why(size: int, row: Clustering, language: Language) -> str:
    """Why k is what it is at a size."""
    if row.chosen is None:
        return language.say("clusters.why_none", size=size)
    best = next((s for s in row.scan if s.k == row.chosen.k), None)
    values = {
        "size": size,
        "k": row.chosen.k,
        "silhouette": language.number(best.silhouette if best else None),
    }
    if row.chosen.elbow is None:
        return language.say("clusters.why_no_elbow", **values)
    key = "clusters.why_both" if row.chosen.elbow == row.chosen.k else "clusters.why"
    return language.say(key, elbow=row.chosen.elbow, **values)


def _contents(found: Study, language: Language) -> list[Block]:
    """What lies in each cluster, by style, and the clip at its heart."""
    cells = []
    for medoid in found.medoids:
        most = sorted(medoid.genres.items(), key=lambda pair: -pair[1])
        named = language.listing([f"{language.style(g)} {count}" for g, count in most[:MOST]])
        rest = sum(count for _, count in most[MOST:])
        share = max(medoid.genres.values(), default=0) / max(medoid.clips, 1)
        told = named + (f"; {language.plain('word.others')} {rest}" if rest else "")
        cells.append([str(medoid.cluster + 1), str(medoid.clips), told, language.percent(share), medoid.clip])
    header = [
        language.plain(f"column.{k}") for k in ("cluster", "clips", "contents", "largest_share", "heart")
    ]
    caption = language.say("clusters.table_contents", size=found.size)
    # in its place: at the head of a page it would part the long table before it
    return [Table(header, cells, caption, left=(0, 2, 4), floats=False)]


def _resolution(rows: Mapping[int, Clustering], language: Language) -> str:
    """What changes with the vector's size."""
    found = {s: r.chosen for s, r in rows.items() if r.chosen}
    if len(found) < 2:
        return language.say("clusters.resolution_one")
    told = [
        language.plain("clusters.at_size").format(size=s, k=c.k, v=language.number(c.test.v_measure.mean))
        for s, c in sorted(found.items())
    ]
    low, high = (found[s].test.v_measure for s in (min(found), max(found)))
    apart = high.low > low.high or high.high < low.low
    sure = apart and min(low.tracks, high.tracks) >= FEWEST
    key = "clusters.resolution" if sure else "clusters.resolution_same"
    return language.say(key, told=language.listing(told), small=min(found), large=max(found))
