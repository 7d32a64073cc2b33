"""The rectified flow: its space, its network, its solvers, and what it learns from planted vectors."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from prior_toys import GENRES, toy_set, two_modes

from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.baselines import GaussianPrior
from surco.prior.fit import prepare_fit, train_prior
from surco.prior.flow import FlowConfig, load_state, new_state, save_state, train_step
from surco.prior.network import Velocity
from surco.prior.prior import Prior
from surco.prior.prior_report import Curve
from surco.prior.sample import guided, integrate
from surco.prior.sequence import find_neighbours, step_correlation
from surco.prior.settings import Settings
from surco.prior.whiten import fit_whitener

SMALL = FlowConfig(width=48, depth=1, dropout=0.0, steps=400, batch_size=128, lr=3e-3)


@pytest.fixture(scope="module")
def trained() -> tuple[Prior, Curve]:
    return train_prior(prepare_fit(toy_set(), SMALL))


@pytest.fixture(scope="module")
def untrained() -> Prior:
    prior, _ = train_prior(prepare_fit(toy_set(), replace(SMALL, steps=0)))
    return prior


# -- whitening -------------------------------------------------------------------------------------


def test_whitening_is_undone_and_whitens_within_genres() -> None:
    x, genres = two_modes(600, size=6)
    w = fit_whitener(x, genres, [str(i) for i in range(len(x))])
    z = w.forward(x)
    np.testing.assert_allclose(w.inverse(z), x, atol=1e-3)
    labels = np.array([w.label(g) for g in genres])
    within = z - np.stack([z[labels == k].mean(0) for k in range(2)])[labels]
    np.testing.assert_allclose(np.cov(within.T), np.eye(6), atol=0.15)
    assert w.weight[0] == w.weight.max()  # most audible first


def test_genre_means_shrink_where_genres_do_not_differ() -> None:
    rng = np.random.default_rng(0)
    genres = [GENRES[i % 2] for i in range(200)]
    w = fit_whitener(rng.normal(size=(200, 5)), genres, [str(i // 10) for i in range(200)])
    assert np.abs(w.centres).max() < 0.05


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda x, g: (x[:9], g[:9]), "at least 16 training vectors and got 9"),
        (lambda x, g: (x, ["jazz"] * len(g)), "one genre only"),
        (lambda x, g: (np.where(np.arange(len(x))[:, None] == 3, np.nan, x), g), "1 of 60 vectors hold NaN"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_a_sentence(change, says) -> None:  # type: ignore[no-untyped-def]
    x, genres = change(*two_modes(60))
    with pytest.raises(InputError, match=says):
        fit_whitener(x, genres, [str(i) for i in range(len(x))])


# -- solvers ---------------------------------------------------------------------------------------


def test_euler_is_exact_for_a_constant_velocity() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    v = torch.tensor([1.0, -2.0, 0.5])
    torch.testing.assert_close(integrate(lambda y, t: v.expand_as(y), x, steps=1, method="euler"), x + v)


def test_heun_is_exact_for_a_velocity_linear_in_time() -> None:
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    found = integrate(lambda y, t: (1 + 4 * t)[:, None].expand_as(y), x, steps=3, method="heun")
    torch.testing.assert_close(found, x + 3)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
def test_solvers_have_their_order_on_a_linear_field(method, order) -> None:  # type: ignore[no-untyped-def]
    x = torch.ones(1, 1, dtype=torch.float64)
    true = float(np.exp(-1))

    def error(steps: int) -> float:
        return abs(float(integrate(lambda y, t: -y, x, steps=steps, method=method)) - true)

    assert error(40) / error(80) == pytest.approx(2**order, rel=0.1)


def test_guidance_extrapolates_from_any_genre_to_the_genre() -> None:
    x, t = torch.zeros(1, 2), torch.zeros(1)
    one, two = torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 1.0]])
    field = guided(lambda x, t: two, lambda x, t: one, 2.0)
    torch.testing.assert_close(field(x, t), torch.tensor([[5.0, 2.0]]))
    torch.testing.assert_close(guided(lambda x, t: two, lambda x, t: one, 0.0)(x, t), one)


def test_no_steps_are_refused() -> None:
    with pytest.raises(InputError, match="at least 1 step"):
        integrate(lambda x, t: x, torch.zeros(1, 1), steps=0)


# -- network ---------------------------------------------------------------------------------------


def test_untrained_network_is_the_exact_flow_to_a_gaussian() -> None:
    net = Velocity(2, 1, width=16, depth=1)
    net.centres[0] = torch.tensor([3.0, -1.0])
    net.memory.copy_(torch.tensor([0.8, 0.0]))
    n = 4000
    x0 = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))
    genre, before, has = (
        torch.zeros(n, dtype=torch.long),
        torch.tensor([[5.0, 5.0]]).expand(n, 2),
        torch.ones(n),
    )
    with torch.no_grad():
        x1 = integrate(lambda x, t: net(x, t, genre, before, has), x0, steps=64)
    mean, variance = net.gaussian(genre, before, has)
    torch.testing.assert_close(mean[0], torch.tensor([3.0 + 0.8 * 2.0, -1.0]))
    torch.testing.assert_close(x1, mean + variance.sqrt() * x0, atol=2e-3, rtol=0)


def test_untrained_prior_equals_the_gaussian_baseline(untrained: Prior) -> None:
    wanted = ["folk"] * 500 + ["jazz"] * 500
    flow = untrained.sample(wanted, seed=3)
    gauss = GaussianPrior(untrained.whitener).sample(wanted, seed=4)
    np.testing.assert_allclose(flow[:500].mean(0), gauss[:500].mean(0), atol=0.12 * gauss.std(0).max())
    np.testing.assert_allclose(flow[500:].std(0), gauss[500:].std(0), rtol=0.15)


# -- training --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_both_modes_are_recovered_and_the_gap_between_them_stays_empty(trained) -> None:  # type: ignore[no-untyped-def]
    prior, curve = trained
    assert min(curve.valid) < 0.97 and curve.best_step > 0
    first = prior.sample(["folk"] * 300, seed=5)[:, 0]
    high, low = (first > 20).mean(), (first < -20).mean()
    assert 0.3 < high < 0.65 and 0.3 < low < 0.65
    gauss = GaussianPrior(prior.whitener).sample(["folk"] * 300, seed=5)[:, 0]
    assert (np.abs(first) < 10).mean() < 0.1 < (np.abs(gauss) < 10).mean()


def test_the_genre_conditions_and_guidance_0_forgets_it(trained) -> None:  # type: ignore[no-untyped-def]
    prior, _ = trained
    wanted = ["folk"] * 100 + ["jazz"] * 100

    def gap(guidance: float) -> float:
        x = prior.sample(wanted, seed=6, settings=Settings(guidance=guidance))[:, 1]
        return float(x[100:].mean() - x[:100].mean())

    assert gap(1.0) == pytest.approx(20, abs=2)
    assert abs(gap(0.0)) < 6
    assert gap(2.0) > gap(1.0) + 0.3


def test_temperature_0_leaves_no_choice(trained) -> None:  # type: ignore[no-untyped-def]
    x = trained[0].sample(["jazz"] * 3, seed=7, settings=Settings(temperature=0.0))
    assert np.ptp(x, axis=0).max() < 1e-3


def test_same_seed_same_bytes(trained, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    prior, _ = trained
    again, _ = train_prior(prepare_fit(toy_set(), replace(SMALL, steps=60)))
    twice, _ = train_prior(prepare_fit(toy_set(), replace(SMALL, steps=60)))
    again.save(tmp_path / "a.safetensors")
    twice.save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    wanted = ["folk", "jazz", "jazz"]
    assert prior.sample(wanted, seed=1).tobytes() == prior.sample(wanted, seed=1).tobytes()
    assert prior.sample(wanted, seed=1).tobytes() != prior.sample(wanted, seed=2).tobytes()


@pytest.mark.slow
def test_a_resumed_training_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    config = replace(SMALL, steps=200)
    kept: dict[int, Curve] = {}

    def look(state, curve) -> None:  # type: ignore[no-untyped-def]
        if state.step == 100:
            save_state(state, config, tmp_path)
            kept[100] = curve.model_copy(deep=True)

    whole, curve = train_prior(prepare_fit(toy_set(), config), on_look=look)
    fitting = prepare_fit(toy_set(), config)
    fitting.state = load_state(fitting.state, tmp_path)
    assert fitting.state.step == 100
    resumed, rest = train_prior(fitting, curve=kept[100])
    assert resumed.fingerprint == whole.fingerprint
    assert rest == curve


def test_training_stops_when_valid_gets_no_better() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)  # Gaussian: there is nothing to learn beyond it
    toy = toy_set(120)
    noise = VectorSet(x, toy.clips, toy.tracks, toy.genres, toy.splits, "c", "d")
    _, curve = train_prior(prepare_fit(noise, replace(SMALL, steps=5000, patience=100)))
    assert curve.step[-1] == curve.best_step + 100 < 3000


def test_a_step_leaves_its_inputs_data_alone() -> None:
    fitting = prepare_fit(toy_set(), SMALL)
    before = fitting.train.z.clone()
    state, loss = train_step(fitting.state, fitting.train, fitting.weight, SMALL)
    assert state.step == fitting.state.step + 1 and loss > 0
    assert torch.equal(fitting.train.z, before)


def test_new_state_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    new_state(4, np.zeros((2, 4)), np.zeros(4), SMALL)
    assert torch.equal(torch.rand(3), expected)


# -- files and refusals ----------------------------------------------------------------------------


def test_a_prior_survives_its_file(trained, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    prior = replace(trained[0], settings=Settings(guidance=1.5, steps=4))
    prior.save(tmp_path / "prior.safetensors")
    loaded = Prior.load(tmp_path / "prior.safetensors")
    assert loaded.fingerprint == prior.fingerprint and loaded.settings == prior.settings
    np.testing.assert_array_equal(loaded.sample(["jazz"], seed=2), prior.sample(["jazz"], seed=2))


def test_a_prior_refuses_what_it_does_not_know(trained, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    prior, _ = trained
    with pytest.raises(InputError, match="Unknown genre 'polka'; this prior knows folk, jazz"):
        prior.sample(["polka"])
    with pytest.raises(InputError, match="codec c0dec, not of ffff"):
        prior.require(codec="ffff")
    with pytest.raises(InputError, match="vectors of 4 dimensions, not 8"):
        prior.require(size=8)
    (tmp_path / "x.safetensors").write_bytes(b"no prior")
    with pytest.raises(InputError, match="is not a prior"):
        Prior.load(tmp_path / "x.safetensors")


# -- sequences -------------------------------------------------------------------------------------


def test_consecutive_clips_are_paired_by_where_they_start() -> None:
    tracks = [f"t{i // 4}" for i in range(400)]
    starts = [5.0 * (i % 4) for i in range(400)]
    found = find_neighbours(tracks, starts)
    assert found.kind == "consecutive" and found.pairs == 300
    assert found.previous[0] == -1 and found.previous[1] == 0 and found.previous[4] == -1


def test_clips_that_lie_apart_are_paired_by_track_and_single_clips_not_at_all() -> None:
    apart = find_neighbours([f"t{i // 2}" for i in range(200)], [20.0 * (i % 2) for i in range(200)])
    assert apart.kind == "track" and apart.pairs == 100 and "no run of consecutive clips" in apart.sentence
    alone = find_neighbours([str(i) for i in range(200)], [0.0] * 200)
    assert alone.kind == "none" and alone.pairs == 0 and "share most of their noise" in alone.sentence


def test_memory_finds_the_coordinate_that_a_track_keeps() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3)).astype(np.float32)
    z[1::2, 0] = z[::2, 0] + 0.1 * rng.normal(size=200)
    previous = np.array([-1 if i % 2 == 0 else i - 1 for i in range(400)])
    r = step_correlation(z, np.zeros((1, 3)), np.zeros(400, int), previous)
    assert r[0] > 0.85 and r[1] < 0.2 and r[2] < 0.2


def test_a_songs_clips_belong_together_where_tracks_do() -> None:
    rng = np.random.default_rng(1)
    toy = toy_set(300)
    own = rng.normal(size=(150, 4)).repeat(2, 0)  # what the two clips of a track share
    x = (10 * own + rng.normal(size=(300, 4))).astype(np.float32)
    vectors = VectorSet(x, toy.clips, toy.tracks, toy.genres, toy.splits, "c", "d")
    prior, _ = train_prior(prepare_fit(vectors, replace(SMALL, steps=0)))
    assert prior.neighbours == "track"
    songs = prior.song("jazz", 3, count=40, seed=1)
    assert songs.shape == (40, 3, 4)
    near = np.linalg.norm(np.diff(songs, axis=1), axis=-1).mean()
    far = np.linalg.norm(songs[1:, 0] - songs[:-1, 0], axis=-1).mean()
    assert near < 0.4 * far
    assert np.array_equal(songs[:, 0].std(0) > 5, [True] * 4)


def test_a_song_of_no_clips_is_refused(untrained: Prior) -> None:
    with pytest.raises(InputError, match="at least 1 clip"):
        untrained.song("jazz", 0)
