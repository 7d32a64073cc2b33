"""Make songs: of bars, drawn from a prior, remixed, or edited from training clips; as WAV and FLAC with tags.

Artifacts: `songs/*.wav`, `songs/*.flac` and a picture of each, `songs/*.png`; `songs.json` (per song its
genre, seed, recipe, nearest training clip and whether it is a copy, the style heard in it),
`songs.safetensors` (the vectors (n, D) of each), `figures/songs.png` and, with an edit, `edit.json`: is it
possible with this method, and why.
The songs also go to `songs/<collection>/<job>/` of the store.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from jobs.context import Context
from jobs.done import Result
from jobs.figures import draw
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec
from surco.edits.kinds import Edit
from surco.errors import InputError, quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surco.edits.edit_report import EditAnswer
    from surco.latents.vectors import VectorSet
    from surco.metrics.judge import GenreJudge
    from surco.prior.song_report import MadeSong


class Spec(JobSpec):
    """Without `edit`, songs are composed of bars (`jobs.bar_songs`), which gives them a beat.

    With `generator: prior` they are drawn from the prior instead, or from a Gaussian per genre where none is
    given; with `generator: remix` they are real training vectors, edited to one tempo and key, and say so.
    """

    vectors: JobId = Field(description="embed job whose training vectors are known")
    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    dataset: JobId | None = Field(None, description="prepare job; its training clips teach the styles")
    prior: JobId | None = Field(None, description="train_prior job; None draws from a Gaussian per genre")
    generator: Literal["prior", "bars", "remix"] = Field(
        "bars",
        description="what makes songs: a prior of bars fitted to the training vectors, `prior`, or a remix "
        "of training clips",
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
    from jobs.song_plans import bars_for, clips_a_song, load_clips, plan_bars, plan_drawn, plan_edits
    from jobs.songwriting import decode_song, describe, named, picture, pictures, write
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
    bars = bars_for(spec, context, train, codec)
    composed, composer = plan_bars(spec, context, bars, codec)
    drawn = [c.song for c in composed] if bars else plan_drawn(spec, train, prior)
    songs = drawn + [r.song(clips_a_song(spec)) for r in recipes]
    detector, judge = fit_copy_detector(train), _judge(spec, context, train)
    model = prior.fingerprint if prior else codec.fingerprint
    rows: list[MadeSong] = []
    waves: list[NDArray[np.float32]] = []
    kept: dict[str, NDArray[np.float32]] = {}
    numbers: Counter[tuple[str, str]] = Counter()
    for done, song in enumerate(songs):
        numbers[song.genre, song.recipe] += 1
        number = numbers[song.genre, song.recipe]
        context.progress(done, len(songs), f"{song.genre} {number}")
        if bars and done < len(composed):
            about = heading(composed[done], number)
            wave, starts = sing(codec, composed[done], spec.seconds)  # (T,)
            row = describe(song, wave, starts, bars.detector, judge, composer, **about)
        else:
            wave, starts = decode_song(codec, song.vectors, spec.seconds, song.poses)  # (T,)
            about = {"title": f"{song.genre.title()} no. {number}, {song.recipe}"}
            row = describe(song, wave, starts, detector, judge, model, **about)
        row = named(row, number, spec.seed, taken=kept)
        if draw(context, row.name, partial(picture, wave, row), folder="songs"):
            row = row.model_copy(update={"picture": f"songs/{row.name}.png"})
        write(context.out / "songs", row, wave, spec.collection)
        rows.append(row)
        waves.append(wave)
        kept[row.name] = song.vectors
    Songs(size=vectors.size, songs=rows).save(context.out / "songs.json")
    save_file(kept, context.out / "songs.safetensors")
    draw(context, "songs", partial(pictures, waves, rows))
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


def _judge(spec: Spec, context: Context, train: "VectorSet") -> "GenreJudge | None":
    """The style classifier, or None where no data set is given to learn from."""
    from jobs.song_plans import load_clips
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
        for file in [*row.files, *([row.picture] if row.picture else [])]:
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
    artifacts=(
        "songs/*.wav",
        "songs/*.flac",
        "songs/*.png",
        "songs.json",
        "songs.safetensors",
        "figures/songs.png",
    ),
    sweep=(
        SweepPart(
            section="generate",
            per_size=True,
            middle=True,
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
    flags={"generator": "--recipe"},
    columns={"songs": lambda result: result["songs"]},
    several={"edit": edits_of},
    evidence=(Evidence("songs", read_songs),),
)
