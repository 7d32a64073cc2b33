"""The assessment of edits sees a planted success, a planted failure, and a path that jumps."""

import numpy as np
import pytest

from surco.bench import Bench
from surco.edits import assess
from surco.edits.assess import Steps
from surco.edits.moves import fit_directions
from surco.edits.study import Material, edit_study, tried
from surco.errors import InputError

N, E, D = 6, 10, 12
REAL = np.random.default_rng(9).standard_normal((40, E))


def steps(gain: float, *, unreal: float = 0.0, jump: bool = False) -> Steps:
    rng = np.random.default_rng(0)
    weights = [0.0, 0.5, 1.0]
    asked = np.stack([w * gain + 0.02 * rng.standard_normal(N) for w in weights])
    start = rng.standard_normal((N, E))
    embeddings = np.stack([start + w * unreal for w in weights])
    fine = np.linspace(0, 1, 9)
    shape = np.ones((9, N, 4, 5)) * fine[:, None, None, None] * 8
    mels = np.where(shape >= 4, 8.0, 0.0) if jump else shape
    vectors = np.stack([np.full((N, D), w) for w in weights])
    travelled = np.full(N, np.sqrt(D))
    return Steps(
        weights, asked, embeddings, vectors, fine.tolist(), mels, travelled, [f"t{i}" for i in range(N)]
    )


def judged(*args: float, **options: float) -> assess.Assessment:
    return assess.assess(steps(*args, **options), real=REAL, train=np.zeros((3, D)), reference=2.0)


def test_gain_slope_evenness_and_distance_are_those_planted() -> None:
    found = judged(0.8)
    assert found.gain.mean == pytest.approx(0.8, abs=0.05)
    assert found.gain.low <= found.gain.mean <= found.gain.high
    assert found.per_step.mean == pytest.approx(0.8, abs=0.05)
    assert found.roughness.mean == pytest.approx(1)
    assert found.audio_per_latent is not None
    assert found.audio_per_latent.mean == pytest.approx(8 / np.sqrt(D))
    assert found.nearest == pytest.approx([0, 0.5 * np.sqrt(D) / 2, np.sqrt(D) / 2])
    assert judged(0.8, jump=True).roughness.mean == pytest.approx(8)
    assert abs(found.realism_loss.mean) < 1e-9
    assert judged(0.8, unreal=3.0).realism_loss.low > 10


def test_the_answer_is_decided_against_mixing() -> None:
    def answer(edit: assess.Assessment, baseline: assess.Assessment) -> str:
        return assess.possible("edit", edit, baseline, asked="the style").answer

    mixing = judged(0.5, unreal=1.0)
    assert answer(judged(0.8, unreal=0.5), mixing) == "yes"
    assert answer(judged(0.48, unreal=0.5), mixing) == "yes"  # nearly as far, and more real
    assert answer(judged(2.0, unreal=2.0), mixing) == "yes"  # where it is as far as mixing, it is more real
    assert answer(judged(0.5, unreal=2.0), mixing) == "no better than mixing"
    assert answer(judged(0.2, unreal=0.5), mixing) == "no better than mixing"
    assert answer(judged(0.0), mixing) == "no"
    assert answer(judged(-0.5), mixing) == "no"
    assert assess.loss_at(judged(1.0), 2.0) is None
    sentence = assess.possible("More tempo", judged(0.0), mixing, asked="tempo").sentence
    assert sentence.startswith("More tempo: No. Tempo moves by")


def test_mixing_is_exact_at_its_ends() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 50)).astype(np.float32)
    for mix in (assess.mix_waves, assess.mix_mels):
        assert mix(a, b, 0).tobytes() == a.tobytes()
        assert mix(a, b, 1).tobytes() == b.tobytes()
        np.testing.assert_allclose(mix(a, b, 0.5), (a + b) / 2, atol=1e-6)


def test_steps_that_do_not_fit_are_refused() -> None:
    good = steps(1.0)
    with pytest.raises(InputError, match="embeddings of an edit"):
        Steps(**{**good.__dict__, "embeddings": good.embeddings[:2]})
    with pytest.raises(InputError, match="two songs"):
        one = {
            k: v[:, :1] for k, v in good.__dict__.items() if k in ("asked", "embeddings", "vectors", "mels")
        }
        Steps(**{**good.__dict__, **one, "tracks": ["t"]})


class ToyBench(Bench):
    """A codec whose sound is its vector: genre a has a high number 1, tempo is number 2."""

    def __init__(self) -> None:
        pass

    def decode(self, vectors, pose=None):  # type: ignore[no-untyped-def]
        return vectors

    def vocode(self, mels):  # type: ignore[no-untyped-def]
        return mels[:, :, 0]

    def mel(self, waves):  # type: ignore[no-untyped-def]
        return waves[:, :, None]

    encode = embed = decode
    decode_mel = mel

    def style(self, heard, genres):  # type: ignore[no-untyped-def]
        sign = np.array([1.0 if g == "a" else -1.0 for g in genres])
        return 1 / (1 + np.exp(-sign * heard[:, 1]))

    def measure(self, waves):  # type: ignore[no-untyped-def]
        return {"tempo": waves[:, 2]}

    def harmony(self, waves, others):  # type: ignore[no-untyped-def]
        return -np.abs(waves - others).mean(1)


def toy() -> tuple[ToyBench, Material]:
    """Songs of two genres that lie along number 1, with a tempo along number 2."""
    rng = np.random.default_rng(0)
    train = rng.standard_normal((120, D)).astype(np.float32)
    genres = ["a" if i % 2 else "b" for i in range(120)]
    train[:, 1] += [3.0 if g == "a" else -3.0 for g in genres]
    songs = train[:8] + np.float32(0.1)
    targets = ["b" if g == "a" else "a" for g in genres[:8]]
    partners = {
        "genre": np.stack([train[(i + 1) % 8 + 8] for i in range(8)]),
        "tempo": train[np.argsort(-train[:, 2])[:8]],
    }

    material = Material(
        waves=songs,
        vectors=songs,
        genres=genres[:8],
        tracks=[f"t{i}" for i in range(8)],
        targets=targets,
        partner_waves=partners,
        partner_vectors=partners,
        train=train,
        train_genres=genres,
        real=train[60:],
        reference=1.0,
        directions=fit_directions(train, genres, {"tempo": train[:, 2].astype(np.float64)}),
    )
    return ToyBench(), material


def test_a_study_of_edits_moves_what_it_can_reach_in_a_toy_codec() -> None:
    bench, material = toy()
    rows, sounds = edit_study(bench, material)
    by_name = {r.edit: r for r in rows}
    assert len(rows) == 10
    assert set(sounds) == set(by_name)
    for name in ("genre by means", "genre by probe", "more tempo"):
        assert by_name[name].possible.answer == "yes", by_name[name].possible.sentence
    assert by_name["genre by means"].measured.gain.mean > 0.8
    assert by_name["more tempo"].measured.gain.mean == pytest.approx(2, rel=0.15)
    assert by_name["interpolation, linear"].measured.roughness.mean == pytest.approx(1, abs=1e-3)
    again, _ = edit_study(*toy())
    assert [r.possible for r in again] == [r.possible for r in rows]


def test_every_edit_of_a_study_begins_at_the_song_itself() -> None:
    _, material = toy()
    for name, (_, _, _, move) in tried(material).items():
        assert move(0.0).tobytes() == material.vectors.tobytes(), name
