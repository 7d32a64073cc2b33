"""Study what edits of vectors do: every edit on a few unseen songs, each beside mixing the two songs.

Artifacts: `edits.json` (its schema is in docs/study.md), `figures/edits.png`, `edits/*.wav`.
"""

from typing import Any

from pydantic import Field

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"
STEPS = 16  # notes of progress that a study makes, about
JUDGE_CLIPS = 12  # a genre, to fit the style classifier on
REAL_CLIPS = 32  # unseen clips that realism is measured against


class Spec(JobSpec):
    """Whose vectors to edit, and how many songs to try every edit on."""

    vectors: JobId = Field(description="embed job whose vectors are edited")
    dataset: JobId = Field(description="prepare job that the vectors were made of")
    size: int | None = Field(None, ge=2, description="edit only the first numbers of each vector")
    songs: int = Field(6, ge=2, description="test clips that every edit is tried on")


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Edit, listen, compare with mixing; write the table, its figure and the last step of each edit."""
    import numpy as np

    from jobs.inputs import load_codec, load_vectors
    from surco.audio.io import write_wav
    from surco.bench import Bench
    from surco.edits.study import edit_study
    from surco.latents import study_figures
    from surco.latents.attributes import measure_all, measured
    from surco.latents.probes import Splits
    from surco.latents.tables import plain, write_json
    from surco.plots import theme

    note = context.notes(STEPS)
    data, vectors = load_vectors(context, spec.vectors, spec.dataset, spec.size)
    codec = load_codec(context, context.result(spec.vectors)["codec_job"])
    vectors.require(codec=codec.fingerprint)
    splits = Splits.of(vectors.splits)
    _check(vectors, splits)
    waves = data.waves().numpy()  # (N, T)
    attributes = measured(
        measure_all(waves, sample_rate=data.sample_rate, progress=lambda done: context.beat())
    )
    note("attributes measured")
    known = {a: v[splits.train] for a, v in attributes.items()}
    bench = Bench(codec, vectors.size, attributes=known, beat=context.beat)
    material = _material(vectors, splits, waves, attributes, bench, spec.songs, spec.seed)
    note("style classifier fitted")
    rows, sounds = edit_study(bench, material, seed=spec.seed, progress=note)
    study = plain(
        {
            "size": vectors.size,
            "codec": vectors.codec,
            "dataset": vectors.dataset,
            "seed": spec.seed,
            "songs": len(material.waves),
            "edits": rows,
        }
    )
    write_json(context.out / "edits.json", study)
    context.tracker.artifact(context.out / "edits.json")
    picture = study_figures.edits(study["edits"])
    context.tracker.artifact(theme.save(picture, context.out / "figures" / "edits.png"), "figures")
    folder = context.out / "edits"
    folder.mkdir()
    for name, made in {"original": material.waves, **sounds}.items():
        wave = np.concatenate([w[: len(w) // 2] for w in made[:2]])  # half of two songs is enough to judge
        path = folder / f"{name.replace(', ', '-').replace(' ', '-')}.wav"
        write_wav(path, wave / max(1.0, float(np.abs(wave).max())), codec.mel.sample_rate)
        context.tracker.artifact(path, "edits")
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "songs": len(material.waves)})
    result: dict[str, Any] = {"size": vectors.size, "edits": len(rows)}
    for answer in ("yes", "no better than mixing", "no"):
        result[answer.replace(" ", "_")] = sum(r["possible"]["answer"] == answer for r in study["edits"])
    context.tracker.metrics({f"edits_{k}": float(v) for k, v in result.items() if k != "size"})
    return result


def _check(vectors: Any, splits: Any) -> None:
    """An InputError where the clips allow no study of edits."""
    from surco.errors import InputError

    known = {vectors.genres[i] for i in splits.train}
    if len(known) < 2:
        raise InputError(
            f"All training clips are of genre {min(known)!r}; an edit towards another genre needs two genres."
        )
    if sum(vectors.genres[i] in known for i in splits.test) < 2:
        raise InputError("Fewer than two test clips are of a training clip's genre; give more clips.")


def _material(
    vectors: Any, splits: Any, waves: Any, attributes: dict[str, Any], bench: Any, songs: int, seed: int
) -> Any:
    """Songs of the test split and their partners of the training split; the bench learns the styles."""
    import numpy as np

    from surco.edits.moves import fit_directions
    from surco.edits.study import ATTRIBUTES, Material
    from surco.latents.neighbours import distances
    from surco.prior.judge import GenreJudge

    rng = np.random.default_rng(seed)
    train, test, valid = splits.train, splits.test, splits.valid
    genres = np.asarray(vectors.genres)
    known = sorted(set(genres[train]))
    learnt = np.concatenate([rng.permutation(train[genres[train] == g])[:JUDGE_CLIPS] for g in known])
    bench.judge = GenreJudge(bench.embed(waves[learnt]), genres[learnt].tolist(), seed=seed)
    chosen = _one_a_track(vectors.tracks, rng.permutation(test[np.isin(genres[test], known)]), songs)
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
        waves=waves[chosen],
        vectors=vectors.vectors[chosen],
        genres=[vectors.genres[i] for i in chosen],
        tracks=[vectors.tracks[i] for i in chosen],
        targets=targets,
        partner_waves={k: waves[v] for k, v in partners.items()},
        partner_vectors={k: vectors.vectors[v] for k, v in partners.items()},
        train=vectors.vectors[train],
        train_genres=genres[train].tolist(),
        real=bench.embed(waves[rng.permutation(valid)[:REAL_CLIPS]]),
        reference=float(unseen.mean()),
        directions=directions,
    )


def _one_a_track(tracks: list[str], order: Any, count: int) -> Any:
    """The first `count` of `order`, a new track each as long as there are some."""
    import numpy as np

    first: list[int] = []
    rest: list[int] = []
    seen: set[str] = set()
    for i in order:
        (rest if tracks[i] in seen else first).append(int(i))
        seen.add(tracks[i])
    return np.array((first + rest)[:count])
