"""What a study of edits works on: unseen songs, and the training clips that they are edited with."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.bench import Bench
from surco.datasets.sampling import rounds
from surco.edits.moves import fit_directions
from surco.edits.study import ATTRIBUTES, Material
from surco.errors import InputError
from surco.latents.vectors import VectorSet

Array = NDArray[Any]
JUDGE_CLIPS = 12  # a genre, to fit the style classifier on
REAL_CLIPS = 32  # unseen clips that realism is measured against by the old rule


def check(vectors: VectorSet) -> None:
    """An InputError where the clips allow no study of edits."""
    from surco.latents.probes import Splits

    splits = Splits.of(vectors.splits)
    known = {vectors.genres[i] for i in splits.train}
    if len(known) < 2:
        raise InputError(
            f"All training clips are of genre {min(known)!r}; an edit towards another genre needs two genres."
        )
    if sum(vectors.genres[i] in known for i in splits.test) < 2:
        raise InputError("Fewer than two test clips are of a training clip's genre; give more clips.")


def gather(
    bench: Bench,
    vectors: VectorSet,
    waves: Callable[[Array], Array],
    attributes: dict[str, Array],
    *,
    songs: int,
    seed: int = 0,
    split: str = "test",
    judge_clips: int = JUDGE_CLIPS,
) -> Material:
    """Songs of the test split (or of valid, to choose by), one a track, and their partners of train.

    `waves` gives those (n, T) of rows (n,) of `vectors`; attributes (N,) are of all. The bench learns the
    styles.
    """
    from surco.latents.neighbours import distances
    from surco.latents.probes import Splits
    from surco.metrics.judge import GenreJudge

    splits = Splits.of(vectors.splits)
    rng = np.random.default_rng(seed)
    train, valid = splits.train, splits.valid
    test = splits.valid if split == "valid" else splits.test
    genres = np.asarray(vectors.genres)
    known = sorted(set(genres[train]))
    learnt = np.concatenate([rng.permutation(train[genres[train] == g])[:judge_clips] for g in known])
    bench.judge = GenreJudge(bench.embed(waves(learnt)), genres[learnt].tolist(), seed=seed)
    chosen = np.array(rounds(vectors.tracks, rng.permutation(test[np.isin(genres[test], known)]))[:songs])
    targets = [str(rng.choice([g for g in known if g != genres[i]])) for i in chosen]
    partners = {"genre": np.array([rng.choice(train[genres[train] == t]) for t in targets])}
    filled = {
        a: np.where(np.isfinite(attributes[a]), attributes[a], np.nanmean(attributes[a][train]))
        for a in ATTRIBUTES
        if a in attributes
    }
    for name, values in filled.items():
        high = train[values[train] >= np.quantile(values[train], 0.85)]
        partners[name] = rng.choice(high, len(chosen))
    directions = fit_directions(
        vectors.vectors[train], genres[train].tolist(), {a: v[train] for a, v in filled.items()}
    )
    unseen = distances(vectors.vectors[valid], vectors.vectors[train]).min(1)
    return Material(
        waves=waves(chosen),
        vectors=vectors.vectors[chosen],
        genres=[vectors.genres[i] for i in chosen],
        tracks=[vectors.tracks[i] for i in chosen],
        targets=targets,
        partner_waves={k: waves(v) for k, v in partners.items()},
        partner_vectors={k: vectors.vectors[v] for k, v in partners.items()},
        train=vectors.vectors[train],
        train_genres=genres[train].tolist(),
        real=bench.embed(waves(rng.permutation(valid)[:REAL_CLIPS])),
        reference=float(unseen.mean()),
        directions=directions,
    )
