"""Songs as chains of vectors, the recipes of edits, and what is said of them."""

from typing import Any

import numpy as np
import pytest
from prior_toys import toy_set

from surco.bench import Bench
from surco.codec import Codec
from surco.edits.amounts import Amounts
from surco.edits.answer import answer
from surco.edits.kinds import EDITS
from surco.edits.moves import Directions, fit_directions
from surco.edits.recipe import draw_recipe
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.baselines import GaussianPrior
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
