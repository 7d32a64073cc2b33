"""Are drawn songs nearer to real music than a Gaussian's? All clips as reference, cross-fitted over tracks.

    python -m benchmarks.songs_crossfit --folds 4 --songs 3 --seconds 20

The tracks are dealt to folds, genre by genre. The priors are fitted to the other folds, and their songs are
compared with the clips of the fold that was left out, decoded from as many dimensions: so every clip
of the corpus serves as reference once, and none that a prior has seen.

- Kernel audio distance: mean over folds. The interval draws tracks and songs again; all systems are held
  against the same draws of tracks, so that their difference has an interval of its own.
- Fréchet audio distance without the bias of few clips, all folds together. FAD∞: Chong and Forsyth,
  "Effectively Unbiased FID and Inception Score", 2020; Gui and others, "Adapting Fréchet Audio Distance
  for Generative Music Evaluation", 2024.

The recipe of the bars was chosen on the valid split, which is among the clips here; `benchmarks.songs` has
test alone.
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import on_corpus
from benchmarks.machine import commit, kind
from benchmarks.songs import cell, gathered, systems
from surco.datasets.sampling import rounds
from surco.latents.vectors import VectorSet
from surco.metrics.aggregate import Estimate
from surco.metrics.judge import listen
from surco.prior.memorisation import distances
from surco.prior.sample_quality import kernel_gamma, weighted_mmd

Array = NDArray[Any]
DRAWS = 1000
SYSTEMS = ("bars", "Gaussian", "training vectors")


def main() -> None:
    parser = on_corpus.parser(__doc__)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--songs", type=int, default=3, help="of each genre and fold")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--limit", type=int, default=None, help="clips of a split")
    parser.set_defaults(prior=[])
    on_corpus.main(parser, run, markdown)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """A row for each system, and the differences from the first."""
    start = time.monotonic()
    _, codec, bench, whole = gathered(options)
    folds = dealt(whole, options.folds, options.seed)
    compared: dict[str, list[Compared]] = {name: [] for name in SYSTEMS}
    heard: dict[str, list[Array]] = {name: [] for name in ("real", *SYSTEMS)}
    for fold in range(options.folds):
        split = replace(whole, splits=["test" if f == fold else "train" for f in folds])
        plain = replace(split, vectors=split.vectors[:, : options.size].copy())
        held = plain.take(split="test")
        real = listen(bench.decode(held.vectors))
        heard["real"].append(real)
        makers = systems(codec, bench, plain, split, options)
        for name in SYSTEMS:
            found = makers[name]()
            fake = listen(found.waves)
            heard[name].append(fake)
            compared[name].append(Compared(real, held.tracks, fake, found.groups))
            told = compared[name][-1].distance()
            spent = time.monotonic() - start
            left = spent / (fold + (SYSTEMS.index(name) + 1) / len(SYSTEMS)) * options.folds - spent
            print(f"fold {fold + 1}, {name}: {told:.2f}, {left / 60:.0f} min left", flush=True)
    draws = {name: drawn(compared[name], options.seed) for name in SYSTEMS}  # each (DRAWS,)
    values = {name: float(np.mean([c.distance() for c in compared[name]])) for name in SYSTEMS}
    tracks, first = len(set(whole.tracks)), SYSTEMS[0]
    rows = [
        {
            "system": name,
            "windows": sum(len(x) for x in heard[name]),
            "songs": sum(len(set(c.fake_groups)) for c in compared[name]),
            "kad": interval(values[name], draws[name], tracks).to_json(),
            "more": interval(values[name] - values[first], draws[name] - draws[first], tracks).to_json(),
            "fad_infinity": frechet_infinity(
                np.concatenate(heard["real"]), np.concatenate(heard[name]), seed=options.seed
            ),
        }
        for name in SYSTEMS
    ]
    return {
        "about": {
            "command": f"python -m benchmarks.songs_crossfit --folds {options.folds} --songs {options.songs} "
            f"--seconds {options.seconds:g}",
            "commit": commit(), "machine": kind(), "codec": codec.fingerprint, "clips": len(whole.tracks),
            "tracks": tracks, "seconds": round(time.monotonic() - start),
        },
        "rows": rows,
    }  # fmt: skip


def dealt(vectors: VectorSet, folds: int, seed: int) -> list[int]:
    """The fold of each clip (N): whole tracks, each genre spread evenly."""
    order = rounds(vectors.tracks, np.random.default_rng(seed).permutation(len(vectors.tracks)))
    seen: dict[str, int] = {}
    fold: dict[str, int] = {}
    for i in order:
        track, genre = vectors.tracks[i], vectors.genres[i]
        if track not in fold:
            fold[track] = seen.get(genre, 0) % folds
            seen[genre] = seen.get(genre, 0) + 1
    return [fold[t] for t in vectors.tracks]


class Compared:
    """Kernels within and between real clips (M, E) and windows of songs (N, E), to be weighted again."""

    def __init__(self, real: Array, real_groups: list[str], fake: Array, fake_groups: list[str]):
        gamma = kernel_gamma(real)

        def kernel(a: Array, b: Array) -> Array:
            return np.asarray(np.exp(-gamma * distances(a, b) ** 2))

        self.rr, self.ff, self.rf = kernel(real, real), kernel(fake, fake), kernel(real, fake)
        self.real_groups, self.fake_groups = real_groups, fake_groups

    def distance(self, r: Array | None = None, f: Array | None = None) -> float:
        """100 times the unbiased MMD² where clips and windows count r (M,) and f (N,) times.

        Pairs of one track or song, which are alike beyond what two of one distribution are, count on both
        sides as they do in music; a clip is never paired with itself.
        """
        r = np.ones(len(self.rr)) if r is None else r
        f = np.ones(len(self.ff)) if f is None else f
        return weighted_mmd(self.rr, self.ff, self.rf, r, f)


def drawn(folds: list[Compared], seed: int) -> Array:
    """Means over folds (DRAWS,) of distances to tracks and songs that were drawn again."""
    reals, fakes = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    return np.array(
        [
            np.mean([c.distance(again(c.real_groups, reals), again(c.fake_groups, fakes)) for c in folds])
            for _ in range(DRAWS)
        ]
    )


def again(groups: list[str], rng: np.random.Generator) -> Array:
    """How often each of N clips counts (N,) when as many groups as there are were drawn."""
    names, index = np.unique(groups, return_inverse=True)
    return np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[index].astype(float)


def interval(value: float, draws: Array, tracks: int) -> Estimate:
    """A value with the 95 % of its draws, moved so that their middle is the value.

    A set drawn with repetition holds likenesses that no real set has: they raise all drawn distances alike.
    """
    low, high = np.percentile(draws - np.median(draws) + value, [2.5, 97.5])
    return Estimate(value, float(low), float(high), tracks, 0)


def frechet_infinity(real: Array, fake: Array, *, seed: int = 0, points: int = 15, rounds: int = 5) -> float:
    """Fréchet distance of embeddings (M, E) and (N, E), extrapolated to endlessly many of the second.

    Distances of subsets lie on a line over one by their size (Gui and others, 2024); its end is the figure.
    """
    rng = np.random.default_rng(seed)
    sizes = np.linspace(len(fake) // 3, len(fake), points).astype(int)
    found = [
        np.mean([frechet(real, fake[rng.permutation(len(fake))[:n]]) for _ in range(rounds)]) for n in sizes
    ]
    return float(np.polyfit(1 / sizes, found, 1)[1])


def frechet(a: Array, b: Array) -> float:
    """Fréchet distance of two Gaussians with the means and covariances of (M, E) and (N, E)."""
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    values = np.linalg.eigvals(one @ two).real.clip(min=0)  # the trace of a root is the sum of roots
    gap = a.mean(0) - b.mean(0)
    return float(gap @ gap + np.trace(one) + np.trace(two) - 2 * np.sqrt(values).sum())


def markdown(document: dict[str, Any]) -> str:
    about = document["about"]
    lines = [
        "# Songs beside real clips, cross-fitted", "", f"`{about['command']}`", "",
        f"Commit {about['commit']}, codec {about['codec']}; {about['machine']}; reference: {about['clips']} "
        f"clips of {about['tracks']} tracks, each by priors that did not see it; {about['seconds']} s. "
        "95 % intervals over tracks and songs.", "",
        "| songs | songs, windows | KAD | more than the first | FAD∞ |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for i, row in enumerate(document["rows"]):
        more = cell(row["more"]) if i else "–"
        count = f"{row['songs']}, {row['windows']}"
        lines.append(
            f"| {row['system']} | {count} | {cell(row['kad'])} | {more} | {row['fad_infinity']:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
