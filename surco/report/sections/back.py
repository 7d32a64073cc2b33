"""The back of the report: data, method, compute, seeds, limits; and the summary at its head."""

from collections import Counter

from surco.report.document import Block, Bullets, Heading, Missing, Para, Table
from surco.report.evidence import Evidence
from surco.report.language import FEWEST, Language
from surco.report.sections.lost import alike, remedy, sentence

SPLITS = ("train", "valid", "test")


def back(evidence: Evidence, language: Language) -> list[Block]:
    """Blocks of the closing sections."""
    return [
        *_method(evidence, language),
        *_limits(evidence, language),
    ]


def data(evidence: Evidence, language: Language) -> list[Block]:
    """The data and their faults, which stand before what was found on them."""
    blocks: list[Block] = [Heading(language.plain("data.title"))]
    found = evidence.manifest
    if found is None:
        return [*blocks, Missing(language.say("data.missing"), "surco submit prepare --dataset demo")]
    clips = found["clips"]
    rows = []
    for genre in found["genres"]:
        own = [c for c in clips if c["genre"] == genre]
        counts = Counter(c["split"] for c in own)
        rows.append(
            [language.style(genre), str(len({c["track"] for c in own})), *(str(counts[s]) for s in SPLITS)]
        )
    total = Counter(c["split"] for c in clips)
    rows.append(
        [language.plain("word.all"), str(len({c["track"] for c in clips})), *(str(total[s]) for s in SPLITS)]
    )
    header = [
        language.plain("column.genre"),
        language.plain("column.tracks"),
        *(language.name("split", s) for s in SPLITS),
    ]
    config = found["config"]
    text = language.say(
        "data.text",
        clips=len(clips),
        seconds=language.number(config["clip_seconds"], 1),
        rate=language.number(config["sample_rate"], 0),
        source=found["source"],
        fingerprint=found["fingerprint"][:16],
    )
    # where it is told: at the head of the first page it would stand above the title
    blocks += [Para(text), Table(header, rows, language.say("data.table"), floats=False)]
    skipped = found.get("skipped") or []
    faults = _faults(evidence, language)
    if skipped:
        faults.append(language.say("data.skipped", files=len(skipped)))
        faults += [
            language.say("data.skip", name=s["name"], reason=language.reason(s["reason"]))
            for s in skipped[:8]
        ]
        if len(skipped) > 8:
            faults.append(language.say("data.skipped_more", files=len(skipped) - 8))
    else:
        faults.append(language.say("data.none_skipped"))
    return [*blocks, Para(language.say("data.faults")), Bullets(faults)]


def _faults(evidence: Evidence, language: Language) -> list[str]:
    """What is wrong with the data, as far as their listing tells."""
    assert evidence.manifest is not None
    clips = evidence.manifest["clips"]
    test = {c["track"] for c in clips if c["split"] == "test"}
    key = "limits.tracks_few" if len(test) < 50 else "limits.tracks_many"
    items = [language.say(key, tracks=len(test)), language.say("limits.styles")]
    tracks: dict[str, set[str]] = {}
    for clip in clips:
        if clip["split"] == "test":
            tracks.setdefault(clip["genre"], set()).add(clip["track"])
    few = [language.style(g) for g in evidence.manifest["genres"] if len(tracks.get(g, ())) < FEWEST]
    if evidence.manifest["source"].startswith("gtzan"):
        items.append(language.say("data.gtzan"))
    if few and len(few) == len(evidence.manifest["genres"]):
        items.append(language.say("data.few_of_all_styles", fewest=FEWEST))
    elif few:
        items.append(language.say("data.few_of_a_style", styles=language.listing(few), fewest=FEWEST))
    return items


def _method(evidence: Evidence, language: Language) -> list[Block]:
    blocks: list[Block] = [Heading(language.plain("method.title")), Para(language.say("method.text"))]
    if evidence.trained:
        header = [language.plain(f"column.{k}") for k in ("size", "step", "start", "end", "fingerprint")]
        rows = [
            [
                str(size),
                language.number(row.get("best_step"), 0),
                language.number(row.get("start_l1_db"), 3),
                language.number(row.get("best_l1_db"), 3),
                str(row.get("codec", "–")),
            ]
            for size, row in sorted(evidence.trained.items())
        ]
        blocks.append(Table(header, rows, language.say("method.table_train")))
    if evidence.jobs:
        known = {j.id: j for j in evidence.jobs}.values()
        states = Counter(j.kind for j in known if j.done)
        done = language.listing([f"{n} {language.name('job', kind)}" for kind, n in states.items()])
        blocks.append(Para(language.say("method.compute", jobs=len(known), done=done)))
        lost = [j for j in known if not j.done]
        if lost:
            blocks.append(Para(language.say("method.lost")))
            blocks.append(
                Bullets(
                    [
                        f"{sentence(first, language, *more)} "
                        f"{language.say('method.mend', command=remedy(first, evidence.id if more else ''))}"
                        for first, *more in alike(lost)
                    ]
                )
            )
    versions = language.listing([f"{name} {number}" for name, number in evidence.versions.items()])
    return [*blocks, Para(language.say("method.seeds", seed=evidence.seed, versions=versions))]


def _limits(evidence: Evidence, language: Language) -> list[Block]:
    items = [language.say("limits.chance"), language.say("limits.models")]
    if evidence.tests is None:
        items.append(language.say("limits.ears"))
    return [Heading(language.plain("limits.title")), Bullets(items)]
