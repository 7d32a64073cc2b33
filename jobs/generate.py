"""Make songs: drawn from a prior, or edited from training clips; as WAV and FLAC with tags.

Artifacts: `songs/*.wav`, `songs/*.flac`, `songs.json` (per song its genre, seed, recipe, nearest
training clip and whether it is a copy, the style heard in it), `songs.safetensors` (the vectors (n, D)
of each) and `figures/songs.png`. The songs also go to `songs/<collection>/` of the store.
"""

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from jobs.context import Context
from jobs.spec import JobId, JobSpec

QUEUE = "cpu"

Edit = Literal[
    "interpolate", "path", "arithmetic", "probe", "attribute", "noise", "swap", "average", "extrapolate"
]


class Spec(JobSpec):
    """Without `edit`, songs are drawn from the prior, or from a Gaussian per genre where none is given."""

    vectors: JobId = Field(description="embed job whose training vectors are known")
    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    dataset: JobId | None = Field(None, description="prepare job; its training clips teach the styles")
    prior: JobId | None = Field(None, description="train_prior job; None draws from a Gaussian per genre")
    genres: list[str] | None = Field(None, description="genres to make songs of; all if not given")
    songs_per_genre: int = Field(1, ge=1, le=1000)
    seconds: float = Field(9.5, gt=0, le=600, description="length of a song; clips are cross-faded")
    guidance: float | None = Field(None, ge=0, le=20, description="how hard to follow the genre")
    steps: int | None = Field(None, ge=1, le=1000, description="steps of the sampler")
    temperature: float | None = Field(None, ge=0, le=4, description="scale of the noise")
    edit: Edit | None = Field(None, description="make songs by this edit of training clips instead")
    sources: list[str] = Field([], description="edit: ids of the training clips; drawn by seed if not given")
    target: str | None = Field(None, description="edit: the genre to go to, or the attribute to raise")
    weight: float | None = Field(None, ge=-20, le=20, description="edit: how far the last clip is edited")
    mode: Literal["linear", "spherical"] = Field("linear", description="edit: the way between two songs")
    showcase: bool = Field(True, description="beside drawn songs, make one interpolation and one average")
    judge_clips: int = Field(24, ge=2, description="training clips per genre that teach the style classifier")
    collection: str = Field(
        "songs", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="folder of the store's songs/"
    )

    @model_validator(mode="after")
    def _edit_fits(self) -> Self:
        given = [n for n in ("sources", "target", "weight") if getattr(self, n) not in (None, [])]
        if self.edit is None and given:
            raise ValueError(f"{given[0]!r} belongs to an edit, and no edit is named")
        if self.edit == "attribute" and (self.target is None or self.dataset is None):
            raise ValueError("the edit 'attribute' needs target (the attribute to raise) and dataset")
        if self.edit is not None and self.prior is not None:
            object.__setattr__(self, "prior", None)  # an edit reads no prior, so it must not name another job
        return self


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Plan the songs, decode and judge each, write them, and put them where `make songs` finds them."""
    from safetensors.numpy import save_file

    from jobs.embed import load_codec
    from surco.latents.vectors import VectorSet
    from surco.prior.memorisation import fit_copy_detector
    from surco.prior.prior import Prior

    codec = load_codec(context, spec.codec)
    vectors = VectorSet.load(context.artifact(spec.vectors, "vectors.safetensors"))
    vectors.require(codec=codec.fingerprint)
    train = vectors.take(split="train")
    prior = None
    if spec.prior:
        prior = Prior.load(context.artifact(spec.prior, "prior.safetensors"))
        prior.require(codec=codec.fingerprint, size=vectors.size)
    songs = plan(spec, context, train, prior)
    detector, judge = fit_copy_detector(train), _judge(spec, context, train)
    model = prior.fingerprint if prior else codec.fingerprint
    rows, waves = [], []
    for done, (name, song) in enumerate(songs):
        context.progress(done, len(songs), name)
        wave = decode(codec, song.vectors, spec.seconds)  # (T,)
        waves.append(wave)
        rows.append(describe(name, song, wave, detector, judge, model))
        write(context.out / "songs", rows[-1], wave, spec)
    (context.out / "songs.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False))
    save_file({name: song.vectors for name, song in songs}, context.out / "songs.safetensors")
    picture(waves, rows, context.out / "figures" / "songs.png")
    return publish(spec, context, rows, vectors.size)


def plan(spec: Spec, context: Context, train: Any, prior: Any) -> list[tuple[str, Any]]:
    """The songs to make, each with its name."""
    from dataclasses import replace

    from surco.prior.baselines import GaussianPrior
    from surco.prior.songs import check_genres, clips_for, edited_song, sampled_song
    from surco.prior.whiten import fit_whitener

    genres = sorted(set(train.genres))
    wanted = check_genres(spec.genres, prior.genres if prior else genres)
    clips = clips_for(spec.seconds)
    songs = []

    def seed(genre: str, k: int) -> int:  # of the genre's own, so that a filter on genres changes no song
        return spec.seed * 1_000_000 + genres.index(genre) * 1000 + k

    if spec.edit is None:
        sampler = prior or GaussianPrior(fit_whitener(train.vectors, train.genres, train.tracks))
        settings = None
        if prior:
            asked = {k: getattr(spec, k) for k in ("guidance", "steps", "temperature")}
            settings = replace(prior.settings, **{k: v for k, v in asked.items() if v is not None})
        for genre in wanted:
            for k in range(spec.songs_per_genre):
                songs.append(sampled_song(sampler, genre, clips, seed=seed(genre, k), settings=settings))
        shown = [("interpolate", wanted[0]), ("average", wanted[-1])] if spec.showcase else []
    else:
        shown = [(spec.edit, genre) for genre in wanted for _ in range(spec.songs_per_genre)]
    directions = _directions(spec, context, train) if shown else None
    arguments: dict[str, Any] = {k: getattr(spec, k) for k in ("sources", "target", "weight", "mode")}
    for k, (edit, genre) in enumerate(shown):
        own = seed(genre, k % spec.songs_per_genre)
        songs.append(edited_song(edit, train, genre, clips, seed=own, directions=directions, **arguments))
    return [(f"{s.genre}-{s.recipe}-{train.size}-{s.seed:07d}", s) for s in songs]


def _directions(spec: Spec, context: Context, train: Any) -> Any:
    """Directions of edits; attributes are measured on the training clips only where one is asked for."""
    import numpy as np

    from surco.latents.edits import fit_directions

    attributes: dict[str, Any] = {}
    if spec.edit == "attribute" and spec.dataset:
        from surco.latents.attributes import measure_all

        waves = _clips(spec, context, train.clips)  # (N, T)
        measured = measure_all(waves, progress=lambda n: context.progress(n, len(waves), "measuring clips"))
        attributes = {k: np.where(np.isfinite(v), v, np.nanmean(v)) for k, v in measured.items()}
    return fit_directions(train.vectors, train.genres, attributes)


def _clips(spec: Spec, context: Context, clips: list[str]) -> Any:
    """Waves (N, T) of clips of the data set, by id."""
    import numpy as np

    from surco.datasets import MusicDataset

    assert spec.dataset is not None
    data = MusicDataset(context.folder(spec.dataset))
    row = {clip.id: i for i, clip in enumerate(data.clips)}
    return np.stack([data[row[c]][0].numpy() for c in clips])


def _judge(spec: Spec, context: Context, train: Any) -> Any:
    """The style classifier, or None where no data set is given to learn from."""
    from surco.prior.judge import StyleJudge, listen, spread_rows

    if spec.dataset is None:
        context.log("No dataset is given, so no style classifier listens to the songs.")
        return None
    rows = spread_rows(train.genres, spec.judge_clips, seed=spec.seed)
    context.progress(0, 1, "learning the styles")
    embeddings = listen(_clips(spec, context, [train.clips[i] for i in rows]), device=context.device)
    return StyleJudge(embeddings, [train.genres[i] for i in rows], seed=spec.seed)


def decode(codec: Any, vectors: Any, seconds: float) -> Any:
    """A song (T,) of its clip vectors (n, D), cross-faded, with a fade at its end, below full scale."""
    import numpy as np
    import torch

    from surco.prior.songs import OVERLAP

    rate = codec.mel.sample_rate
    device = next(codec.parameters()).device
    with torch.inference_mode():
        wave = codec.decode_long(torch.from_numpy(vectors).to(device), round(seconds * rate), overlap=OVERLAP)
    out = wave.float().cpu().numpy()
    fade = min(len(out), rate // 4)
    out[len(out) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out * min(1.0, 0.98 / max(float(np.abs(out).max()), 1e-9))


def describe(name: str, song: Any, wave: Any, detector: Any, judge: Any, model: str) -> dict[str, Any]:
    """The row of `songs.json`: the story of a song, the nearest training clip, the style heard."""
    from dataclasses import asdict

    import numpy as np

    from surco.prior.judge import listen

    matches = detector.check(song.vectors)
    closest = min(matches, key=lambda m: m.relative)
    row = {
        "name": name,
        "title": f"{song.genre.title()}, {song.recipe}, {song.seed}",
        "genre": song.genre,
        "recipe": song.recipe,
        "told": song.told,
        "sources": song.sources,
        "seed": song.seed,
        "size": int(song.vectors.shape[1]),
        "seconds": round(len(wave) / 22_050, 3),
        "model": model,
        "files": [f"songs/{name}.wav", f"songs/{name}.flac"],
        "nearest": asdict(closest),
        "copies": sorted({m.clip for m in matches if m.copy}),
        "style": None,
    }
    if judge is not None:
        clips = np.array_split(wave, max(1, round(len(wave) / 110_250)))
        heard = np.concatenate([listen(_padded(c)) for c in clips])  # (n, E)
        row["style"] = asdict(judge.opinion(heard, song.genre))
    return row


def _padded(wave: Any) -> Any:
    """A wave (T,) of less than a second as a clip (1, 22050) that can be listened to."""
    import numpy as np

    return np.pad(wave, (0, max(0, 22_050 - len(wave))))[None]


def write(folder: Path, row: dict[str, Any], wave: Any, spec: Spec) -> None:
    """WAV, and FLAC with tags."""
    from surco.audio.io import write_flac, write_wav

    tags = {
        "title": row["title"],
        "artist": "Surco",
        "album": spec.collection,
        "genre": row["genre"],
        "comment": f"seed {row['seed']}; model {row['model']}; {row['size']} numbers per 5 s; "
        f"{row['recipe']}: {row['told']}",
    }
    write_wav(folder / f"{row['name']}.wav", wave)
    write_flac(folder / f"{row['name']}.flac", wave, tags=tags)


def picture(waves: list[Any], rows: list[dict[str, Any]], path: Path, *, most: int = 8) -> None:
    """Log-mel spectrograms of the first songs."""
    import torch

    from surco.audio.mel import LogMel, normalise_loudness
    from surco.report import style

    front = LogMel()
    panels = {}
    for wave, row in list(zip(waves, rows, strict=True))[:most]:
        if len(wave) > front.config.n_fft:
            level, _ = normalise_loudness(torch.from_numpy(wave)[None], front.config)
            panels[f"{row['genre']}, {row['recipe']}"] = front(level)[0].numpy()  # (80, frames)
    if panels:
        style.save(style.spectrogram_row(panels, seconds=rows[0]["seconds"], columns=4), path)


def publish(spec: Spec, context: Context, rows: list[dict[str, Any]], size: int) -> dict[str, Any]:
    """Log the songs as audio, and store them under the collection's name."""
    context.beat()
    for row in rows:
        context.tracker.artifact(context.out / row["files"][0], "songs")
        for file in row["files"]:
            context.store.put(f"songs/{spec.collection}/{Path(file).name}", context.out / file)
    for path in sorted((context.out / "figures").glob("*.png")):
        context.tracker.artifact(path, "figures")
    context.tracker.artifact(context.out / "songs.json")
    heard = [r["style"]["agrees"] for r in rows if r["style"] and r["recipe"] in ("sampled", "gaussian")]
    made = [r for r in rows if not r["sources"]]
    result: dict[str, Any] = {
        "songs": len(rows),
        "size": size,
        "seconds": sum(r["seconds"] for r in rows),
        "collection": spec.collection,
        "copies": sum(bool(r["copies"]) for r in made),
        "style_accuracy": sum(heard) / len(heard) if heard else None,
    }
    context.tracker.params({"songs": len(rows), "size": size, "collection": spec.collection})
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result
