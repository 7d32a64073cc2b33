"""The judgement of edits finds what was planted: amounts, what stayed, what became unreal, few tracks."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import surco
from surco.audio.io import read_audio
from surco.bench import Bench
from surco.codec import Codec
from surco.codec.pose import Pose
from surco.edits import hearing, judgement
from surco.edits.assess import Possible
from surco.edits.edit_report import Exactness, JudgedEdit
from surco.edits.hearing import Heard
from surco.edits.judgement import FEWEST, Judged, Realism, answer, estimate, ratio, slopes
from surco.edits.moves import fit_directions
from surco.edits.study import Material
from surco.edits.trial import try_edits
from surco.metrics.aggregate import Estimate
from surco.metrics.judge import GenreJudge

RATE = 22_050
TRACKS = [f"t{i}" for i in range(12)]


def mel(seed: int = 0, frames: int = 431) -> np.ndarray:
    """A log-mel (80, F) that changes: events with a decay, by bands."""
    rng = np.random.default_rng(seed)
    out = np.full((80, frames), -60.0)
    for start in rng.integers(0, frames - 40, 20):
        band = rng.integers(0, 70)
        out[band : band + 10, start : start + 40] += 40 * np.exp(-np.arange(40) / 8)
    return out


@pytest.mark.parametrize("tempo", [0.7, 0.75, 1.0, 1.1, 1.25])
def test_a_tempo_is_found_within_a_hundredth(tempo: float) -> None:
    one = mel()
    at = np.arange(int(430 / tempo) + 1) * tempo
    two = np.stack([np.interp(at, np.arange(431), row) for row in one])
    assert math.exp(hearing.log_tempo(one, two)) == pytest.approx(tempo, rel=0.01)
    assert math.isnan(hearing.log_tempo(one, np.zeros_like(one)))


@pytest.mark.parametrize("up", [-4, -1, 0, 2.5, 7])
def test_a_transposition_is_found_within_a_tenth_of_a_semitone(up: float) -> None:
    t = np.arange(3 * RATE) / RATE

    def chord(factor: float) -> np.ndarray:
        tones = [np.sin(2 * np.pi * f * k * factor * t) / k for f in (196, 247, 330) for k in (1, 2, 3)]
        return np.sum(tones, 0).astype(np.float32)

    one, two = (hearing.constant_q(chord(f), RATE) for f in (1.0, 2 ** (up / 12)))
    assert hearing.semitones(one, two) == pytest.approx(up, abs=0.1)


def test_the_slope_on_a_curve_counts_only_where_there_is_sound() -> None:
    before = mel()
    before[:40, :200] = -80
    curve = np.linspace(-6, 6, 80)[:, None] * np.ones((1, 431))
    after = np.where(before > -75, before + 0.8 * curve, before + 17)
    assert hearing.along(before, after, curve) == pytest.approx(0.8, abs=0.02)


def test_a_pose_is_undone_on_the_analysis() -> None:
    rng = np.random.default_rng(0)
    chroma = rng.random((12, 200))
    plain = Heard(chroma, np.ones(200, bool), rng.random(400), mel(frames=400))
    at = np.minimum(np.arange(100) * 2, 199)
    fast = Heard(
        np.roll(chroma, 3, 0)[:, at], np.ones(100, bool), plain.onset[::2], plain.mel[:, ::2]
    )  # twice as fast, three semitones up
    found = hearing.stayed(plain, fast, Pose.of(2.0, 3))
    assert found["self-similarity"] > 0.9
    assert np.allclose(hearing.undone(fast, Pose.of(2.0, 3)).chroma[:, ::2], chroma[:, ::2][:, :100])
    assert hearing.stayed(plain, plain) == pytest.approx(dict.fromkeys(found, 1.0))


def test_slopes_are_of_lines_through_the_origin() -> None:
    np.testing.assert_allclose(slopes([-1, 2], np.array([[-0.5, -1], [1, 2]])), [0.5, 1])


def test_fewer_tracks_than_eight_have_no_interval() -> None:
    few = estimate(np.arange(7.0), TRACKS[:7])
    assert few.mean == 3 and math.isnan(few.low) and few.tracks == 7
    assert math.isfinite(estimate(np.arange(8.0), TRACKS[:8]).low)
    assert math.isnan(ratio(np.ones(7), np.ones(7), TRACKS[:7]).high)
    assert math.isnan(Realism(np.random.default_rng(0).random((7, 5)), TRACKS[:7]).rise(np.zeros((7, 5))).low)


def test_unedited_clips_cost_no_realism_and_strange_ones_do() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 20))
    realism = Realism(x, TRACKS)
    assert realism.rise(x).mean == pytest.approx(0, abs=1e-9)
    mild, strong = (realism.rise(x + s) for s in (0.3, 3.0))
    assert mild.mean < strong.mean and strong.low > 0 and strong.tracks == 12


def test_clips_of_one_track_never_meet() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((16, 20))
    x[8:] = x[:8]  # the second clip of a track is its first
    doubled = [f"t{i % 8}" for i in range(16)]
    once = Realism(x[:8], doubled[:8])
    twice = Realism(x, doubled)
    twice.gamma = once.gamma
    shift = np.ones(20)
    assert twice.rise(x + shift).mean == pytest.approx(once.rise(x[:8] + shift).mean, abs=1e-9)


def judged(
    asked: float, *, spread: float = 0.05, kept: float = 1.0, real: float = 1.0, n: int = 40
) -> Judged:
    def e(mean: float, wide: float = 0.05) -> Estimate:
        return Estimate(mean, mean - wide, mean + wide, n, 0)

    return Judged(
        asked=e(asked, spread), kept={"chroma": e(kept)}, like_decode={}, real=e(real), reached=e(asked)
    )


@pytest.mark.parametrize(
    ("edit", "found", "says"),
    [
        (judged(1.0), "yes", "does what was asked"),
        (judged(0.6), "partly", "another amount"),
        (judged(1.0, spread=0.6), "partly", "another amount"),
        (judged(1.0, kept=0.7), "partly", "something else moves"),
        (judged(1.0, real=30.0), "partly", "more realism than the baselines"),
        (judged(0.1, spread=0.3), "no", "does not move"),
        (judged(1.0, n=FEWEST - 1), "too few", "too few"),
    ],
)
def test_the_answer_needs_all_three(edit: Judged, found: str, says: str) -> None:
    systems = {"waves": judged(0.0, real=90.0), "waves, encoded": judged(0.0, real=20.0)}
    given, reason = answer(edit, systems)
    assert given == found and says in reason
    assert found == "too few" or "n = 40" in reason


def test_what_a_mixture_does_as_well_is_no_better_than_mixing() -> None:
    mixed = {"waves, encoded": judged(0.9)}
    assert answer(judged(1.0), mixed)[0] == "no better than mixing"
    assert answer(judged(1.0), {"waves, encoded": judged(0.9, kept=0.5)})[0] == "yes"


@pytest.mark.slow
def test_edits_are_tried_on_real_clips() -> None:
    demo = Path(surco.__file__).parent / "datasets" / "demo"
    files = [sorted(demo.glob(f"{style}/*.ogg"))[i] for style in ("rock", "jazz") for i in range(4)]
    waves = np.stack([read_audio(f)[:110_250] for f in files])
    bench = Bench(Codec.load(), 256)
    vectors = bench.encode(waves)
    genres = ["rock"] * 4 + ["jazz"] * 4
    heard = bench.embed(waves)
    bench.judge = GenreJudge(heard, genres)
    swapped = np.r_[4:8, 0:4]
    tempo = {"tempo": np.arange(8.0)}
    bench.spread = {a: (0.0, 1.0) for a in ("tempo", "brightness", "onset density")}
    material = Material(
        waves=waves,
        vectors=vectors,
        genres=genres,
        tracks=[f.stem for f in files],
        targets=[genres[i] for i in swapped],
        partner_waves={"genre": waves[swapped]},
        partner_vectors={"genre": vectors[swapped]},
        train=vectors,
        train_genres=genres,
        real=heard,
        reference=1.0,
        directions=fit_directions(vectors, genres, tempo),
    )
    told: list[str] = []
    (bright,), samples = try_edits(
        bench, material, only=["brightness"], each=lambda row, sample: told.append(row.edit)
    )
    assert told == ["brightness"] == list(samples)
    assert bright.did.asked.mean == pytest.approx(1, abs=0.1)
    assert bright.answer == "yes" and bright.tracks == 8
    assert bright.exactness is not None and bright.exactness.ratio.mean < 1.1
    assert set(bright.systems) == {"edit", "filter, encoded", "waves", "mels", "waves, encoded"}
    assert abs(bright.systems["waves"].asked.mean - 1) > 0.2
    assert bright.rival == "filter, encoded" and bright.largest == (6.0, "dB")
    sample = samples["brightness"]
    assert sample.unedited.shape == sample.edited.shape == sample.baseline.shape == (110_250,)
    to_edit, to_other = (np.corrcoef(sample.edited, w)[0, 1] for w in (sample.edited, sample.baseline))
    assert to_edit > to_other
    assert bright.broken_db is not None and bright.broken_db.mean < 1
    assert bright.did.kept["chroma"].mean >= judgement.KEPT
    assert JudgedEdit.model_validate_json(bright.model_dump_json()).did == bright.did


def test_the_benchmark_says_why_it_is_skipped_and_tables_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks import edits

    monkeypatch.setattr("sys.argv", ["edits", "--corpus", str(tmp_path)])
    edits.main()
    assert capsys.readouterr().out.startswith("Skipped: there is no evaluation corpus at ")
    side = judged(1.0).model_copy(update={"style": estimate(np.ones(9), TRACKS[:9])})
    row = JudgedEdit(
        edit="tempo",
        unit="log ratio",
        amounts=[-0.3, 0.2],
        tracks=40,
        systems={"edit": side, "waves, encoded": side, "librosa, encoded": side},
        exactness=Exactness(ratio=side.asked, decibel=side.asked),
        broken_db=None,
        answer="yes",
        reason="It does what was asked.",
        old=Possible(answer="no", sentence=""),
    )
    about = dict.fromkeys(
        ("command", "commit", "codec", "machine", "clips", "tracks", "split", "seconds"), 40
    )
    text = edits.markdown({"about": about, "rows": [row]})
    assert "| tempo | 1.00 (0.95–1.05) | 1.00 (0.95–1.05) |" in text and "**yes** | no |" in text
    assert "n = 40 clips of 40 tracks" in text and "1 of 1 are answered with yes: tempo." in text
    written = json.loads(edits.as_json({"about": about, "rows": [row]}))
    assert written["rows"][0]["systems"]["edit"]["asked"]["mean"] == 1.0
