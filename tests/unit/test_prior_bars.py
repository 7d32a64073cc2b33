"""Bars: beats found, a prior of local Gaussians, forms, keys, joins, loudness, and `make-song`."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from surco.audio.loudness import loudness, set_loudness, true_peak
from surco.cli.verbs import Verb
from surco.codec import Codec, recode
from surco.codec.harmony import basis
from surco.codec.pose import Pose
from surco.codec.vector_layout import places
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.bars import BarPrior, Played, spread
from surco.prior.beats import FRAMES, find_start, find_tempo, on_beats, playing
from surco.prior.composing import compose, nearest
from surco.prior.keys import Key, key_of
from surco.prior.make_song import song_of, write_song
from surco.prior.movement import step
from surco.prior.render import render, starts_of

RATE = 22_050


def train_of(bpm: float, first: float, seconds: float = 5.0) -> np.ndarray:
    """An onset curve (F,) with a smooth peak on every beat."""
    t = np.arange(round(seconds * FRAMES)) / FRAMES
    beat = 60 / bpm
    away = (t - first + beat / 2) % beat - beat / 2
    return np.exp(-0.5 * (away / 0.015) ** 2)


def beaten(bpm: float, root: int, seed: int, seconds: float = 5.0) -> np.ndarray:
    """A wave (T,): noise bursts on every beat over a triad."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    wave = 0.05 * sum(np.sin(2 * np.pi * 220 * 2 ** ((root + k) / 12) * t) for k in (0, 4, 7))
    for at in np.arange(0.1, seconds, 60 / bpm):
        burst = wave[round(at * RATE) :][:1500]
        burst += 0.4 * rng.standard_normal(len(burst)) * np.exp(-np.arange(len(burst)) / 300)
    return wave.astype(np.float32)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def memory(codec: Codec) -> tuple[VectorSet, np.ndarray]:
    """Six tracks a genre of two clips each, at two tempi, as vectors of eight beats."""
    waves, tracks, genres = [], [], []
    for genre, bpm in (("folk", 100.0), ("jazz", 150.0)):
        for track in range(6):
            for clip in range(2):
                waves.append(beaten(bpm, track, seed=100 * track + clip))
                tracks.append(f"{genre} {track}")
                genres.append(genre)
    vectors = codec.encode(np.stack(waves), 64)
    read, pulses = on_beats(codec, vectors, tracks)
    clips = [str(i) for i in range(len(tracks))]
    held = VectorSet(read, clips, tracks, genres, ["train"] * len(clips), codec.fingerprint, "toy")
    return held, np.array([p.tempo for p in pulses])


@pytest.fixture(scope="module")
def prior(memory: tuple[VectorSet, np.ndarray]) -> BarPrior:
    return BarPrior.fit(*memory, tried=20)


# -- beats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bpm", "found"), [(140, 140), (100, 100), (70, 140), (188, 188)])
def test_a_track_has_one_tempo_and_clips_their_first_beat(bpm: float, found: float) -> None:
    curves = np.stack([train_of(bpm, first) for first in (0.05, 0.2, 0.31)])
    tempo, clarity = find_tempo(curves)
    assert tempo == pytest.approx(found, rel=0.01) and clarity > 0.5
    assert find_start(curves[1], found) == pytest.approx(0.2 % (60 / found), abs=0.03)


def test_what_has_no_pulse_has_no_clarity() -> None:
    assert find_tempo(np.zeros((2, 431))) == (120.0, 0.0)


def test_clips_of_any_tempo_are_read_as_eight_beats(memory: tuple[VectorSet, np.ndarray]) -> None:
    held, tempi = memory
    for genre, bpm in (("folk", 100), ("jazz", 150)):
        own = tempi[np.array(held.genres) == genre]
        assert own == pytest.approx(bpm, rel=0.02)


def test_many_clips_read_at_once_are_the_clips_read_one_by_one(codec: Codec) -> None:
    x = codec.encode(np.stack([beaten(100, 0, 0), beaten(150, 3, 1)]), 64)
    starts, beats = np.array([0.1, 0.3]), np.array([0.6, 0.4])
    poses = [-playing(100), -playing(150)]
    both = recode.read_each(codec, x, starts, poses, beats)
    for i in range(2):
        alone = recode.read(codec, x[i : i + 1], starts[i : i + 1], poses[i], beat=float(beats[i]))
        assert both[i] == pytest.approx(alone[0], abs=1e-2)


# -- the prior -------------------------------------------------------------------------------------


def test_a_prior_is_the_same_from_its_file_and_draws_the_same(prior: BarPrior, tmp_path: Path) -> None:
    prior.save(tmp_path / "prior.safetensors")
    again = BarPrior.load(tmp_path / "prior.safetensors")
    assert again.fingerprint == prior.fingerprint and again.known == ["folk", "jazz"]
    (a, tempo), (b, _) = (p.draw(np.random.default_rng(3), "jazz") for p in (prior, again))
    assert np.linalg.norm(a - b) < 0.02 * np.linalg.norm(a)  # axes are held in 8 bits
    assert tempo == pytest.approx(150, rel=0.02)
    assert np.array_equal(a, prior.draw(np.random.default_rng(3), "jazz")[0])
    (tmp_path / "prior.safetensors").write_bytes(b"none")
    with pytest.raises(InputError, match="is not a prior of bars"):
        BarPrior.load(tmp_path / "prior.safetensors")


def test_draws_differ_from_the_training_vectors_as_those_differ(
    prior: BarPrior, memory: tuple[VectorSet, np.ndarray]
) -> None:
    x = memory[0].vectors[np.array(memory[0].genres) == "folk"]
    rng = np.random.default_rng(0)
    drawn = np.stack([prior.draw(rng, "folk")[0] for _ in range(60)])
    assert np.linalg.norm(drawn.mean(0) - x.mean(0)) < np.linalg.norm(x - x.mean(0), axis=1).mean()
    assert 0.5 < drawn.std(0).sum() / x.std(0).sum() < 2
    assert 0 <= prior.copied <= 1


def test_what_a_prior_does_not_know_is_refused(prior: BarPrior) -> None:
    with pytest.raises(InputError, match="Unknown genre 'polka'; this prior knows folk, jazz"):
        prior.rows("polka")
    with pytest.raises(InputError, match="not of c0dec"):
        prior.require(codec="c0dec")


def test_components_are_spread_over_genres_and_tracks() -> None:
    genres = ["a"] * 10 + ["b"] * 2
    tracks = ["1"] * 8 + ["2"] * 2 + ["3", "4"]
    assert list(spread(genres, tracks, 6)) == [0, 1, 8, 9, 10, 11]
    assert len(spread(genres, tracks, 99)) == 12


def test_a_sampler_of_plain_clips_plays_what_is_drawn(prior: BarPrior, codec: Codec) -> None:
    sampler = Played(prior, codec)
    x = sampler.sample(["jazz", "folk"], seed=1)
    assert x.shape == (2, 64) and np.isfinite(x).all()
    assert np.array_equal(x, sampler.sample(["jazz", "folk"], seed=1))


# -- songs -----------------------------------------------------------------------------------------


def test_a_song_keeps_its_form_tempo_and_key(prior: BarPrior) -> None:
    plain = compose(prior, "jazz", 30, seed=5)
    assert np.array_equal(plain.song.vectors, compose(prior, "jazz", 30, seed=5).song.vectors)
    assert starts_of(plain.song.poses)[-1] >= 30 and len(plain.form) == len(plain.song.vectors)
    first, back = (np.flatnonzero(np.array(list(plain.form)) == plain.form[0])[k] for k in (0, 1))
    other = plain.form.index(next(c for c in plain.form if c.upper() != "A"))
    x = plain.song.vectors
    assert not np.array_equal(x[first], x[back])  # what comes back is varied
    assert np.linalg.norm(x[first] - x[back]) < np.linalg.norm(x[first] - x[other]) + 50
    wanted = Key.parse("Eb major")
    made = compose(prior, "jazz", 12, seed=5, tempo=80, key=wanted)
    assert made.tempo == 80 and {p.tempo for p in made.song.poses} == {playing(80).tempo}
    assert made.key is not None and wanted.semitones_to(made.key) == 0


def test_a_song_like_another_begins_at_what_is_nearest(prior: BarPrior) -> None:
    row = 7
    assert nearest(prior, prior.centres[row][None]) == row


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [({"seconds": 0}, "cannot last 0 s"), ({"tempo": 300}, "between 48 and 192"), ({"seconds": 1e9}, "last")],
)
def test_songs_out_of_bounds_are_refused(prior: BarPrior, asked: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        compose(prior, "jazz", **{"seconds": 10.0, **asked})  # type: ignore[arg-type]


def test_joins_step_no_more_than_the_music(codec: Codec) -> None:
    """Two clips 12 dB apart: laid end to end they step by that, joined they do not."""
    quiet, loud = codec.encode(np.stack([0.2 * beaten(120, 0, 0), 0.8 * beaten(120, 0, 1)]), 64)
    wave = render(codec, np.stack([quiet, loud]), [Pose(), Pose()])
    assert len(wave) == 10 * RATE and np.isfinite(wave).all()
    apart = np.concatenate([codec.decode(quiet), codec.decode(loud)])
    assert step(apart, 5.0)[0] > 8 > 5 > step(wave, 5.0)[0]


def test_a_rendered_song_is_as_long_as_asked_and_in_its_pose(codec: Codec) -> None:
    x = codec.encode(beaten(120, 0, 0), 64)
    poses = [playing(160)] * 3
    assert len(render(codec, np.stack([x] * 3), poses, 7.3)) == round(7.3 * RATE)
    assert len(render(codec, np.stack([x] * 3), poses)) == round(9.0 * RATE)


# -- keys ------------------------------------------------------------------------------------------


def in_c(semitones: int) -> np.ndarray:
    """Vectors (1, 512) of a major scale's weights, raised."""
    profile = np.array([3.0, -3, 1, -3, 2, 1, -3, 2.5, -3, 1, -3, 0])
    numbers = basis().mean(2).numpy() @ np.roll(profile, semitones)
    x = np.zeros((1, 512), np.float32)
    x[:, places(512)[1].numpy()] = 10 * numbers
    return x


@pytest.mark.parametrize("semitones", range(12))
def test_a_key_is_found_and_brought_to_another(semitones: int) -> None:
    key = key_of(in_c(semitones))
    assert key == Key(semitones, False)
    assert key.raised(key.semitones_to(Key(2, False))) == Key(2, False)
    assert -6 <= key.semitones_to(Key(2, False)) <= 5


def test_keys_are_read_as_musicians_write_them() -> None:
    assert [str(Key.parse(t)) for t in ("Am", "Bb", "f# major", "C♯ minor")] == [
        "A minor", "Bb major", "F# major", "C# minor",
    ]  # fmt: skip
    assert Key.parse("A minor").semitones_to(Key.parse("C major")) == 0  # its relative
    assert key_of(np.zeros((1, 512), np.float32)) is None
    with pytest.raises(InputError, match="is no key"):
        Key.parse("H dur")


# -- what a user gets ------------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [0.001, 0.3, 4.0])
def test_songs_are_equally_loud_and_their_peaks_held(gain: float) -> None:
    rng = np.random.default_rng(0)
    wave = gain * 0.05 * rng.standard_normal(4 * RATE)
    wave[:: RATE // 2] = gain * 0.9
    out = set_loudness(wave.astype(np.float32))
    assert loudness(out) == pytest.approx(-16, abs=0.3)
    assert true_peak(out) < -1
    assert not set_loudness(np.zeros(RATE, np.float32)).any()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_a_song_is_written_with_its_tags(prior: BarPrior, codec: Codec, tmp_path: Path, suffix: str) -> None:
    wave, facts = song_of(codec, prior, genre="jazz", seconds=6, key="A minor", seed=3)
    write_song(tmp_path / f"song{suffix}", wave, facts)
    with soundfile.SoundFile(tmp_path / f"song{suffix}") as file:
        assert file.samplerate == RATE and len(file) == 6 * RATE and file.channels == 1
        assert file.genre == "jazz" and file.title == facts["title"] and "no. 3" in file.title
        assert "tempo 15" in file.comment and "key " in file.comment and prior.fingerprint in file.comment
    json.dumps(facts)


def test_a_song_like_a_file_takes_its_tempo(prior: BarPrior, codec: Codec, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "seed.wav", beaten(120, 2, 0, seconds=11.0), RATE)
    _, facts = song_of(codec, prior, seconds=5, like=tmp_path / "seed.wav")
    assert facts["tempo"] == pytest.approx(120, rel=0.03) and facts["genre"] in ("folk", "jazz")


def test_make_song_is_a_verb_of_the_core_package() -> None:
    from surco.cli import VERBS

    verb: Verb = next(v for v in VERBS if v.name == "make-song")
    assert verb.target().__name__ == "make_song"
