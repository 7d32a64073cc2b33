"""The back of the report: data, method, compute, seeds, limits, references; and the summary at its head."""

from collections import Counter

from surco.report.document import Block, Bullets, Heading, Missing, Para, Table
from surco.report.evidence import Evidence
from surco.report.language import Language

REFERENCES = (
    "vocos", "encodec", "dac", "griffinlim", "zimtohrli", "visqol", "kid", "precision",
    "coverage", "flow", "mushra", "kneedle", "gtzan", "faults",
)  # fmt: skip
SPLITS = ("train", "valid", "test")


def back(evidence: Evidence, words: Language) -> list[Block]:
    """Blocks of the closing sections."""
    return [
        *_data(evidence, words),
        *_method(evidence, words),
        *_limits(evidence, words),
        *_references(words),
    ]


def _data(evidence: Evidence, words: Language) -> list[Block]:
    blocks: list[Block] = [Heading(words.plain("data.title"))]
    found = evidence.manifest
    if found is None:
        return [*blocks, Missing(words.say("data.missing"), "surco submit prepare --dataset demo")]
    clips = found["clips"]
    rows = []
    for genre in found["genres"]:
        own = [c for c in clips if c["genre"] == genre]
        counts = Counter(c["split"] for c in own)
        rows.append([genre, str(len({c["track"] for c in own})), *(str(counts[s]) for s in SPLITS)])
    total = Counter(c["split"] for c in clips)
    rows.append(
        [words.plain("word.all"), str(len({c["track"] for c in clips})), *(str(total[s]) for s in SPLITS)]
    )
    header = [
        words.plain("column.genre"),
        words.plain("column.tracks"),
        *(words.name("split", s) for s in SPLITS),
    ]
    config = found["config"]
    text = words.say(
        "data.text",
        clips=len(clips),
        seconds=words.number(config["clip_seconds"], 1),
        rate=words.number(config["sample_rate"], 0),
        source=found["source"],
        fingerprint=found["fingerprint"][:16],
    )
    blocks += [Para(text), Table(header, rows, words.say("data.table"))]
    skipped = found.get("skipped") or []
    if not skipped:
        return [*blocks, Para(words.say("data.none_skipped"))]
    blocks.append(Para(words.say("data.skipped", files=len(skipped))))
    return [
        *blocks,
        Bullets([words.say("data.skip", name=s["name"], reason=s["reason"]) for s in skipped[:8]]),
    ]


def _method(evidence: Evidence, words: Language) -> list[Block]:
    blocks: list[Block] = [Heading(words.plain("method.title")), Para(words.say("method.text"))]
    if evidence.trained:
        header = [words.plain(f"column.{k}") for k in ("size", "step", "start", "end", "fingerprint")]
        rows = [
            [
                str(size),
                words.number(row.get("best_step"), 0),
                words.number(row.get("start_l1_db"), 3),
                words.number(row.get("best_l1_db"), 3),
                str(row.get("codec", "–")),
            ]
            for size, row in sorted(evidence.trained.items())
        ]
        blocks.append(Table(header, rows, words.say("method.table_train")))
    if evidence.jobs:
        states = Counter(j.kind for j in evidence.jobs if j.done)
        done = words.listing([f"{n} {kind}" for kind, n in states.items()])
        blocks.append(Para(words.say("method.compute", jobs=len(evidence.jobs), done=done)))
        lost = [j for j in evidence.jobs if not j.done]
        if lost:
            blocks.append(Para(words.say("method.lost")))
            blocks.append(
                Bullets(
                    [
                        words.say(
                            "method.lost_job",
                            kind=f"{j.kind} {j.size or ''}".strip(),
                            reason=j.reason or words.plain("word.unfinished"),
                        )
                        for j in lost
                    ]
                )
            )
    versions = words.listing([f"{name} {number}" for name, number in evidence.versions.items()])
    return [*blocks, Para(words.say("method.seeds", seed=evidence.seed, versions=versions))]


def _limits(evidence: Evidence, words: Language) -> list[Block]:
    items = [words.say("limits.chance"), words.say("limits.models"), words.say("limits.styles")]
    if evidence.manifest is not None:
        test = {c["track"] for c in evidence.manifest["clips"] if c["split"] == "test"}
        items.insert(
            0, words.say("limits.tracks_few" if len(test) < 50 else "limits.tracks_many", tracks=len(test))
        )
    if evidence.tests is None:
        items.append(words.say("limits.ears"))
    return [Heading(words.plain("limits.title")), Bullets(items)]


def _references(words: Language) -> list[Block]:
    items = [words.say(f"reference.{key}") for key in REFERENCES if words.has(f"reference.{key}")]
    return [Heading(words.plain("reference.title")), Bullets(items)]
