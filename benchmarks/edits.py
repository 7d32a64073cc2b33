"""Edits of vectors on the evaluation corpus: asked, kept, real, exactness, beside mixing and processing.

    python -m benchmarks.edits --split test --tracks 40 --size 512

Nothing is chosen here: what was tuned was tuned with `--split valid`. The partner of a song, the style
classifier and the statistics of styles are of the training split.
"""

import argparse
import json
import time
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import corpus, on_corpus
from benchmarks.machine import commit, kind
from surco.bench import Bench
from surco.codec import Codec
from surco.edits.edit_report import JudgedEdit
from surco.edits.material import gather
from surco.edits.trial import Sample, try_edits
from surco.latents.attributes import measure_all, measured
from surco.latents.tables import plain
from surco.latents.vectors import VectorSet
from surco.metrics.aggregate import Estimate

RESULTS = Path(__file__).with_name("results")
MEASURES = ("chroma", "onset", "self-similarity")


def main() -> None:
    parser = on_corpus.parser(__doc__)
    parser.add_argument("--tracks", type=int, default=40)
    parser.add_argument("--codec", type=Path, default=None)
    parser.add_argument("--only", nargs="*", default=[], help="names of edits")
    options = parser.parse_args()
    if on_corpus.begin(options):
        print(markdown(run(options)))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The rows of all edits, and where they were measured."""
    start = time.monotonic()
    parts = {s: corpus.load(options.corpus, s) for s in ("train", "valid", "test")}
    waves = np.concatenate([p.waves.numpy() for p in parts.values()])  # (N, T)
    codec = Codec.load(options.codec).eval()
    bench = Bench(codec, options.size)
    vectors = VectorSet(
        bench.encode(waves),
        [c for p in parts.values() for c in p.names],
        [t for p in parts.values() for t in p.tracks],
        [g for p in parts.values() for g in p.styles],
        [s for s, p in parts.items() for _ in p.names],
        codec.fingerprint,
        "corpus",
    )
    train = np.array(vectors.splits) == "train"
    found = {k: np.where(train, v, np.nan) for k, v in _spread(measure_all(waves[train]), train).items()}
    attributes = measured(found)
    bench = Bench(codec, options.size, attributes={a: v[train] for a, v in attributes.items()})
    material = gather(
        bench,
        vectors,
        waves.__getitem__,
        attributes,
        songs=options.tracks,
        seed=options.seed,
        split=options.split,
        judge_clips=32,
    )
    document: dict[str, Any] = {
        "about": {
            "command": f"python -m benchmarks.edits --split {options.split} --tracks {options.tracks} "
            f"--size {options.size} --seed {options.seed}",
            "commit": commit(),
            "codec": codec.fingerprint,
            "machine": kind(),
            "split": options.split,
            "tracks": len(set(material.tracks)),
            "clips": len(material.tracks),
            "size": options.size,
            "seed": options.seed,
        },
        "rows": [],
    }

    def each(row: JudgedEdit, sample: Sample) -> None:
        """Written row by row, so that a run that is stopped leaves what it found."""
        document["rows"].append(row)
        document["about"]["seconds"] = round(time.monotonic() - start)
        print(f"{row.edit}: {row.answer}", flush=True)
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.with_suffix(".json").write_text(as_json(document))
            options.out.with_suffix(".md").write_text(markdown(document))

    try_edits(bench, material, seed=options.seed, only=options.only, each=each)
    return document


def _spread(values: dict[str, Any], where: Any) -> dict[str, Any]:
    """Values of the chosen clips as arrays over all clips."""
    out = {}
    for name, value in values.items():
        out[name] = np.full(len(where), np.nan)
        out[name][where] = value
    return out


def as_json(document: dict[str, Any]) -> str:
    """The document as JSON, with null where a figure is undefined."""
    rows = [json.loads(row.model_dump_json()) for row in document["rows"]]
    return json.dumps({**document, "rows": plain(rows)}, indent=1) + "\n"


def cell(estimate: Estimate | None, digits: int = 2) -> str:
    if estimate is None or not isfinite(estimate.mean):
        return "–"
    if not isfinite(estimate.low):
        return f"{estimate.mean:.{digits}f}"
    return f"{estimate.mean:.{digits}f} ({estimate.low:.{digits}f}–{estimate.high:.{digits}f})"


def markdown(document: dict[str, Any]) -> str:
    """The tables: every edit and system, then verdicts and exactness."""
    about = document["about"]
    lines = [
        "# Edits of vectors",
        "",
        f"`{about['command']}`",
        "",
        f"Commit {about['commit']}, codec {about['codec']}; {about['machine']}; "
        f"n = {about['clips']} clips of {about['tracks']} tracks of the {about['split']} split; "
        f"{about['seconds']} s. Means with 95 % intervals over tracks. Asked: slope against the amount asked "
        "(1 is perfect). Kept: likeness to the original over that of the unedited decode. Chroma, onset: "
        "correlation with the unedited decode after the edit is undone. Real: kernel audio distance to "
        "unedited decoded clips of other tracks, at its worst amount.",
        "",
        "| edit | amounts | system | asked | kept: chroma | kept: onset | kept: form | chroma | onset "
        "| real | style |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in document["rows"]:
        amounts = ", ".join(f"{a:.3g}" for a in row.amounts) + f" {row.unit}"
        for name, found in row.systems.items():
            kept = [cell(found.kept.get(m)) for m in MEASURES]
            like = [cell(found.like_decode.get(m)) for m in MEASURES[:2]]
            cells = [cell(found.asked), *kept, *like, cell(found.real, 1), cell(found.style)]
            lines.append(f"| {row.edit} | {amounts} | {name} | {' | '.join(cells)} |")
    lines += ["", *summary(document["rows"]), ""]
    lines += [f"- {row.edit}: {row.reason}" for row in document["rows"]]
    yes = [r.edit for r in document["rows"] if r.answer == "yes"]
    lines += ["", f"{len(yes)} of {len(document['rows'])} are answered with yes: {', '.join(yes)}."]
    return "\n".join(lines) + "\n"


def summary(rows: Sequence[JudgedEdit]) -> list[str]:
    """The table of verdicts: an edit a line, beside its hardest baselines."""
    lines = [
        "| edit | reached | asked | least kept | real | mixing, encoded: asked, real "
        "| processed, encoded: real | exactness | curve missed by dB | verdict | by the old rule |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        edit, mixed = row.did, row.systems["waves, encoded"]
        processed = next(
            (s for n, s in row.systems.items() if n in ("librosa, encoded", "filter, encoded")), None
        )
        kept = [e for e in edit.kept.values() if isfinite(e.mean)]
        cells = [
            row.edit,
            cell(edit.reached),
            cell(edit.asked),
            cell(min(kept, key=lambda e: e.mean)) if kept else "–",
            cell(edit.real, 1),
            f"{cell(mixed.asked)}; {cell(mixed.real, 1)}",
            cell(processed.real, 1) if processed else "–",
            cell(row.exactness.ratio if row.exactness else None),
            cell(row.broken_db),
            f"**{row.answer}**",
            row.old.answer,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    main()
