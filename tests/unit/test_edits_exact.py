"""Edits in closed form: curves land where asked, parts add up, what is read anew is what was read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import surco
from surco.audio.io import read_audio
from surco.bench import Bench
from surco.codec import Codec, recode
from surco.codec.pose import Pose
from surco.edits import align, curves, parts, style
from surco.edits.parts import PARTS, Parts
from surco.edits.timbre import give_timbre
from surco.errors import InputError

RATE, SAMPLES = 22_050, 110_250
DEMO = Path(surco.__file__).parent / "datasets" / "demo"
quick = settings(deadline=None, max_examples=15, derandomize=True)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def bench(codec: Codec) -> Bench:
    return Bench(codec, 512)


def music(seed: int, *, bpm: float = 120.0, root: float = 220.0) -> np.ndarray:
    """A chord under a beat, a little noise: (T,)."""
    rng = np.random.default_rng(seed)
    t = np.arange(SAMPLES) / RATE
    wave = sum(np.sin(2 * np.pi * root * r * k * t) / k for r in (1, 1.25, 1.5) for k in (1, 2, 3, 4))
    wave = 0.1 * wave * np.exp(-3 * (t % 1.0)) + 0.02 * rng.standard_normal(SAMPLES)
    for start in range(1000, SAMPLES - 2000, round(60 / bpm * RATE)):
        wave[start : start + 2000] += 0.6 * rng.standard_normal(2000) * np.linspace(1, 0, 2000) ** 2
    return wave.astype(np.float32)


@pytest.fixture(scope="module")
def z(bench: Bench) -> np.ndarray:
    return bench.encode(np.stack([music(0), music(1, bpm=90, root=262.0)]))


@pytest.fixture(scope="module")
def song(bench: Bench) -> np.ndarray:
    """A clip of the demo, as a vector (1, 512)."""
    wave = read_audio(DEMO / "rock" / "rock.00002.ogg")
    return bench.encode(wave[None, :SAMPLES])


# -- parts -----------------------------------------------------------------------------------------


@quick
@given(st.sampled_from([32, 33, 64, 512, 1000, 2048]), st.integers(0, 99))
def test_parts_are_disjoint_projections_that_add_up(codec: Codec, size: int, seed: int) -> None:
    cut = Parts(codec, size)
    x = np.random.default_rng(seed).standard_normal((2, size)) * 30
    found = cut.split(x)
    np.testing.assert_allclose(sum(found.values()), x, atol=1e-9)
    assert sum(cut.numbers().values()) == size
    for name, part in found.items():
        np.testing.assert_allclose(cut.part(part, name), part, atol=1e-9)
        for other in PARTS:
            if other != name:
                np.testing.assert_allclose(cut.part(part, other), 0, atol=1e-9)


def test_given_parts_are_the_others_and_nothing_else_moves(codec: Codec, z: np.ndarray) -> None:
    cut = Parts(codec, 512)
    a, b = z[:1], z[1:]
    made = cut.give(a, b, {"rhythm": 1.0})
    np.testing.assert_allclose(cut.part(made, "rhythm"), cut.part(b, "rhythm"), atol=1e-3)
    for name in set(PARTS) - {"rhythm"}:
        np.testing.assert_allclose(cut.part(made, name), cut.part(a, name), atol=1e-3)
    assert cut.give(a, b, {"rhythm": 0.0}).tobytes() == a.tobytes()
    np.testing.assert_allclose(cut.give(a, b, dict.fromkeys(PARTS, 1.0)), b, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("melody", 512, "no part 'melody'; its parts are loudness"),
        ("harmony", 15, "hold no harmony; use 16"),
        ("rhythm", 16, "hold no rhythm; use 32"),
        ("timbre", 1, "hold no timbre; use 2"),
    ],
)
def test_unknown_parts_and_small_vectors_are_refused(codec: Codec, name: str, size: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Parts(codec, size).part(np.zeros((1, size)), name)
    with pytest.raises(InputError, match="not 4000"):
        Parts(codec, 4000)
    with pytest.raises(InputError, match="of 64 dimensions, not 65"):
        Parts(codec, 64).part(np.zeros((1, 65)), "timbre")


def test_rhythm_of_another_carries_its_attacks(bench: Bench, codec: Codec, z: np.ndarray) -> None:
    made = Parts(codec, 512).give(z[:1], z[1:], {"rhythm": 1.0})
    own, other, now = (align.onsets(bench.mel(bench.decode(v)))[0] for v in (z[:1], z[1:], made))
    assert np.corrcoef(now, other)[0, 1] > 0.7 > 0.4 > np.corrcoef(now, own)[0, 1]


# -- curves ----------------------------------------------------------------------------------------


@quick
@given(st.floats(-12, 12), st.floats(-12, 12))
def test_curves_compose(codec: Codec, a: float, b: float) -> None:
    g = curves.grid(codec)
    for curve in (curves.tilt, curves.tremolo, curves.ducking):
        np.testing.assert_allclose(curve(g, a) + curve(g, b), curve(g, a + b), atol=1e-4)
    np.testing.assert_allclose(
        curves.band(g, a, "bass") + curves.band(g, b, "bass"), curves.band(g, a + b, "bass"), atol=1e-4
    )


def test_bands_add_up_to_all_frequencies(codec: Codec) -> None:
    g = curves.grid(codec)
    every = sum(curves.band(g, 3.0, name) for name in curves.BANDS)
    np.testing.assert_allclose(every, 3.0, atol=1e-5)
    with pytest.raises(InputError, match="no band 'middle'"):
        curves.band(g, 1.0, "middle")


def test_a_flat_curve_is_gain_alone(codec: Codec, z: np.ndarray) -> None:
    made = curves.add(codec, z, np.full((1, 80, 431), 5.0, np.float32))
    np.testing.assert_allclose(made[:, 0], z[:, 0] + 5, atol=1e-3)
    np.testing.assert_allclose(made[:, 1:], z[:, 1:], atol=0.05)


@pytest.mark.parametrize(
    ("name", "amount"), [("tilt", -6.0), ("tilt", 6.0), ("tremolo", 6.0), ("ducking", 9.0), ("bass", 6.0)]
)
def test_curves_land_where_they_were_asked_for(
    bench: Bench, codec: Codec, song: np.ndarray, name: str, amount: float
) -> None:
    """Slope of the change that is heard on the change that was asked for, where there is sound."""
    g = curves.grid(codec)
    delta = curves.band(g, amount, name) if name == "bass" else getattr(curves, name)(g, amount)
    made = curves.add(codec, song, delta)
    level = np.float32(10 ** ((-20 - song[0, 0]) / 20))  # both at the loudness of the unedited one
    before, after = (codec.log_mel(torch.from_numpy(bench.decode(v) * level)).numpy() for v in (song, made))
    sounds = (before > -70) & (after > -70)
    slope = ((after - before) * delta * sounds).sum() / (delta * delta * sounds).sum()
    assert slope == pytest.approx(1, abs=0.12)


def test_what_the_network_undoes_of_a_curve_is_added_again(codec: Codec, song: np.ndarray) -> None:
    delta = curves.tremolo(curves.grid(codec), 12.0)
    before = Bench(codec, 512).decode_mel(song)

    def missed(rounds: int) -> float:
        made = curves.add(codec, song, delta, rounds=rounds)
        got = Bench(codec, 512).decode_mel(made) + (made[:, 0] - song[:, 0])[:, None, None]
        return float(np.abs(np.maximum(got, -80) - np.maximum(before + delta, -80)).mean())

    assert missed(2) < 0.9 * missed(0)
    nothing = np.zeros_like(delta)
    np.testing.assert_allclose(curves.add(codec, song, nothing), song, atol=1e-3)


def test_timbre_is_the_spectrum_that_stays_and_how_far_it_swings(codec: Codec, z: np.ndarray) -> None:
    a, b = z[:1], z[1:]
    assert give_timbre(codec, a, b, 0.0).tobytes() == a.tobytes()
    mels = Bench(codec, 512).decode_mel
    plain = Parts(codec, 512).give(a, b, {"timbre": 1.0})
    there, before, now = (mels(v).std(2) for v in (b, plain, give_timbre(codec, a, b, 1.0)))
    wanted = np.clip(there, before / 2, before * 2)
    assert np.abs(now - wanted).mean() < 0.5 * np.abs(before - wanted).mean()


def test_fades_run_over_the_whole_song(bench: Bench, codec: Codec, z: np.ndarray) -> None:
    g = curves.grid(codec, 3)
    assert g.moments[1, 0] == 4.75 and g.seconds == 14.5
    rising = curves.fade_in(g, 9.5)
    assert rising[0, 0, 0] == -60 and rising[2].max() == rising[2].min() == 0
    assert rising[1, 0, 0] == pytest.approx(20 * np.log10(0.5), abs=0.01)
    wave = bench.decode(curves.add(codec, z, curves.fade_out(curves.grid(codec), 5.0)))
    quarter = SAMPLES // 4
    loud = 20 * np.log10(np.sqrt((wave.reshape(2, -1)[:, : 4 * quarter].reshape(2, 4, quarter) ** 2).mean(2)))
    assert (np.diff(loud, axis=1) < 0).all()


def test_dynamics_of_one_changes_nothing_and_of_none_is_level(codec: Codec, z: np.ndarray) -> None:
    mels = Bench(codec, 512).decode_mel(z)
    g = curves.grid(codec)
    assert not curves.dynamics(g, 1.0, mels).any()
    level = mels + curves.dynamics(g, 0.0, mels)
    assert curves.loudness(level).std() < 0.7 * curves.loudness(mels).std()


def test_how_much_of_a_curve_a_vector_holds(codec: Codec) -> None:
    g = curves.grid(codec)
    assert curves.kept(codec, 512, curves.tilt(g, 6.0)) > 0.99
    assert curves.kept(codec, 32, curves.tremolo(g, 6.0)) < curves.kept(codec, 2048, curves.tremolo(g, 6.0))


# -- reading anew ----------------------------------------------------------------------------------


def test_the_identity_is_the_song_itself(codec: Codec, z: np.ndarray) -> None:
    assert recode.posed(codec, z, Pose()).tobytes() == z.tobytes()


def test_a_song_read_anew_lasts_as_long_as_its_pose_says(codec: Codec, z: np.ndarray) -> None:
    song = np.concatenate([z, z])  # 4 clips, 19.25 s
    assert len(recode.posed(codec, song, Pose.of(0.5))) == 9  # 38.5 s
    assert len(recode.posed(codec, song, Pose.of(2.0))) == 2  # 9.6 s


def test_what_is_read_anew_sounds_as_the_pose(bench: Bench, codec: Codec, z: np.ndarray) -> None:
    pose = Pose.of(1.0, 3)
    one, two = (bench.mel(w) for w in (bench.decode(z, pose), bench.decode(recode.posed(codec, z, pose))))
    other = bench.mel(bench.decode(z[::-1], pose))
    assert np.abs(one - two).mean() < 0.6 * np.abs(one - other).mean()
    assert recode.posed(codec, z, pose)[:, 0] == pytest.approx(z[:, 0], abs=1.5)  # as loud as it was


def test_two_songs_are_brought_to_one_tempo_and_key(codec: Codec, bench: Bench) -> None:
    a = bench.encode(music(2, bpm=120, root=220.0)[None])
    b = bench.encode(music(3, bpm=96, root=220.0 * 2 ** (3 / 12))[None])
    fitted, (found,) = align.aligned(codec, a, b)
    assert found.pose.tempo == pytest.approx(120 / 96, rel=0.04)
    assert found.pose.semitones == -3
    ours, theirs, before = (align.onsets(bench.mel(bench.decode(v)))[0] for v in (a, fitted, b))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.5 > np.corrcoef(ours, before)[0, 1]


def test_between_two_songs_lie_both(codec: Codec, z: np.ndarray) -> None:
    cut = Parts(codec, 512)
    start, poses = style.between(codec, cut, z[:1], z[1:], 0.0)
    assert start.tobytes() == z[:1].tobytes() and not poses[0]
    _, end = style.between(codec, cut, z[:1], z[1:], 1.0)
    _, (found,) = align.aligned(codec, z[:1], z[1:])
    assert not found.pose + end[0]


def test_a_style_moves_timbre_and_rhythm_alone(codec: Codec) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 64))
    x[20:] = 3 * x[20:] + 5
    known = style.Styles.fit(x, ["a"] * 20 + ["b"] * 20)
    cut = Parts(codec, 64)
    made = known.towards(cut, x[:20].astype(np.float32), "a", "b", 1.0)
    for name in ("loudness", "harmony", "detail"):
        np.testing.assert_allclose(cut.part(made, name), cut.part(x[:20], name), atol=1e-4)
    before, after, there = (cut.part(v, "timbre")[:, 1:].mean() for v in (x[:20], made, x[20:]))
    assert abs(after - there) < 0.1 * abs(before - there)
    assert (
        known.towards(cut, x[:3].astype(np.float32), "a", "b", 0.0).tobytes()
        == x[:3].astype(np.float32).tobytes()
    )
    with pytest.raises(InputError, match="genre 'polka'; use one of a, b"):
        known.towards(cut, x[:3], "a", "polka", 1.0)


def test_rhythm_is_the_subspace_that_broad_bands_span(codec: Codec) -> None:
    wave = np.zeros((1, 80, 431), np.float32)
    wave[:, :, 100:110] = 6.0  # all bands jump at once
    zero = np.zeros((1, 512), np.float32)
    change = curves.add(codec, zero, wave) - curves.add(codec, zero, np.zeros_like(wave))
    cut = Parts(codec, 512)
    energy = {name: float(np.square(cut.part(change, name)).sum()) for name in ("rhythm", "detail")}
    assert energy["rhythm"] > 10 * energy["detail"]
    assert parts.SMALLEST["rhythm"] == 32
