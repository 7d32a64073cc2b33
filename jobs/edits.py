"""Study what edits of vectors do: every edit on a few unseen songs, each beside mixing the two songs.

Artifacts: `edits.json` (its schema is in docs/study.md), `figures/edits.png`, `edits/*.wav`.
"""

from typing import Any

from pydantic import Field

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"
STEPS = 16  # notes of progress that a study makes, about


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
    from surco.edits.material import check, gather
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
    check(vectors)
    waves = data.waves().numpy()  # (N, T)
    attributes = measured(
        measure_all(waves, sample_rate=data.sample_rate, progress=lambda done: context.beat())
    )
    note("attributes measured")
    known = {a: v[splits.train] for a, v in attributes.items()}
    bench = Bench(codec, vectors.size, attributes=known, beat=context.beat)
    material = gather(bench, vectors, waves, attributes, songs=spec.songs, seed=spec.seed)
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
