"""Make songs: of bars, drawn from a prior, or edited from training clips; as WAV and FLAC with tags.

Artifacts: `songs/*.wav`, `songs/*.flac`, `songs.json` (per song its genre, seed, recipe, nearest
training clip and whether it is a copy, the style heard in it), `songs.safetensors` (the vectors (n, D)
of each), `figures/songs.png` and, with an edit, `edit.json`: is it possible with this method, and why.
The songs also go to `songs/<collection>/<job>/` of the store.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec
from surco.edits.kinds import Edit
from surco.errors import InputError, quoted
from surco.files import as_file_name

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.bar_songs import Bars
    from surco.codec import Codec
    from surco.edits.edit_report import EditAnswer
    from surco.edits.moves import Directions
    from surco.edits.recipe import Recipe
    from surco.latents.vectors import VectorSet
    from surco.metrics.judge import GenreJudge
    from surco.prior.composing import Composed
    from surco.prior.prior import Prior
    from surco.prior.song_report import MadeSong
    from surco.prior.songs import Song


class Spec(JobSpec):
    """Without `edit`, songs are composed of bars (`jobs.bar_songs`), which gives them a beat.

    With `generator: prior` they are drawn from the prior instead, or from a Gaussian per genre where none is
    given; so they are where a style has too few tracks for bars.
    """

    vectors: JobId = Field(description="embed job whose training vectors are known")
    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    dataset: JobId | None = Field(None, description="prepare job; its training clips teach the styles")
    prior: JobId | None = Field(None, description="train_prior job; None draws from a Gaussian per genre")
    generator: Literal["prior", "bars"] = Field(
        "bars", description="what draws songs: a prior of bars fitted to the training vectors, or `prior`"
    )
    genres: list[str] | None = Field(None, description="genres to make songs of; all if not given")
    songs_per_genre: int = Field(2, ge=1, le=1000)
    seconds: float = Field(30, gt=0, le=600, description="length of a song; clips are cross-faded")
    guidance: float | None = Field(None, ge=0, le=20, description="how hard to follow the genre")
    steps: int | None = Field(None, ge=1, le=1000, description="steps of the sampler")
    temperature: float | None = Field(None, ge=0, le=4, description="scale of the noise")
    edit: Edit | None = Field(None, description="make songs by this edit of training clips instead")
    sources: list[str] = Field([], description="edit: ids of the training clips; drawn by seed if not given")
    target: str | None = Field(None, description="edit: the genre to go to, or the attribute to raise")
    amounts: dict[str, float] | None = Field(None, description="edit: what to change and how far, by name")
    weight: float | None = Field(None, ge=-20, le=20, description="edit: how far the last clip is edited")
    mode: Literal["linear", "spherical"] = Field("linear", description="edit: the way between two songs")
    showcase: bool = Field(True, description="beside drawn songs, make one interpolation and one average")
    judge_clips: int = Field(24, ge=2, description="training clips per genre that teach the style classifier")
    collection: str = Field(
        "songs", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="folder of the store's songs/"
    )

    @model_validator(mode="after")
    def _edit_fits(self) -> Self:
        if self.amounts is not None and self.edit is None:
            object.__setattr__(self, "edit", "amounts")
        if self.amounts is not None:
            from surco.edits.amounts import Amounts

            try:
                object.__setattr__(self, "amounts", Amounts.of(self.amounts).asked)
            except InputError as error:
                raise ValueError(str(error)) from None
        if (self.edit == "amounts") != (self.amounts is not None):
            raise ValueError("the edit 'amounts' and its amounts belong together; give both or neither")
        given = [n for n in ("sources", "target", "weight") if getattr(self, n) not in (None, [])]
        if self.edit is None and given:
            raise ValueError(f"{given[0]!r} belongs to an edit, and no edit is named")
        if self.edit == "attribute" and (self.target is None or self.dataset is None):
            raise ValueError("the edit 'attribute' needs target (the attribute to raise) and dataset")
        if self.edit is not None and self.prior is not None:
            object.__setattr__(self, "prior", None)  # an edit reads no prior, so it must not name another job
        return self


def run(spec: Spec, context: Context) -> Result:
    """Plan the songs, decode and judge each, write them, and put them where `make songs` finds them."""
    from safetensors.numpy import save_file

    from jobs.bar_songs import heading, sing
    from jobs.inputs import load_codec
    from jobs.songwriting import decode_song, describe, picture, write
    from surco.latents.vectors import VectorSet
    from surco.prior.memorisation import fit_copy_detector
    from surco.prior.prior import Prior
    from surco.prior.song_report import Songs

    codec = load_codec(context, spec.codec)
    vectors = VectorSet.load(context.artifact(spec.vectors, "vectors.safetensors"))
    vectors.require(codec=codec.fingerprint)
    train = vectors.take(split="train")
    prior = None
    if spec.prior:
        prior = Prior.load(context.artifact(spec.prior, "prior.safetensors"))
        prior.require(codec=codec.fingerprint, size=vectors.size)
    recipes = plan_edits(spec, context, train, codec)
    bars = _bars(spec, context, train, codec)
    composed = plan_bars(spec, train, bars)
    drawn = [c.song for c in composed] if bars else plan_drawn(spec, train, prior)
    songs = drawn + [r.song(_clips_a_song(spec)) for r in recipes]
    detector, judge = fit_copy_detector(train), _judge(spec, context, train)
    model = prior.fingerprint if prior else codec.fingerprint
    rows: list[MadeSong] = []
    waves: list[NDArray[np.float32]] = []
    kept: dict[str, NDArray[np.float32]] = {}
    for done, song in enumerate(songs):
        name = f"{as_file_name(song.genre)}-{song.recipe}-{train.size}-{song.seed:07d}"
        context.progress(done, len(songs), name)
        if bars and done < len(composed):
            wave, starts = sing(codec, composed[done], spec.seconds)  # (T,)
            row = describe(name, song, wave, starts, bars.detector, judge, bars.prior.fingerprint)
            rows.append(row.model_copy(update=heading(composed[done])))
        else:
            wave, starts = decode_song(codec, song.vectors, spec.seconds, song.poses)  # (T,)
            rows.append(describe(name, song, wave, starts, detector, judge, model))
        waves.append(wave)
        kept[name] = song.vectors
        write(context.out / "songs", rows[-1], wave, spec.collection)
    Songs(size=vectors.size, songs=rows).save(context.out / "songs.json")
    save_file(kept, context.out / "songs.safetensors")
    picture(waves, rows, context.out / "figures" / "songs.png")
    found = None
    if spec.edit and spec.edit != "amounts" and spec.dataset and len(recipes) > 1:
        from jobs.songwriting import assess_edit

        context.progress(len(songs), len(songs) + 1, "assessing the edit")
        found = assess_edit(
            codec,
            recipes,
            vectors,
            lambda ids: load_clips(context, str(spec.dataset), ids),
            judge,
            seed=spec.seed,
        )
        found.save(context.out / "edit.json")
    return publish(spec, context, rows, vectors.size, found)


def _clips_a_song(spec: Spec) -> int:
    from surco.prior.songs import clips_for

    return clips_for(spec.seconds)


def _seed(spec: Spec, genres: list[str], genre: str, k: int) -> int:
    """Of the k-th song of a genre: its own, so that a filter on genres changes no song."""
    return spec.seed * 1_000_000 + genres.index(genre) * 1000 + k


def plan_drawn(spec: Spec, train: "VectorSet", prior: "Prior | None") -> "list[Song]":
    """The songs drawn from the prior, or from a Gaussian; none where an edit is asked for."""
    from dataclasses import replace

    from surco.prior.baselines import GaussianPrior
    from surco.prior.songs import check_genres, sampled_song
    from surco.prior.whiten import fit_whitener

    genres, settings = sorted(set(train.genres)), None
    wanted = check_genres(spec.genres, prior.genres if prior else genres)
    if spec.edit is not None:
        return []
    sampler = prior or GaussianPrior(fit_whitener(train.vectors, train.genres, train.tracks))
    if prior:
        asked = {k: getattr(spec, k) for k in ("guidance", "steps", "temperature")}
        settings = replace(prior.settings, **{k: v for k, v in asked.items() if v is not None})
    clips = _clips_a_song(spec)
    return [
        sampled_song(sampler, genre, clips, seed=_seed(spec, genres, genre, k), settings=settings)
        for genre in wanted
        for k in range(spec.songs_per_genre)
    ]


def _bars(spec: Spec, context: Context, train: "VectorSet", codec: "Codec") -> "Bars | None":
    """The prior of bars; None where none is asked for, or where a style has too few tracks for one."""
    from jobs.bar_songs import NEEDED, fit_bars, too_few

    if spec.generator != "bars" or spec.edit is not None:
        return None
    if genre := too_few(train):
        context.log(
            f"{quoted(genre)} has fewer than {NEEDED} training tracks, too few for bars; the songs are drawn "
            "from the prior instead."
        )
        return None
    bars = fit_bars(codec, train, lambda done, total: context.progress(done, total, "reading beats"))
    context.log(f"{100 * bars.prior.copied:.1f} % of vectors of bars pass for a copy of a training vector.")
    return bars


def plan_bars(spec: Spec, train: "VectorSet", bars: "Bars | None") -> "list[Composed]":
    """The songs composed of bars; none without a prior of bars."""
    from surco.prior.composing import compose
    from surco.prior.songs import check_genres

    if bars is None:
        return []
    genres = sorted(set(train.genres))
    return [
        compose(bars.prior, genre, spec.seconds, seed=_seed(spec, genres, genre, k))
        for genre in check_genres(spec.genres, genres)
        for k in range(spec.songs_per_genre)
    ]


def plan_edits(spec: Spec, context: Context, train: "VectorSet", codec: "Codec") -> "list[Recipe]":
    """The recipes of the edit asked for, or of two that show what edits are."""
    from surco.edits.amounts import Amounts
    from surco.edits.recipe import draw_recipe
    from surco.prior.songs import check_genres

    genres = sorted(set(train.genres))
    wanted = check_genres(spec.genres, genres)
    if spec.edit is None:
        shown = [("interpolate", wanted[0], 0), ("average", wanted[-1], 0)] if spec.showcase else []
    elif spec.sources:
        home = dict(zip(train.clips, train.genres, strict=True)).get(spec.sources[0], wanted[0])
        shown = [(spec.edit, home, 0)]
    else:
        shown = [(spec.edit, genre, k) for genre in wanted for k in range(spec.songs_per_genre)]
    directions = _directions(spec, context, train) if shown and spec.edit != "amounts" else None
    arguments: dict[str, Any] = {
        **{k: getattr(spec, k) for k in ("sources", "target", "weight", "mode")},
        "amounts": Amounts.of(spec.amounts) if spec.amounts is not None else None,
    }
    return [
        draw_recipe(
            edit,
            train,
            genre,
            seed=_seed(spec, genres, genre, k),
            directions=directions,
            codec=codec,
            **arguments,
        )
        for edit, genre, k in shown
    ]


def _directions(spec: Spec, context: Context, train: "VectorSet") -> "Directions":
    """Directions of edits; attributes are measured on the training clips only where one is asked for."""
    import numpy as np

    from surco.edits.moves import fit_directions

    attributes: dict[str, NDArray[np.float64]] = {}
    if spec.edit == "attribute" and spec.dataset:
        from surco.latents.attributes import measure_all

        waves = load_clips(context, spec.dataset, train.clips)  # (N, T)
        measured = measure_all(waves, progress=lambda n: context.progress(n, len(waves), "measuring clips"))
        attributes = {k: np.where(np.isfinite(v), v, np.nanmean(v)) for k, v in measured.items()}
    return fit_directions(train.vectors, train.genres, attributes)


def load_clips(context: Context, dataset: str, clips: list[str]) -> "NDArray[np.float32]":
    """Waves (N, T) of clips of a data set, by id."""
    import numpy as np

    from surco.datasets import MusicDataset

    data = MusicDataset(context.folder(dataset))
    row = {clip.id: i for i, clip in enumerate(data.clips)}
    return np.stack([data[row[c]][0].numpy() for c in clips])


def _judge(spec: Spec, context: Context, train: "VectorSet") -> "GenreJudge | None":
    """The style classifier, or None where no data set is given to learn from."""
    from surco.datasets.sampling import spread_rows
    from surco.metrics.judge import GenreJudge, listen

    if spec.dataset is None:
        context.log("No dataset is given, so no style classifier listens to the songs.")
        return None
    rows = spread_rows(train.genres, spec.judge_clips, seed=spec.seed)
    context.progress(0, 1, "learning the styles")
    embeddings = listen(
        load_clips(context, spec.dataset, [train.clips[i] for i in rows]), device=context.device
    )
    return GenreJudge(embeddings, [train.genres[i] for i in rows], seed=spec.seed)


def publish(
    spec: Spec, context: Context, rows: "list[MadeSong]", size: int, found: "EditAnswer | None"
) -> Result:
    """Log the songs as audio, and store them under the collection's name."""
    context.beat()
    for row in rows:
        context.tracker.artifact(context.out / row.wav, "songs")
        for file in row.files:
            place = f"songs/{spec.collection}/{context.job_id[:8]}"
            context.store.put(f"{place}/{Path(file).name}", context.out / file)
    for path in sorted((context.out / "figures").glob("*.png")):
        context.tracker.artifact(path, "figures")
    context.tracker.artifact(context.out / "songs.json")
    if found:
        context.tracker.artifact(context.out / "edit.json")
        context.tracker.tags({"edit_answer": found.answer, "edit_sentence": found.sentence})
        context.log(found.sentence)
    heard = [r.style.agrees for r in rows if r.style and r.drawn]
    made = [r for r in rows if r.drawn]
    result: Result = {
        "songs": len(rows),
        "size": size,
        "seconds": sum(r.seconds for r in rows),
        "collection": spec.collection,
        "copies": sum(bool(r.copies) for r in made),
        "style_accuracy": sum(heard) / len(heard) if heard else None,
        "edit": {"edit": found.edit, "answer": found.answer, "sentence": found.sentence} if found else None,
    }
    context.tracker.params({"songs": len(rows), "size": size, "collection": spec.collection})
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result


def edits_of(asked: list[str]) -> dict[str, Any]:
    """The fields of a spec for what `--edit` says: one kind, or amounts by name such as tempo=1.2."""
    from jobs.yaml_text import parse_yaml
    from surco.edits.amounts import Amounts

    kinds = [word for word in asked if "=" not in word]
    amounts = [word.partition("=") for word in asked if "=" in word]
    if len(kinds) > 1 or (kinds and amounts):
        raise InputError("--edit takes one kind of edit, or amounts such as tempo=1.2; not both.")
    if amounts:
        named = {
            name.strip().replace("-", "_"): parse_yaml(value, f"--edit {quoted(name)}")
            for name, _, value in amounts
        }
        return {"edit": "amounts", "amounts": Amounts.of(named).asked}
    return {"edit": kinds[0] if kinds else None}


def read_songs(context: Context, job: str) -> "list[MadeSong]":
    """The songs that a generate job made."""
    from surco.prior.song_report import Songs

    return Songs.load(context.artifact(job, "songs.json")).songs


KIND = JobKind(
    name="generate",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("songs/*.wav", "songs/*.flac", "songs.json", "songs.safetensors", "figures/songs.png"),
    sweep=(
        SweepPart(
            section="generate",
            per_size=True,
            round=2,
            inputs={
                "dataset": Input("data"),
                "codec": Input("train"),
                "vectors": Input("embed"),
                "prior": Input("train_prior"),
            },
            values=lambda sweep, size: {"collection": sweep.name},
        ),
    ),
    columns={"songs": lambda result: result["songs"]},
    several={"edit": edits_of},
    evidence=(Evidence("songs", read_songs),),
)
