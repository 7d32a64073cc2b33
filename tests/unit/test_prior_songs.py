"""Songs and recipes, and the two jobs that train a prior and make songs with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from prior_toys import toy_set
from pydantic import ValidationError

from jobs import generate, listen, train_prior
from jobs.context import Context
from jobs.local import local_context, run_local
from surco.bench import Bench
from surco.codec import Codec
from surco.codec.codec import CodecConfig
from surco.edits.amounts import Amounts
from surco.edits.answer import answer
from surco.edits.kinds import EDITS
from surco.edits.moves import Directions, fit_directions
from surco.edits.recipe import draw_recipe
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.baselines import GaussianPrior
from surco.prior.prior import Prior
from surco.prior.song_report import Songs
from surco.prior.songs import check_genres, clips_for, sampled_song
from surco.prior.whiten import fit_whitener

SIZE = 16  # dimensions, the last of which is of harmony


@pytest.fixture(scope="module")
def train() -> VectorSet:
    return toy_set(120, size=SIZE).take(split="train")


@pytest.fixture(scope="module")
def directions(train: VectorSet) -> Directions:
    return fit_directions(train.vectors, train.genres, {"tempo": train.vectors[:, 2].astype(np.float64)})


def recipe(edit: str, train: VectorSet, known: Directions, **more: Any) -> Any:
    target: dict[str, Any] = {"target": "tempo"} if edit == "attribute" else {}
    if edit == "amounts":
        target = {"amounts": Amounts(gain=3, tempo=1.25), "codec": Codec.load()}
    return draw_recipe(edit, train, "folk", **{"seed": 1, "directions": known, **target, **more})


# -- songs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "clips"), [(0.5, 1), (5, 1), (5.1, 2), (9.75, 2), (14.5, 3), (60, 13)])
def test_clips_fill_a_song(seconds: float, clips: int) -> None:
    assert clips_for(seconds) == clips
    assert clips * 4.75 + 0.25 >= seconds


@pytest.mark.parametrize("seconds", [-3, 0, 601, float("nan")])
def test_impossible_lengths_are_refused(seconds: float) -> None:
    with pytest.raises(InputError, match="A song cannot last"):
        clips_for(seconds)


def test_unknown_genres_are_named() -> None:
    assert check_genres(None, ["folk", "jazz"]) == ["folk", "jazz"]
    assert check_genres(["jazz", "jazz"], ["folk", "jazz"]) == ["jazz"]
    with pytest.raises(InputError, match="Unknown genre 'polka'; there are folk, jazz"):
        check_genres(["jazz", "polka"], ["folk", "jazz"])


def test_a_gaussians_song_keeps_the_spread_of_music_and_its_clips_together(train: VectorSet) -> None:
    gauss = GaussianPrior(fit_whitener(train.vectors, train.genres, train.tracks))
    songs = np.stack([sampled_song(gauss, "jazz", 3, seed=k).vectors for k in range(100)])  # (100, 3, D)
    alone = gauss.sample(["jazz"] * 400, seed=1)
    np.testing.assert_allclose(songs[:, 2].std(0), alone.std(0), rtol=0.25)
    z = gauss.whitener.forward(songs.reshape(-1, SIZE)).reshape(100, 3, SIZE)
    assert (
        np.linalg.norm(z[:, 1] - z[:, 0], axis=-1).mean()
        < 0.7 * np.linalg.norm(z[1:, 0] - z[:-1, 0], axis=-1).mean()
    )


# -- recipes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_begins_with_its_source_and_goes_somewhere(edit, train, directions) -> None:  # type: ignore[no-untyped-def]
    made = recipe(edit, train, directions)
    song = made.song(3)
    assert song.vectors.shape == (3, SIZE) and song.genre == "folk" and made.sources[0] in song.told
    np.testing.assert_array_equal(song.vectors[0], train.vectors[train.clips.index(made.sources[0])])
    assert np.linalg.norm(song.vectors[2] - song.vectors[0]) > 0.1
    assert recipe(edit, train, directions).song(3).vectors.tobytes() == song.vectors.tobytes()


def test_an_interpolation_ends_with_the_other_song_and_one_clip_is_halfway(train, directions) -> None:  # type: ignore[no-untyped-def]
    made = recipe("interpolate", train, directions)
    a, b = (train.vectors[train.clips.index(s)] for s in made.sources)
    assert train.genres[train.clips.index(made.sources[1])] == "jazz"
    np.testing.assert_array_equal(made.song(2).vectors[1], b)
    np.testing.assert_allclose(made.song(1).vectors[0], (a + b) / 2, atol=1e-5)


def test_named_sources_and_weights_are_used(train, directions) -> None:  # type: ignore[no-untyped-def]
    made = recipe("interpolate", train, directions, sources=[train.clips[3], train.clips[9]], weight=0.25)
    expected = 0.75 * train.vectors[3] + 0.25 * train.vectors[9]
    np.testing.assert_allclose(made.song(2).vectors[1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("edit", "more", "says"),
    [
        ("reverse", {}, "There is no edit 'reverse'"),
        ("swap", {"sources": ["clip.00000"]}, "needs 2 clips, 1 are named"),
        ("noise", {"sources": ["clip.99999"]}, "no training clip 'clip.99999'"),
        ("interpolate", {"target": "polka"}, "Unknown genre 'polka'"),
        ("attribute", {"target": "warmth"}, "attribute 'warmth'"),
        ("noise", {"directions": None}, "needs directions"),
        ("path", {"weight": 3.0}, "at most 2"),
    ],
)
def test_impossible_recipes_are_refused(edit, more, says, train, directions) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=says):
        recipe(edit, train, directions, **more).song(2)


class PlantedBench(Bench):
    """Sound is the vector itself; style is read off its second number, which jazz has at 20 and folk at 0."""

    def __init__(self) -> None:
        pass

    def decode(self, vectors, pose=None):  # type: ignore[no-untyped-def]
        return vectors

    encode = embed = decode

    def mel(self, waves):  # type: ignore[no-untyped-def]
        return waves[:, :, None]  # (n, M, 1)

    decode_mel = mel

    def style(self, heard, genres):  # type: ignore[no-untyped-def]
        jazz = 1 / (1 + np.exp(-(heard[:, 1] - 10) / 3))
        return np.where(np.array(genres) == "jazz", jazz, 1 - jazz)

    def harmony(self, waves, others):  # type: ignore[no-untyped-def]
        return -np.abs(waves[:, 15] - others[:, 15])  # the last number, which is of harmony


def test_a_planted_edit_is_found_possible_and_noise_changes_what_it_should(train, directions) -> None:  # type: ignore[no-untyped-def]
    unseen = toy_set(120, size=SIZE).take(split="valid")
    arguments = {"real": unseen.vectors, "train": train, "unseen": unseen}
    jazz = [i for i, g in enumerate(train.genres) if g == "jazz"]
    for edit in ("arithmetic", "noise", "harmony"):
        made = [recipe(edit, train, directions, seed=k) for k in range(6)]
        originals = np.stack([r.vectors[0] for r in made])
        others = [r.vectors[-1] for r in made] if edit == "harmony" else train.vectors[jazz[:6]]
        found = answer(made, PlantedBench(), originals=originals, partners=np.stack(others), **arguments)
        assert found.measured.gain.low > 0
        assert edit != "arithmetic" or found.answer == "yes"
        assert found.measured.roughness.mean == pytest.approx(1, abs=0.01)
        assert found.sentence.startswith(edit)


def test_one_song_is_too_few_to_assess(train, directions) -> None:  # type: ignore[no-untyped-def]
    made = [recipe("noise", train, directions)]
    x = train.vectors[:1]
    with pytest.raises(InputError, match="two songs at least"):
        answer(made, PlantedBench(), originals=x, partners=x, real=x, train=train, unseen=train)


def test_a_song_of_amounts_goes_all_of_its_way_in_pose_and_numbers(train: VectorSet) -> None:
    asked = Amounts(gain=3, tempo=1.21, pitch=-2, timbre=1)
    made = recipe("amounts", train, fit_directions(train.vectors, train.genres, {}), amounts=asked)
    song = made.song(3)
    assert len(made.sources) == 2 and made.sources[1] in song.told and "tempo 1.21" in song.told
    assert [p.tempo for p in song.poses] == pytest.approx([1, 1.1, 1.21])
    assert [p.semitones for p in song.poses] == pytest.approx([0, -1, -2])
    assert song.vectors[:, 0] == pytest.approx(made.vectors[0, 0] + np.array([0, 1.5, 3]))
    with pytest.raises(InputError, match="needs amounts and a codec"):
        draw_recipe("amounts", train, "folk", seed=0)


# -- specs -----------------------------------------------------------------------------------------

JOB = "a" * 64


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seconds": -1}, "greater than 0"),
        ({"edit": "interpolate", "seconds": 0}, "greater than 0"),
        ({"target": "jazz"}, "'target' belongs to an edit"),
        ({"weight": 0.5}, "'weight' belongs to an edit"),
        ({"edit": "attribute"}, "needs target"),
        ({"edit": "amounts"}, "belong together"),
        ({"edit": "noise", "amounts": {"gain": 1}}, "belong together"),
        ({"amounts": {"tempo": 3}}, "lies between 0.5 and 2"),
        ({"amounts": {"speed": 3}}, "no edit 'speed'"),
        ({"edit": "reverse"}, "Input should be"),
        ({"collection": "../up"}, "String should match"),
        ({"songs_per_genre": 0}, "greater than or equal to 1"),
    ],
)
def test_impossible_specs_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        generate.Spec(vectors=JOB, **fields)


def test_an_edit_waits_for_no_prior() -> None:
    assert "b" * 64 not in generate.Spec(vectors=JOB, prior="b" * 64, edit="average").inputs()
    assert "b" * 64 in generate.Spec(vectors=JOB, prior="b" * 64).inputs()


# -- jobs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of jobs with a codec (untrained, with a random basis) and toy vectors."""
    root = tmp_path_factory.mktemp("jobs")
    codec = Codec(
        CodecConfig(size=16, rank=8, encoder_width=16, encoder_depth=1, decoder_width=16, decoder_depth=1)
    )
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(640, 8, generator=generator))[0]
    codec.linear.basis.copy_(basis)
    codec.linear.mean.fill_(-40)
    codec.linear.axes.copy_(torch.eye(8).repeat(2, 1)[:14])
    codec.linear.bins.copy_(torch.arange(14) // 8)
    context = local_context(root, "c" * 64)
    codec.save(context.out / "codec.safetensors")
    context.publish({})
    fingerprint = Codec.load(context.out / "codec.safetensors").fingerprint
    toy = toy_set(150, size=8)
    x = toy.vectors.copy()
    x[:, 0], x[:, 3] = -20, x[:, 0]  # the first dimension is the gain
    context = local_context(root, "e" * 64)
    VectorSet(x, toy.clips, toy.tracks, toy.genres, toy.splits, fingerprint, "d").save(
        context.out / "vectors.safetensors"
    )
    context.publish({})
    return root


def prior_spec(**fields: Any) -> train_prior.Spec:
    small: dict[str, Any] = {"steps": 200, "width": 32, "depth": 1, "batch_size": 32, "per_genre": 8}
    return train_prior.Spec(**{"vectors": "e" * 64, "codec": "c" * 64, **small, **fields})


@pytest.fixture(scope="module")
def prior_job(folder: Path) -> str:
    return run_local("train_prior", prior_spec(), folder)


def song_spec(**fields: Any) -> generate.Spec:
    given = {
        "seconds": 1.0,
        "showcase": False,
        "collection": "test",
        "generator": "prior",
        "songs_per_genre": 1,
        **fields,
    }
    return generate.Spec(vectors="e" * 64, codec="c" * 64, **given)


def reader(folder: Path) -> Context:
    return local_context(folder, "f" * 64)


def test_train_prior_publishes_a_prior_its_curve_and_its_comparison(folder: Path, prior_job: str) -> None:
    context = reader(folder)
    prior = Prior.load(context.artifact(prior_job, "prior.safetensors"))
    assert prior.size == 8 and prior.genres == ["folk", "jazz"]
    assert context.result(prior_job)["prior"] == prior.fingerprint
    told = train_prior.read_training(context, prior_job)
    (table,) = told.comparison.tables
    assert table.space == "vectors" and "Gaussian" in table.systems
    assert told.curve.step[0] == 0 and told.tuning.settings == told.comparison.settings == prior.settings
    assert {"figures/curve.png", "figures/tuning.png", "figures/comparison-vectors.png"} <= set(
        context.artifacts(prior_job)
    )


def test_one_test_track_of_one_clip_leaves_intervals_undefined_and_the_training_whole(
    folder: Path, prior_job: str
) -> None:
    held = VectorSet.load(reader(folder).artifact("e" * 64, "vectors.safetensors"))
    test = np.array(held.splits) == "test"
    folk, jazz = (np.flatnonzero(test & (np.array(held.genres) == g)) for g in ("folk", "jazz"))
    kept = held.rows(np.r_[np.flatnonzero(~test), folk[:5], jazz[:1]])
    tracks = [*kept.tracks[:-6], *["one track"] * 5, "another"]
    context = local_context(folder, "b" * 64)
    replace(kept, tracks=tracks).save(context.out / "vectors.safetensors")
    context.publish({})
    told: list[str] = []
    made = local_context(folder, "a" * 64)
    made.log = told.append
    result = train_prior.run(prior_spec(vectors="b" * 64, steps=1, patience=100), made)
    kad = result["systems"]["flow"]["kad"]
    assert kad["mean"] is not None and kad["low"] is None
    assert (made.out / "figures/comparison-vectors.png").is_file()
    assert not any("could not be drawn" in line for line in told)
    assert train_prior.LEARNED_NOTHING in told


def test_a_figure_that_fails_costs_no_training(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise TypeError("no such colour")

    monkeypatch.setattr("surco.prior.prior_figures.draw_comparison", broken)
    context = local_context(folder, "9" * 64)
    told: list[str] = []
    context.log = told.append
    result = train_prior.run(prior_spec(), context)
    assert result["prior"] and (context.out / "prior.safetensors").is_file()
    assert any("comparison-vectors could not be drawn (TypeError: no such colour)" in line for line in told)


def test_a_stopped_training_goes_on_from_its_checkpoint(folder: Path, prior_job: str, tmp_path: Path) -> None:
    class Halt(Exception):
        pass

    spec = prior_spec(checkpoint_seconds=1e-6)
    whole = Prior.load(reader(folder).artifact(prior_job, "prior.safetensors"))
    context = reader(folder)
    context.workdir = tmp_path

    def halt(done: float, total: float, note: str) -> None:
        if done == 200:
            raise Halt

    context.on_progress = halt
    with pytest.raises(Halt):
        train_prior.run(spec, context)
    context.on_progress = lambda done, total, note: None
    told: list[str] = []
    context.log = told.append
    train_prior.run(spec, context)
    assert "Resuming at step 100." in told
    assert Prior.load(context.out / "prior.safetensors").fingerprint == whole.fingerprint


def test_songs_are_written_tagged_stored_and_the_same_again(
    folder: Path, prior_job: str, tmp_path: Path
) -> None:
    spec = song_spec(prior=prior_job, genres=["jazz"], seed=3)
    job = run_local("generate", spec, folder)
    context = reader(folder)
    (row,) = generate.read_songs(context, job)
    assert row.genre == "jazz" and row.seconds == 1.0 and row.nearest.clip and row.style is None
    wav, flac = (context.artifact(job, f) for f in row.files)
    wave, rate = soundfile.read(wav)
    assert rate == 22_050 and len(wave) == 22_050 and 0.001 < np.abs(wave).max() < 1
    with soundfile.SoundFile(flac) as file:
        assert file.title == row.title and file.genre == "jazz" and row.model in file.comment
        assert f"seed {row.seed}" in file.comment
    stored = context.store.keys("songs/test/")
    assert {f"songs/test/{job[:8]}/{Path(f).name}" for f in row.files} <= set(stored)
    context.workdir = tmp_path
    generate.run(spec, context)
    for name in row.files:
        assert (context.out / name).read_bytes() == context.artifact(job, name).read_bytes()


def test_songs_of_bars_are_composed_tagged_and_the_same_again(folder: Path, tmp_path: Path) -> None:
    spec = song_spec(generator="bars", genres=["jazz"], seconds=12.0, songs_per_genre=1)
    job = run_local("generate", spec, folder)
    context = reader(folder)
    (row,) = generate.read_songs(context, job)
    assert row.recipe == "bars" and row.seconds == 12.0 and not row.sources and row.drawn
    assert row.tempo is not None and 48 <= row.tempo <= 192
    lengths = np.diff([*row.starts, 12.0])
    assert np.allclose(lengths[:-1], 8 * 60 / row.tempo, atol=0.01)  # eight beats each
    with soundfile.SoundFile(context.artifact(job, row.files[0])) as file:
        assert file.title == row.title and f"{row.tempo:g} BPM" in file.comment
    context.workdir = tmp_path
    generate.run(spec, context)
    for name in row.files:
        assert (context.out / name).read_bytes() == context.artifact(job, name).read_bytes()


def test_a_style_with_too_few_tracks_for_bars_gets_songs_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.bar_songs.NEEDED", 1000)
    context = local_context(folder, "8" * 64)
    told: list[str] = []
    context.log = told.append
    generate.run(song_spec(generator="bars", genres=["jazz"]), context)
    assert any("too few for bars" in line for line in told)
    (song,) = Songs.load(context.out / "songs.json").songs
    assert song.recipe == "gaussian"


def test_an_edit_needs_no_prior_and_its_source_counts_as_no_copy(folder: Path) -> None:
    spec = song_spec(edit="interpolate", genres=["folk"])
    job = run_local("generate", spec, folder)
    (row,) = generate.read_songs(reader(folder), job)
    assert row.recipe == "interpolate" and len(row.sources) == 2
    assert reader(folder).result(job)["copies"] == 0


def test_amounts_make_songs_that_say_what_was_done(folder: Path) -> None:
    spec = song_spec(amounts={"tempo": 0.8, "gain": 3, "timbre": 1}, genres=["folk"]).model_copy(
        update={"seconds": 9.5}
    )
    assert spec.edit == "amounts"
    job = run_local("generate", spec, folder)
    (row,) = generate.read_songs(reader(folder), job)
    assert row.recipe == "amounts" and "tempo 0.8" in row.told and len(row.sources) == 2
    assert row.starts == [0, 4.75] and row.seconds == pytest.approx(4.75 + 6.25, abs=0.01)
    wave, _ = soundfile.read(reader(folder).artifact(job, row.files[0]))
    first, last = listen._steps(wave, row.starts, 2)
    assert len(first) == round(4.75 * 22_050) and len(first) + len(last) == len(wave)


def test_jobs_refuse_vectors_of_another_codec_and_unknown_genres(folder: Path, prior_job: str) -> None:
    context = local_context(folder, "9" * 64)
    Codec(
        CodecConfig(size=8, rank=8, encoder_width=16, encoder_depth=1, decoder_width=16, decoder_depth=1)
    ).save(context.out / "codec.safetensors")
    context.publish({})
    other = {"vectors": "e" * 64, "codec": "9" * 64}
    with pytest.raises(InputError, match="were made by codec"):
        generate.run(generate.Spec(**other), reader(folder))
    with pytest.raises(InputError, match="were made by codec"):
        train_prior.run(train_prior.Spec(**other), reader(folder))
    with pytest.raises(InputError, match="Unknown genre 'polka'"):
        generate.run(song_spec(prior=prior_job, genres=["polka"]), reader(folder))
