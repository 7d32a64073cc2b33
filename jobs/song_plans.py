"""What songs `jobs.generate` is to make: composed of bars, drawn, or edited from training clips."""

from typing import TYPE_CHECKING, Any

from jobs.context import Context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.bar_songs import Bars
    from jobs.generate import Spec
    from surco.codec import Codec
    from surco.edits.moves import Directions
    from surco.edits.recipe import Recipe
    from surco.latents.vectors import VectorSet
    from surco.prior.composing import Composed
    from surco.prior.prior import Prior
    from surco.prior.songs import Song


def clips_a_song(spec: "Spec") -> int:
    from surco.prior.songs import clips_for

    return clips_for(spec.seconds)


def _seed(spec: "Spec", genres: list[str], genre: str, k: int) -> int:
    """Of the k-th song of a genre: its own, so that a filter on genres changes no song."""
    return spec.seed * 1_000_000 + genres.index(genre) * 1000 + k


def plan_drawn(spec: "Spec", train: "VectorSet", prior: "Prior | None") -> "list[Song]":
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
    clips = clips_a_song(spec)
    return [
        sampled_song(sampler, genre, clips, seed=_seed(spec, genres, genre, k), settings=settings)
        for genre in wanted
        for k in range(spec.songs_per_genre)
    ]


def bars_for(spec: "Spec", context: Context, train: "VectorSet", codec: "Codec") -> "Bars | None":
    """The training vectors as bars; None where songs of bars are not asked for."""
    from jobs.bar_songs import read_bars

    if spec.generator == "prior" or spec.edit is not None:
        return None
    return read_bars(codec, train, lambda done, total: context.progress(done, total, "reading beats"))


def plan_bars(
    spec: "Spec", context: Context, bars: "Bars | None", codec: "Codec"
) -> "tuple[list[Composed], str]":
    """Songs composed or remixed of bars, and the fingerprint of what made them; none without bars."""
    from functools import partial

    from jobs.bar_songs import fit_bars
    from surco.prior.composing import compose
    from surco.prior.remix import remix
    from surco.prior.songs import check_genres

    if bars is None:
        return [], ""
    genres = sorted(set(bars.memory.genres))
    wanted = check_genres(spec.genres, genres)
    if spec.generator == "remix":
        make, model = partial(remix, codec, bars.memory, bars.tempi), codec.fingerprint
    else:
        prior = fit_bars(codec, bars)
        share = f"{100 * prior.copied:.1f} %"
        context.log(f"{share} of vectors of bars pass for a copy of a training vector.")
        make, model = partial(compose, prior), prior.fingerprint
    songs = [
        make(genre, spec.seconds, seed=_seed(spec, genres, genre, k))
        for genre in wanted
        for k in range(spec.songs_per_genre)
    ]
    return songs, model


def plan_edits(spec: "Spec", context: Context, train: "VectorSet", codec: "Codec") -> "list[Recipe]":
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


def _directions(spec: "Spec", context: Context, train: "VectorSet") -> "Directions":
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
