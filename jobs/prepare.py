"""Turn a source of music into a dataset: 5-second clips in shards, and the manifest that names them.

Publishes the dataset folder (manifest.json, shard-NNNN.safetensors). The source's own content is
part of the job's identity and its place is not: the same music elsewhere is the same job.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import JobKind, SweepPart
from jobs.spec import JobSpec
from surco.datasets.config import DatasetConfig
from surco.errors import InputError


class Spec(JobSpec, DatasetConfig):
    """Where the music is, and the options of `DatasetConfig`. Made by `Spec.of`."""

    PLACES: ClassVar[frozenset[str]] = frozenset({"path"})

    dataset: Literal["demo", "demo-outside", "gtzan", "folder"] = Field("demo", description="kind of source")
    path: str | None = Field(
        None, description="folder or archive, as the worker sees it; GTZAN without one comes from the hub"
    )
    source_fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of what the source holds")

    @model_validator(mode="after")
    def _path_fits_dataset(self) -> Self:
        if (self.dataset == "folder") != (self.path is not None) and self.dataset != "gtzan":
            raise ValueError(f"dataset {self.dataset!r} {'takes no' if self.path else 'needs a'} path")
        return self

    @classmethod
    def of(cls, dataset: str = "demo", path: str | Path | None = None, **options: Any) -> Self:
        """The spec of a source as it is now. Reads the source once, to know it again.

        `dataset` may also be the path itself, of a folder or archive of sound files.
        """
        from surco.datasets.sources import source_fingerprint

        if dataset not in ("demo", "demo-outside", "gtzan", "folder"):
            if path is not None:
                raise InputError(
                    f"There is no dataset {dataset!r}; choose demo, demo-outside, gtzan or folder."
                )
            dataset, path = "folder", dataset
        place = None if path is None else str(Path(path).expanduser().resolve())
        if dataset == "folder" and place is None:
            raise InputError("The dataset 'folder' needs the path of the folder.")
        found = source_fingerprint(source_of(dataset, place))
        return cls.model_validate({**options, "dataset": dataset, "path": place, "source_fingerprint": found})

    def config(self) -> DatasetConfig:
        """The part that decides how clips are cut."""
        return DatasetConfig(**{name: getattr(self, name) for name in DatasetConfig.model_fields})


def run(spec: Spec, context: Context) -> Result:
    from surco.datasets.preparation import prepare
    from surco.datasets.sources import source_fingerprint

    source = source_of(spec.dataset, spec.path)
    context.progress(0, 1, "reading the source")
    if source_fingerprint(source) != spec.source_fingerprint:
        raise InputError(f"{spec.path or spec.dataset} has changed since it was submitted; submit it again.")
    context.tracker.params(spec.model_dump(mode="json"))
    manifest = prepare(source, context.out, spec.config(), progress=context.progress)
    for skipped in manifest.skipped:
        context.log(f"skipped {skipped.name}: {skipped.reason}")
    for note in manifest.notes:
        context.log(note)
    context.tracker.tags({"data_fingerprint": manifest.fingerprint})
    context.tracker.metrics({"clips": len(manifest.clips), "skipped": len(manifest.skipped)})
    return {
        "fingerprint": manifest.fingerprint,
        "clips": len(manifest.clips),
        "tracks": manifest.tracks(),
        "genres": manifest.genres,
        "splits": manifest.counts(),
        "skipped": [skipped.model_dump() for skipped in manifest.skipped],
        "notes": manifest.notes,
    }


def dataset_folder(context: Context, job: str) -> Path:
    """The dataset that a prepare job published, as a folder for `MusicDataset`."""
    return context.folder(job)


def source_of(dataset: str, path: str | None) -> str | Path:
    """A source as `surco.datasets` takes it."""
    if dataset == "gtzan":
        return f"gtzan:{path}" if path else "gtzan"
    return Path(path) if path else dataset


KIND = JobKind(
    name="prepare",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("manifest.json", "shard-NNNN.safetensors"),
    ask=Spec.of,
    sweep=(
        SweepPart(
            name="data",
            label="data",
            section="prepare",
            values=lambda sweep, size: {"dataset": sweep.dataset, "path": sweep.path},
        ),
        SweepPart(
            name="music from outside",
            label="outside",
            values=lambda sweep, size: {"dataset": sweep.outside},
            wanted=lambda sweep: sweep.outside is not None,
        ),
    ),
)
