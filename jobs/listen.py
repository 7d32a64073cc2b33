"""Build the listening page of a sweep: what can be heard of it, in one HTML file.

Artifact: `listen.html`. Jobs that failed or are missing leave their part of the page out.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.evaluate import read_scores
from jobs.kinds import Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surco.page.page import Atlas, Compared, EditPath, Row, Song


class Spec(JobSpec):
    """The jobs of the sweep that the page lets one hear, one list entry a size."""

    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"evaluate", "embed", "cluster", "generate", "edits"})

    name: str = Field("sweep", description="title of the page")
    dataset: JobId | None = Field(None, description="prepare job; the sounds of the map's points")
    evaluate: list[JobId] = Field([], description="listening sets and their measures")
    embed: list[JobId] = Field([], description="vectors of the map")
    cluster: list[JobId] = Field([], description="clusters that colour it")
    generate: list[JobId] = Field([], description="songs and edits on it")
    edits: list[JobId] = Field([], description="studies of edits, heard beside their baselines")
    language: Literal["en", "es"] = Field("en", description="in which the page opens; it holds both")


def run(spec: Spec, context: Context) -> Result:
    """Gather rows and map, write the page, log it."""
    from surco.page.page import Page, build_page

    rows = read_rows(context, spec.evaluate)
    context.progress(1, 4, f"{len(rows)} clips to hear")
    atlas = read_atlas(context, spec)
    context.progress(2, 4, f"{len(atlas.points)} points on the map")
    page = Page(
        id=context.job_id[:16],
        title=spec.name,
        rows=rows,
        atlas=atlas,
        compared=read_compared(context, spec.edits),
        language=spec.language,
        seed=spec.seed,
    )
    path = build_page(page, context.out / "listen.html")
    context.progress(3, 4, f"{path.stat().st_size / 1e6:.1f} MB")
    context.tracker.artifact(path)
    return {
        "bytes": path.stat().st_size,
        "clips": len(rows),
        "points": len(atlas.points),
        "sizes": sorted({int(c) for r in rows for c in r.sounds if c.isdigit()} | set(atlas.vectors)),
        "songs": sum(map(len, atlas.songs.values())),
        "edits": sum(map(len, atlas.paths.values())),
        "compared": sum(map(len, page.compared.values())),
    }


def present(context: Context, jobs: Sequence[JobId | None]) -> list[str]:
    """Those of the jobs that are done."""
    return [str(job) for job in jobs if job and context.done(job) is not None]


def read_rows(
    context: Context, evaluate: Sequence[JobId | None], *, measure: str = "zimtohrli"
) -> "list[Row]":
    """One row a clip of the listening sets: original, ceiling and every size that was evaluated on it."""
    from surco.page.page import Row

    sounds: dict[str, dict[str, Path]] = {}
    scores: dict[str, dict[str, float]] = {}
    about: dict[str, tuple[str, str]] = {}
    for job in present(context, evaluate):
        found = read_scores(context, job)
        for i, clip in enumerate(found.clips):
            about[clip.id] = (clip.genre, clip.track)
            values = {
                str(found.size): found.value("decoded", measure, i),
                "ceiling": found.value("ceiling", measure, i),
            }
            scores.setdefault(clip.id, {}).update({k: v for k, v in values.items() if v is not None})
        for name in context.artifacts(job):
            parts = name.split("/")
            if parts[0] == "listening" and name.endswith(".wav") and not parts[-1].startswith("textured-"):
                clip_id = "/".join(parts[1:-1])
                column = parts[-1].removesuffix(".wav").removeprefix("decoded-")
                sounds.setdefault(clip_id, {}).setdefault(column, context.artifact(job, name))
    return [
        Row(clip, *about.get(clip, ("", clip)), found, scores.get(clip, {}))
        for clip, found in sorted(sounds.items())
        if "original" in found
    ]


def read_atlas(context: Context, spec: Spec) -> "Atlas":
    """The map: vectors, clusters, songs and edits of every size that has vectors of the same clips."""
    import numpy as np

    from surco.latents.vectors import VectorSet
    from surco.page.map_layout import MAX_CLIPS, SizeVectors
    from surco.page.page import Atlas, Point

    sets: dict[int, VectorSet] = {}
    for job in present(context, spec.embed):
        vectors = VectorSet.load(context.artifact(job, "vectors.safetensors"))
        if not sets or vectors.clips == next(iter(sets.values())).clips:
            sets[vectors.size] = vectors
    if not sets or len(next(iter(sets.values())).clips) < 5:  # t-SNE needs a few neighbours
        return Atlas()
    first = next(iter(sets.values()))
    shown = np.arange(len(first.clips))
    found = read_clusters(context, spec, first.clips)
    if len(shown) > MAX_CLIPS:  # those that a study gave a cluster come first
        studied = np.array([any(labels[i] >= 0 for labels in found.values()) for i in shown])
        order = np.random.default_rng(spec.seed).permutation(shown)
        shown = np.sort(order[np.argsort(~studied[order], kind="stable")][:MAX_CLIPS])
    sound = clip_sounds(context, spec.dataset)
    points = [Point(first.clips[i], first.genres[i], first.tracks[i], sound(first.clips[i])) for i in shown]
    clusters = {size: [labels[i] for i in shown] for size, labels in found.items()}
    songs: dict[int, list[Song]] = {}
    paths: dict[int, list[EditPath]] = {}
    places: dict[int, SizeVectors] = {}
    for size, vectors in sets.items():
        made, where, edits, walks = read_songs(context, spec.generate, size)
        songs[size], paths[size] = made, edits
        places[size] = SizeVectors(vectors.vectors[shown], np.stack(where) if where else None, walks)
    return Atlas(points, places, clusters, songs, paths)


def clip_sounds(
    context: Context, dataset: JobId | None
) -> "Callable[[str], Callable[[], NDArray[np.float32]] | None]":
    """For a clip's id, what reads its wave; None for every clip where the data set is not there."""
    if dataset is None or context.done(dataset) is None:
        return lambda clip: None
    from surco.datasets import MusicDataset

    data = MusicDataset(context.folder(dataset))
    row = {clip.id: i for i, clip in enumerate(data.clips)}
    return lambda clip: (lambda: data[row[clip]][0].numpy()) if clip in row else None


def read_clusters(context: Context, spec: Spec, clips: list[str]) -> dict[int, list[int]]:
    """By size, the k-means label on raw vectors of each of `clips`; -1 where the study has none."""
    from surco.latents.study import Study

    found = {}
    for job in present(context, spec.cluster):
        study = Study.load(context.artifact(job, "study.json"))
        chosen = study.clustering()
        if chosen:
            labels = dict(zip(study.clips, chosen.labels, strict=True))
            found[study.size] = [labels.get(clip, -1) for clip in clips]
    return found


def _steps(wave: "NDArray[np.float32]", starts: Sequence[float], count: int) -> "list[NDArray[np.float32]]":
    """The sound of each step of an edit: from where its clip begins to where the next one does."""
    import numpy as np

    places = [round(s * 22_050) for s in starts]
    cuts = [s for s in places[1:] if s < len(wave)]
    return np.split(wave, cuts) if len(cuts) == count - 1 else np.array_split(wave, count)


def read_songs(
    context: Context, generate: list[JobId], size: int
) -> "tuple[list[Song], list[NDArray[np.float32]], list[EditPath], list[NDArray[np.float32]]]":
    """Of one size: songs, their places (D,), edits, and the vectors (n, D) of the edits' steps.

    A song of several clips stands at the mean of their vectors; an edit is a walk from clip to clip.
    """
    from safetensors.numpy import load_file

    from surco.page import sounds
    from surco.page.page import EditPath, Song
    from surco.prior.song_report import Songs

    songs: list[Song] = []
    where: list[NDArray[np.float32]] = []
    edits: list[EditPath] = []
    walks: list[NDArray[np.float32]] = []
    for job in present(context, generate):
        made = Songs.load(context.artifact(job, "songs.json"))
        if made.size != size:
            continue
        vectors = load_file(context.artifact(job, "songs.safetensors"))
        for row in made.songs:
            path = context.artifact(job, row.wav)
            steps = vectors[row.name]  # (n, D)
            if not row.drawn and row.recipe != "remix" and len(steps) > 1:
                edits.append(
                    EditPath(
                        row.told,
                        _steps(sounds.read(path, 22_050), row.starts, len(steps)),
                        row.recipe,
                    )
                )
                walks.append(steps)
            else:
                songs.append(
                    Song(
                        row.title,
                        row.genre,
                        path,
                        row.recipe,
                        context.artifact(job, row.picture) if row.picture else None,
                        row.tempo,
                        row.key,
                        row.sources,
                    )
                )
                where.append(steps.mean(0))
    return songs, where, edits, walks


def read_compared(context: Context, edits: Sequence[JobId]) -> "dict[int, list[Compared]]":
    """By size, the edits of its study as one hears them beside the baseline."""
    from jobs.edits import file_name, read_edits
    from surco.page.page import Compared

    found: dict[int, list[Compared]] = {}
    for job in present(context, edits):
        study, names = read_edits(context, job), context.artifacts(job)
        for row in study.judged:
            files = {v: f"edits/{file_name(row.edit)}/{v}.wav" for v in ("unedited", "edited", "baseline")}
            if set(files.values()) <= set(names):
                amount, unit = row.largest
                versions = {version: context.artifact(job, name) for version, name in files.items()}
                one = Compared(row.edit, amount, unit, row.answer, row.rival, versions)
                found.setdefault(study.size, []).append(one)
    return found


KIND = JobKind(
    name="listen",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("listen.html",),
    sweep=(
        SweepPart(
            label="page",
            round=2,
            inputs={
                "dataset": Input("data"),
                "evaluate": Input("evaluate", "all"),
                "embed": Input("embed", "all"),
                "cluster": Input("cluster", "all"),
                "generate": Input("generate", "all"),
                "edits": Input("edits", "all"),
            },
            values=lambda sweep, size: {"name": sweep.name},
        ),
    ),
    by_hand=False,
    on_sweep=True,
)
