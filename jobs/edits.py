"""Study what edits of vectors do: every edit on unseen songs, beside mixing and signal processing.

Moves along means, probes and mixtures are judged as they always were, on few songs; all others by whether
they do what was asked, keep the rest and stay real.
Artifacts: `edits.json` (its schema is in docs/study.md), `figures/edits.png`; of moves `edits/*.wav`: a song,
then the song moved; of the others `edits/<edit>/*.wav`: a song as it is decoded (`unedited`), `edited`, and
edited by the `baseline`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surco.edits.edit_report import EditStudy, JudgedEdit
    from surco.edits.trial import Sample

STEPS = 40  # notes of progress that a study makes, about
FEW = 8  # songs that the old moves are tried on
PAUSE = 0.25  # s between a song and its edit


class Spec(JobSpec):
    """Whose vectors to edit, and how many songs to try every edit on."""

    vectors: JobId = Field(description="embed job whose vectors are edited")
    dataset: JobId = Field(description="prepare job that the vectors were made of")
    size: int | None = Field(None, ge=2, description="edit only the first dimensions of each vector")
    songs: int = Field(16, ge=2, description="test clips that every edit is tried on, one a track")


def run(spec: Spec, context: Context) -> Result:
    """Edit, listen, compare with mixing; write the table, its figure and the last step of each edit."""
    import numpy as np

    from jobs.inputs import load_codec, load_vectors
    from surco.bench import Bench
    from surco.edits.edit_figures import draw_moves
    from surco.edits.edit_report import EditStudy
    from surco.edits.material import check, gather
    from surco.edits.study import edit_study
    from surco.edits.trial import try_edits
    from surco.latents.attributes import measure_all, measured
    from surco.latents.probes import Splits
    from surco.plots import theme

    note = context.notes(STEPS)
    data, vectors = load_vectors(context, spec.vectors, spec.dataset, spec.size)
    codec = load_codec(context, context.result(spec.vectors)["codec_job"])
    vectors.require(codec=codec.fingerprint)
    splits = Splits.of(vectors.splits)
    check(vectors)
    attributes = measured(
        measure_all(
            (data[i][0].numpy() for i in range(len(data))),
            sample_rate=data.sample_rate,
            progress=lambda done: context.beat(),
        )
    )

    def waves(rows: "NDArray[np.int64]") -> "NDArray[np.float32]":
        return data.take(rows.tolist()).numpy()  # (n, T)

    note("attributes measured")
    known = {a: v[splits.train] for a, v in attributes.items()}
    bench = Bench(codec, vectors.size, attributes=known, beat=context.beat)
    material = gather(bench, vectors, waves, attributes, songs=spec.songs, seed=spec.seed)
    note("style classifier fitted")
    few = gather(bench, vectors, waves, attributes, songs=min(spec.songs, FEW), seed=spec.seed)
    study = EditStudy(
        size=vectors.size,
        codec=vectors.codec,
        dataset=vectors.dataset,
        seed=spec.seed,
        songs=len(few.waves),
        tracks=len(set(material.tracks)),
        moves=[],
        judged=[],
    )
    found = context.resume(Found.load) or Found(study, {})
    if not found.study.moves:
        moves, moved = edit_study(bench, few, seed=spec.seed, progress=note)
        found.study = found.study.model_copy(update={"moves": moves})
        pause = np.zeros(round(PAUSE * bench.rate), np.float32)
        for name, made in moved.items():
            found.sounds[f"{name}.wav"] = np.concatenate([few.waves[0], pause, made[0]])
        found.keep(context)

    def each(row: "JudgedEdit", sample: "Sample") -> None:
        found.study.judged.append(row)
        found.sounds |= {f"{row.edit}/{version}.wav": wave for version, wave in vars(sample).items()}
        found.keep(context)

    judged = [row.edit for row in found.study.judged]
    if judged:
        context.log(f"{len(judged)} edits are known from before and are not tried again.")
    try_edits(bench, material, seed=spec.seed, known=judged, progress=note, each=each)
    study = found.study
    study.save(context.out / "edits.json")
    context.tracker.artifact(context.out / "edits.json")
    picture = draw_moves(study.moves)
    context.tracker.artifact(theme.save(picture, context.out / "figures" / "edits.png"), "figures")
    for name, wave in found.sounds.items():
        _write(context, f"edits/{file_name(name)}", wave, bench.rate)
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "songs": len(material.waves)})
    result: Result = {"size": vectors.size, "tracks": study.tracks, "edits": len(study.judged)}
    for answer in ("yes", "no better than mixing", "partly", "no", "too few"):
        result[answer.replace(" ", "_")] = sum(r.answer == answer for r in study.judged)
    result["yes_by_the_old_rule"] = sum(move.possible.answer == "yes" for move in study.moves)
    context.tracker.metrics({f"edits_{k}": float(v) for k, v in result.items() if k != "size"})
    return result


@dataclass
class Found:
    """What a study has found so far, and the sounds (T,) to keep of it by file name.

    A study takes long, so each row is a checkpoint: an attempt that follows goes on after the last one.
    """

    study: "EditStudy"
    sounds: "dict[str, NDArray[np.float32]]"

    def keep(self, context: Context) -> None:
        """Store it as a checkpoint."""
        from safetensors.numpy import save_file

        folder = context.scratch() / "found"
        folder.mkdir(exist_ok=True)
        self.study.save(folder / "edits.json")
        save_file({name: wave.copy() for name, wave in self.sounds.items()}, folder / "sounds.safetensors")
        context.save_checkpoint(folder, len(self.study.judged))

    @classmethod
    def load(cls, folder: Path) -> "Found":
        """What `keep` stored."""
        from safetensors.numpy import load_file

        from surco.edits.edit_report import EditStudy

        return cls(EditStudy.load(folder / "edits.json"), load_file(folder / "sounds.safetensors"))


def _write(context: Context, name: str, wave: "NDArray[np.float32]", rate: int) -> None:
    """A sound of the study, below full scale."""
    from surco.audio.io import write_wav

    path = context.out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_wav(path, wave / max(1.0, float(abs(wave).max())), rate)
    context.tracker.artifact(path, str(Path(name).parent))


def file_name(edit: str) -> str:
    """An edit's name as that of a file."""
    return edit.replace(", ", "-").replace(" ", "-")


def read_edits(context: Context, job: str) -> "EditStudy":
    """What an edits job found."""
    from surco.edits.edit_report import EditStudy

    return EditStudy.load(context.artifact(job, "edits.json"))


KIND = JobKind(
    name="edits",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("edits.json", "figures/edits.png", "edits/*.wav", "edits/<edit>/*.wav"),
    sweep=(
        SweepPart(
            section="edits",
            per_size=True,
            middle=True,  # the smallest size found: the report tells no other, and edits take longest of all
            round=2,
            inputs={"dataset": Input("data"), "vectors": Input("embed")},
        ),
    ),
    evidence=(Evidence("edits", read_edits),),
)
