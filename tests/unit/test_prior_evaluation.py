"""How new clips are judged: known precision and recall, planted copies, baselines, settings, tables."""

import numpy as np
import pytest
from prior_toys import toy_set

from surco.datasets.sampling import spread_rows
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.metrics.judge import GenreJudge
from surco.prior.baselines import GaussianPrior, Resampled, fit_mixture
from surco.prior.coherence import coherence, real_coherence
from surco.prior.compare import REAL, compare, systems
from surco.prior.fit import prepare_fit, train_prior
from surco.prior.flow import FlowConfig
from surco.prior.memorisation import fit_copy_detector, nearest
from surco.prior.prior import Prior
from surco.prior.sample_quality import Clips, distance_between, diversity, manifold
from surco.prior.tune import choose_steps, tune
from surco.prior.whiten import fit_whitener

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def vectors() -> VectorSet:
    return toy_set()


@pytest.fixture(scope="module")
def prior(vectors: VectorSet) -> Prior:
    config = FlowConfig(width=48, depth=1, dropout=0.0, steps=300, batch_size=128, lr=3e-3)
    return train_prior(prepare_fit(vectors, config))[0]


# -- precision, recall, density, coverage ----------------------------------------------------------


def normal(n: int, seed: int, size: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, size))


def test_one_distribution_has_high_precision_and_recall_and_density_1() -> None:
    m = manifold(normal(400, 0), normal(400, 1))
    assert m.precision.mean() > 0.9 and m.recall.mean() > 0.9
    assert m.density.mean() == pytest.approx(1, abs=0.1)
    assert m.coverage.mean() > 0.9


def test_far_away_there_is_none_of_it() -> None:
    m = manifold(normal(60, 0), normal(60, 1) + 100)
    assert [float(v.mean()) for v in (m.precision, m.density, m.recall, m.coverage)] == [0, 0, 0, 0]


def test_half_the_modes_is_full_precision_and_half_recall() -> None:
    real = np.concatenate([normal(100, 0), normal(100, 1) + 50])
    m = manifold(real, normal(200, 2))
    assert m.precision.mean() > 0.9
    assert m.recall.mean() == pytest.approx(0.5, abs=0.06)
    assert m.coverage.mean() == pytest.approx(0.5, abs=0.06)


def test_half_invented_is_half_precision_and_full_recall() -> None:
    fake = np.concatenate([normal(100, 2), normal(100, 3) + 50])
    m = manifold(normal(200, 0), fake)
    assert m.precision.mean() == pytest.approx(0.5, abs=0.06)
    assert m.recall.mean() > 0.9


def test_an_outlier_among_real_clips_spoils_recall_but_not_density() -> None:
    real = np.concatenate([normal(100, 0), np.full((6, 3), 30.0) + normal(6, 4)])
    m = manifold(real, normal(100, 1) + 5)
    assert m.density.mean() < 0.2


def test_too_few_clips_for_neighbours_are_refused() -> None:
    with pytest.raises(InputError, match="at least 6 clips on each side"):
        manifold(normal(5, 0), normal(50, 1))


def test_the_interval_of_a_distance_holds_0_for_one_distribution_and_not_for_two() -> None:
    tracks = [str(i // 2) for i in range(80)]
    same = distance_between(normal(80, 0), tracks, normal(80, 1))
    other = distance_between(normal(80, 0), tracks, normal(80, 1) + 1)
    assert same.low < 0 < same.high
    assert other.low > 1 and other.low < other.mean < other.high


def test_diversity_is_0_for_one_clip_repeated() -> None:
    x = np.repeat(normal(1, 0), 6, 0)
    same = Clips(x, x, ["jazz"] * 6, [str(i) for i in range(6)])
    assert diversity(same) == pytest.approx(0, abs=1e-6)


# -- copies ----------------------------------------------------------------------------------------


def test_planted_copies_are_flagged_and_fresh_clips_are_not(vectors: VectorSet) -> None:
    train, test = vectors.take(split="train"), vectors.take(split="test")
    detector = fit_copy_detector(train)
    near = train.vectors[:10] + 1e-3 * normal(10, 0, 4).astype(np.float32)
    planted = detector.check(np.concatenate([train.vectors[:10], near]))
    assert all(m.copy for m in planted)
    assert [m.clip for m in planted[:10]] == train.clips[:10]
    assert sum(m.copy for m in detector.check(test.vectors)) <= 4  # 1 % of 80 expected


def test_a_looped_track_does_not_hide_its_copy() -> None:
    rng = np.random.default_rng(0)
    toy = toy_set(60, size=8, per_track=3)
    x = rng.normal(size=(60, 8)).astype(np.float32)
    x[1], x[2] = x[0], x[0]  # three clips of one track, all alike
    looped = VectorSet(x, toy.clips, toy.tracks, toy.genres, ["train"] * 60, "c", "d")
    assert fit_copy_detector(looped).check(x[:1] + 1e-4)[0].copy


def test_a_clips_own_track_is_left_out_of_its_neighbours() -> None:
    x = np.array([[0.0], [0.1], [5.0], [9.0]])
    tracks = np.array(["a", "a", "b", "c"])
    row, distance, _ = nearest(x[:1], x, tracks, own=tracks[:1])
    assert row[0] == 2 and distance[0] == 5


def test_copies_need_tracks_and_one_size(vectors: VectorSet) -> None:
    with pytest.raises(InputError, match="3 training tracks, not of 2"):
        fit_copy_detector(vectors.rows([0, 1, 2, 3]))
    with pytest.raises(InputError, match="training vectors of 4 dimensions"):
        fit_copy_detector(vectors).check(np.zeros((2, 5), np.float32))


# -- baselines -------------------------------------------------------------------------------------


def test_baselines_follow_the_genre_and_the_seed(vectors: VectorSet) -> None:
    train, valid = vectors.take(split="train"), vectors.take(split="valid")
    w = fit_whitener(train.vectors, train.genres, train.tracks)
    wanted = ["folk"] * 200 + ["jazz"] * 200
    for made in (
        GaussianPrior(w),
        fit_mixture(w, train.vectors, train.genres, valid.vectors),
        Resampled(train.vectors, np.array(train.genres)),
    ):
        x = made.sample(wanted, seed=1)
        assert x[:200, 1].mean() == pytest.approx(0, abs=1.5)
        assert x[200:, 1].mean() == pytest.approx(20, abs=1.5)
        assert x.tobytes() == made.sample(wanted, seed=1).tobytes()


def test_a_mixture_finds_both_modes_and_a_gaussian_fills_the_gap(vectors: VectorSet) -> None:
    train, valid = vectors.take(split="train"), vectors.take(split="valid")
    w = fit_whitener(train.vectors, train.genres, train.tracks)
    mixture = fit_mixture(w, train.vectors, train.genres, valid.vectors)
    assert mixture.mixture.n_components >= 4  # two modes in each of two genres

    def gap(sampler: object) -> float:
        return float((np.abs(sampler.sample(["jazz"] * 300)[:, 0]) < 10).mean())  # type: ignore[attr-defined]

    assert gap(mixture) < 0.05 < gap(GaussianPrior(w))


def test_resampled_vectors_are_training_vectors(vectors: VectorSet) -> None:
    train = vectors.take(split="train")
    x = Resampled(train.vectors, np.array(train.genres)).sample(["jazz"] * 20)
    assert all((train.vectors == row).all(1).any() for row in x)


# -- settings and tables ---------------------------------------------------------------------------


def test_steps_are_as_few_as_are_right(prior: Prior) -> None:
    steps, curve = choose_steps(prior)
    errors = {row.steps: row.error for row in curve}
    assert errors[steps] <= 0.02 and errors[2] > errors[8] > errors[32]
    assert all(e > 0.02 for n, e in errors.items() if n < steps)


def test_settings_are_the_best_of_the_curve_and_a_cold_prior_is_none(
    prior: Prior, vectors: VectorSet
) -> None:
    found = tune(
        prior, vectors.take(split="valid"), guidance=(0.0, 1.0), temperature=(0.2, 1.0), per_genre=40
    )
    assert (found.settings.guidance, found.settings.temperature) == (1.0, 1.0)
    assert sum(row.chosen for row in found.grid) == 1
    assert min(row.above_chosen.mean for row in found.grid) >= 0
    cold = next(r for r in found.grid if (r.guidance, r.temperature) == (1.0, 0.2))
    assert cold.above_chosen.mean > 0


def test_the_table_ranks_what_it_should(prior: Prior, vectors: VectorSet) -> None:
    found = compare(systems(prior, vectors), vectors, per_genre=100)
    table = found.systems
    assert set(table) == {"flow", "Gaussian", "mixture", "training vectors", REAL}
    assert table["flow"]["kad"].mean < table["Gaussian"]["kad"].mean
    assert found.against_gaussian is not None
    assert found.against_gaussian.kad_difference < 0 < found.against_gaussian.p
    assert table["training vectors"]["copies"].mean == 1 and table["flow"]["copies"].mean < 0.1
    assert table["training vectors"]["nearest"].mean == pytest.approx(0, abs=1e-3)
    assert len(found.copied["training vectors"]) > 40
    assert table["flow"]["style_accuracy"].mean > 0.95
    assert table["flow"]["diversity"].mean == pytest.approx(1, abs=0.2)
    for row in table.values():
        assert all(e.low <= e.mean <= e.high for e in row.values())


class Shifted:
    """A sampler that is plainly wrong."""

    def sample(self, genres: list[str], *, seed: int = 0) -> np.ndarray:
        return normal(len(genres), seed, 4).astype(np.float32) + 30


def test_a_permutation_test_tells_two_samplers_apart_and_one_from_itself_not(vectors: VectorSet) -> None:
    train = vectors.take(split="train")
    real = Resampled(train.vectors, np.array(train.genres))
    apart = compare({"flow": real, "Gaussian": Shifted()}, vectors, per_genre=30).against_gaussian
    alike = compare({"flow": real, "Gaussian": real}, vectors, per_genre=30).against_gaussian
    assert apart is not None and apart.kad_difference < 0 and apart.p < 0.01
    assert alike is not None
    assert alike.kad_difference == pytest.approx(0, abs=1e-9) and alike.p == 1


def test_neighbours_are_as_coherent_as_planted() -> None:
    genres = ["folk"] * 20
    apart = normal(60, 0).reshape(20, 3, 3)
    assert coherence(apart, genres).mean == pytest.approx(1, abs=0.15)
    assert coherence(np.repeat(apart[:, :1], 3, 1), genres).mean == 0
    toy = toy_set(100)
    x = normal(50, 1, 4).repeat(2, 0).astype(np.float32)
    same = VectorSet(x, toy.clips, toy.tracks, ["folk"] * 100, toy.splits, "c", "d")
    previous = np.array([-1 if i % 2 == 0 else i - 1 for i in range(100)])
    assert real_coherence(same, previous).mean == 0


def test_a_judge_names_what_it_learned_and_says_how_sure_it_is() -> None:
    x = np.concatenate([normal(40, 0) - 4, normal(40, 1) + 4])
    judge = GenreJudge(x, ["folk"] * 40 + ["jazz"] * 40)
    opinion = judge.opinion(normal(3, 2) + 4, "jazz")
    assert opinion.style == "jazz" and opinion.agrees and opinion.probability == opinion.asked > 0.7
    assert not judge.opinion(normal(3, 2) + 4, "folk").agrees
    assert spread_rows(["a"] * 5 + ["b"], 2) == spread_rows(["a"] * 5 + ["b"], 2)
    assert len(spread_rows(["a"] * 5 + ["b"], 2)) == 3
