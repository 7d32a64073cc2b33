"""Songs of every generator beside real clips: movement, realism, copies, joins.

    python -m benchmarks.songs [--corpus FOLDER] [--split test] [--songs 2] [--seconds 20] [--out STEM]

Everything is fitted to the corpus's training clips at 512 numbers, and chosen on `--split valid`. The
reference is the clips of the split, decoded from as many numbers; windows of songs are as long as they.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import corpus, on_corpus
from benchmarks.machine import commit, kind
from surco.bench import Bench
from surco.codec import Codec
from surco.latents.vectors import VectorSet
from surco.metrics.judge import GenreJudge, listen
from surco.prior.bars import BarPrior
from surco.prior.baselines import GaussianPrior, Resampled
from surco.prior.beats import on_beats
from surco.prior.composing import compose
from surco.prior.fit import prepare_fit, train_prior
from surco.prior.flow import FlowConfig
from surco.prior.memorisation import fit_copy_detector
from surco.prior.movement import MEASURES, movement_all, step, windows
from surco.prior.render import render, starts_of
from surco.prior.sample_quality import Clips, evaluate
from surco.prior.songs import OVERLAP, clips_for
from surco.prior.two_sample import two_sample
from surco.prior.whiten import fit_whitener

JUDGED = ("kad", "precision", "recall", "copies")


@dataclass
class Songs:
    """Windows (N, T) of songs or clips, whose they are, and steps (J, 2) in dB at joins."""

    waves: np.ndarray
    genres: list[str]
    groups: list[str]
    steps: np.ndarray


def main() -> None:
    parser = on_corpus.parser(__doc__)
    parser.add_argument("--songs", type=int, default=2, help="of each genre")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--limit", type=int, default=None, help="clips of a split")
    parser.add_argument(
        "--prior",
        type=Path,
        nargs="*",
        default=[],
        help="more priors of bars to measure, and the shipped one",
    )
    parser.add_argument("--only", nargs="*", default=[], help="systems; all if not given")
    on_corpus.main(parser, run, markdown)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """A row for each system."""
    start = time.monotonic()
    parts, codec, bench, whole = gathered(options)
    plain = VectorSet(
        whole.vectors[:, : options.size].copy(), whole.clips, whole.tracks, whole.genres, whole.splits,
        whole.codec, whole.dataset,
    )  # fmt: skip
    train = plain.take(split="train")
    known = parts["train"]
    rows = range(0, len(known.names), max(1, len(known.names) // 240))
    judge = GenreJudge(listen(known.waves.numpy()[rows]), [known.styles[i] for i in rows], seed=options.seed)
    detector = fit_copy_detector(train)

    def heard(found: Songs) -> Clips:
        return Clips(bench.encode(found.waves), listen(found.waves), found.genres, found.groups)

    def real(split: str) -> Songs:
        held = plain.take(split=split)
        decoded = bench.decode(held.vectors)
        return Songs(decoded, held.genres, held.tracks, np.array([step(w, 2.5) for w in decoded]))

    reference = real(options.split)
    moves, ears = movement_all(reference.waves), heard(reference)
    other = "valid" if options.split == "test" else "test"
    out = []
    makers = {"unseen real clips": lambda: real(other), **systems(codec, bench, plain, whole, options)}
    for name, make in makers.items():
        if options.only and name not in options.only:
            continue
        found = make()
        moved = movement_all(found.waves)
        told = two_sample(moves, reference.groups, moved, found.groups, seed=options.seed)
        row: dict[str, Any] = {"system": name, "windows": len(moved), "songs": len(set(found.groups))}
        row |= told.to_json()
        row["beat"] = float(moved[:, 0].mean() / moves[:, 0].mean())
        row["spread"] = float((moved.std(0) / moves.std(0)).mean())
        row["means"] = dict(zip(MEASURES, moved.mean(0).tolist(), strict=True))
        row["deviations"] = dict(zip(MEASURES, moved.std(0).tolist(), strict=True))
        row["step_db"] = np.nanmean(found.steps, 0).tolist()
        judged = evaluate(ears, heard(found), detector=detector, named=judge.named, seed=options.seed)
        row |= {str(k): estimate.to_json() for k, estimate in judged.items()}
        out.append(row)
        print(line(row), flush=True)
    return {
        "about": {
            "command": f"python -m benchmarks.songs --split {options.split} --songs {options.songs} "
            f"--seconds {options.seconds:g}",
            "commit": commit(), "machine": kind(), "codec": codec.fingerprint,
            "clips": len(reference.waves), "tracks": len(set(reference.groups)),
            "seconds": round(time.monotonic() - start),
        },
        "means": dict(zip(MEASURES, moves.mean(0).tolist(), strict=True)),
        "deviations": dict(zip(MEASURES, moves.std(0).tolist(), strict=True)),
        "rows": out,
    }  # fmt: skip


def gathered(options: argparse.Namespace) -> tuple[dict[str, corpus.Clips], Codec, Bench, VectorSet]:
    """The corpus by split, the shipped codec, its face at the size asked for, and whole vectors of all."""
    parts = {s: corpus.load(options.corpus, s, limit=options.limit) for s in ("train", "valid", "test")}
    codec = Codec.load().eval()
    return parts, codec, Bench(codec, options.size), bench_vectors(codec, parts)


def bench_vectors(codec: Codec, parts: dict[str, corpus.Clips]) -> VectorSet:
    """Whole vectors of all clips, those of a track one after the other."""
    order = sorted(
        (track, name, split, i)
        for split, part in parts.items()
        for i, (track, name) in enumerate(zip(part.tracks, part.names, strict=True))
    )
    waves = np.stack([parts[split].waves[i].numpy() for *_, split, i in order])
    return VectorSet(
        Bench(codec).encode(waves),
        [name for _, name, _, _ in order],
        [track for track, *_ in order],
        [parts[split].styles[i] for *_, split, i in order],
        [split for *_, split, _ in order],
        codec.fingerprint,
        "corpus",
    )


def systems(
    codec: Codec, bench: Bench, plain: VectorSet, whole: VectorSet, options: argparse.Namespace
) -> dict[str, Callable[[], Songs]]:
    """What makes the songs of each system."""
    train = plain.take(split="train")
    genres = [g for g in sorted(set(train.genres)) for _ in range(options.songs)]
    whitener = fit_whitener(train.vectors, train.genres, train.tracks)
    clips = clips_for(options.seconds)

    def cut(waves: list[np.ndarray], joins: list[list[float]]) -> Songs:
        split = [windows(w) for w in waves]
        steps = [step(w, at) for w, each in zip(waves, joins, strict=True) for at in each]
        names = [str(i) for i, s in enumerate(split) for _ in s]
        return Songs(np.concatenate(split), [genres[int(n)] for n in names], names, np.array(steps))

    def chained(draw: Callable[[str, int], np.ndarray]) -> Songs:
        length = round(options.seconds * bench.rate)
        waves = [codec.decode_long(draw(g, i), length) for i, g in enumerate(genres)]
        joins = [k * (5 - OVERLAP) + OVERLAP / 2 for k in range(1, clips)]
        return cut(waves, [joins] * len(waves))

    def flow() -> Songs:
        prior, _ = train_prior(prepare_fit(plain, FlowConfig(seed=options.seed)))
        return chained(lambda g, i: prior.song(g, clips, seed=options.seed + i)[0])

    def composed(prior: BarPrior) -> Songs:
        made = [compose(prior, g, options.seconds, seed=options.seed + i) for i, g in enumerate(genres)]
        waves = [render(codec, m.song.vectors, m.song.poses, options.seconds) for m in made]
        joins = [[float(s) for s in starts_of(m.song.poses)[1:-1]] for m in made]
        return cut(waves, joins)

    def bars() -> Songs:
        held = whole.take(split="train")
        read, pulses = on_beats(codec, held.vectors, held.tracks, size=options.size)
        memory = VectorSet(read, held.clips, held.tracks, held.genres, held.splits, held.codec, "corpus")
        prior = BarPrior.fit(memory, np.array([p.tempo for p in pulses]))
        print(f"bars: {prior.copied:.3f} of draws pass for copies in eight beats", flush=True)
        return composed(prior)

    gaussian = GaussianPrior(whitener)
    again = Resampled(train.vectors, np.array(train.genres))
    return {
        "bars": bars,
        "shipped prior of bars": lambda: composed(BarPrior.load().require(codec=codec.fingerprint)),
        **{path.stem: partial(composed, BarPrior.load(path)) for path in options.prior},
        "Gaussian": lambda: chained(lambda g, i: gaussian.song(g, clips, seed=options.seed + i)),
        "training vectors": lambda: chained(lambda g, i: again.sample([g] * clips, seed=options.seed + i)),
        "flow": flow,
    }


def cell(found: dict[str, Any], digits: int = 2) -> str:
    mean, low, high = (found[k] for k in ("mean", "low", "high"))
    if mean is None:
        return "–"
    return f"{mean:.{digits}f}" + ("" if low is None else f" ({low:.{digits}f}–{high:.{digits}f})")


def line(row: dict[str, Any]) -> str:
    """A system's line of the table."""
    cells = [
        row["system"], str(row["windows"]), cell(row["auc"]), f"{row['p']:.2f}", f"{row['beat']:.2f}",
        f"{row['spread']:.2f}", " / ".join(f"{x:.1f}" for x in row["step_db"]),
        *(cell(row[k]) for k in JUDGED),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def markdown(document: dict[str, Any]) -> str:
    """Where it was measured, the table of systems, and that of the measures."""
    about = document["about"]
    lines = [
        "# Songs beside real clips", "", f"`{about['command']}`", "",
        f"Commit {about['commit']}, codec {about['codec']}; {about['machine']}; reference: {about['clips']} "
        f"clips of {about['tracks']} tracks; {about['seconds']} s. 95 % intervals by track and song.",
        "", "| songs | windows | AUC (0.5 is real) | p | beat, of real | spread, of real "
        "| step at joins: level / colour dB | KAD | precision | recall | copies |",
        "|---|---|---|---|---|---|---|---|---|---|---|", *(line(row) for row in document["rows"]), "",
        "| measure | real | " + " | ".join(row["system"] for row in document["rows"]) + " |",
        "|---|---|" + "---|" * len(document["rows"]),
    ]  # fmt: skip
    for m in MEASURES:
        found = [document, *document["rows"]]
        cells = [f"{d['means'][m]:.2f} ± {d['deviations'][m]:.2f}" for d in found]
        lines.append(f"| {m} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
