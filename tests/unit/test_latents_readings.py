"""Neighbours and probes find what was planted, and find nothing where it was shuffled."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness as reference_trustworthiness

from surco.errors import InputError
from surco.latents import geometry, neighbours, probes
from surco.latents.probes import Splits
from surco.latents.resample import permute_over_tracks
from surco.latents.study_readings import attribute_probe_study, genre_probe_study, neighbour_study

N, D = 240, 16


@pytest.fixture
def planted() -> dict:
    """Clips of 60 tracks in 3 genres; genre, track and an attribute are in the vectors."""
    rng = np.random.default_rng(0)
    track = np.arange(N) // 4
    genre = track % 3
    attribute = rng.standard_normal(N)
    x = 1.5 * rng.standard_normal((3, D))[genre] + 0.8 * rng.standard_normal((60, D))[track]
    x = x + 0.5 * rng.standard_normal((N, D))
    x[:, 5] = 2 * attribute + 0.2 * rng.standard_normal(N)
    splits = np.array(["train", "train", "valid", "test"])[(track // 3) % 4]
    return {
        "x": x,
        "genres": [f"g{g}" for g in genre],
        "tracks": [f"t{t:02d}" for t in track],
        "attribute": attribute,
        "splits": Splits.of(splits.tolist()),
    }


def test_retrieval_agrees_with_counting_by_hand() -> None:
    distance = np.array([[0.1, 0.2, 0.3, 0.4]])
    relevant = np.array([[True, False, True, True]])
    allowed = np.array([[True, True, True, False]])
    found = neighbours.retrieval(neighbours.ranking(distance, allowed), relevant, allowed, ks=(1, 3))
    assert found.precision[1][0] == 1
    assert found.precision[3][0] == pytest.approx(2 / 3)
    assert found.average_precision[0] == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert found.chance[0] == pytest.approx(2 / 3)


def test_distances_are_those_of_pairs_taken_one_by_one() -> None:
    rng = np.random.default_rng(0)
    a, b = 50 + rng.standard_normal((40, 600)), 50 + rng.standard_normal((30, 600)).astype(np.float32)
    a[3], a[4] = b[7], b[7].astype(np.float64) + 1e-7  # a copy, and nearly one
    found = neighbours.distances(a, b)
    assert np.allclose(found, cdist(a, b), rtol=1e-9, atol=0)
    assert found[3, 7] == 0 < found[4, 7] < 1e-5
    within = neighbours.distances(a, a)
    assert (np.diag(within) == 0).all() and (within == within.T).all()
    assert (neighbours.distances(np.zeros((3, 2)), np.zeros((3, 2))) == 0).all()


def test_genre_and_track_are_retrieved_and_shuffled_genres_are_not(planted: dict) -> None:
    arguments = (planted["tracks"], planted["splits"], [str(i) for i in range(N)])
    (row,) = neighbour_study({"raw": planted["x"]}, planted["genres"], *arguments)
    assert row.genre_map.low > row.genre_chance + 0.1
    assert row.genre_map_p < 0.05
    assert row.track_map.low > 0.5 > row.track_chance
    shuffled = permute_over_tracks(planted["genres"], planted["tracks"], np.random.default_rng(1)).tolist()
    (null,) = neighbour_study({"raw": planted["x"]}, shuffled, *arguments)
    assert abs(null.genre_map.mean - null.genre_chance) < 0.06


def test_clips_of_the_same_track_do_not_help_to_find_the_genre(planted: dict) -> None:
    rng = np.random.default_rng(0)
    track = np.arange(N) // 4
    only_track = rng.standard_normal((60, D))[track] + 0.01 * rng.standard_normal((N, D))
    arguments = (planted["tracks"], planted["splits"], [str(i) for i in range(N)])
    (row,) = neighbour_study({"raw": only_track}, planted["genres"], *arguments)
    assert row.track_map.mean > 0.95
    assert abs(row.genre_map.mean - row.genre_chance) < 0.06


def test_a_planted_hub_is_named() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 40))
    x /= np.linalg.norm(x, axis=1, keepdims=True)  # on a sphere nobody is near, but for who sits inside
    x[7] = 0
    hub = neighbours.hubness(neighbours.distances(x, x), k=5)
    assert hub.hub == 7
    assert hub.largest == 119
    assert hub.skewness > 2
    with pytest.raises(InputError, match="more than 5 clips"):
        neighbours.hubness(np.zeros((5, 5)), k=5)


def test_probes_read_genre_and_attribute_and_name_the_dimension_that_carries_it(planted: dict) -> None:
    descriptions = {"raw": planted["x"]}
    rows = genre_probe_study(descriptions, planted["genres"], planted["tracks"], planted["splits"])
    for row in rows:
        assert row.accuracy.low > row.majority.high
        assert row.shuffled.mean < 0.6
    attributes = {"brightness": planted["attribute"], "noise": np.random.default_rng(9).standard_normal(N)}
    bright, noise = attribute_probe_study(descriptions, attributes, planted["tracks"], planted["splits"])
    assert bright.r2.low > 0.9
    assert bright.carriers[0].dimension == 5
    assert bright.shuffled_r2 < 0.1
    assert noise.r2.mean < 0.1


def test_probes_are_fitted_on_train_and_chosen_on_valid_only(planted: dict) -> None:
    s = planted["splits"]
    x, y = planted["x"], planted["attribute"]
    spoilt_x, spoilt_y, genres = x.copy(), y.copy(), list(planted["genres"])
    spoilt_x[s.test], spoilt_y[s.test] = 1e3, -1e3
    for i in s.test:
        genres[i] = "g0"
    honest = probes.attribute_probes(x, {"a": y}, s)["a"]
    spoilt = probes.attribute_probes(spoilt_x, {"a": spoilt_y}, s)["a"]
    assert honest.weights.tobytes() == spoilt.weights.tobytes()
    one, two = probes.genre_probe(x, planted["genres"], s), probes.genre_probe(x, genres, s)
    assert (one.setting, one.valid_accuracy) == (two.setting, two.valid_accuracy)


def test_ridge_agrees_with_scikit_learn(planted: dict) -> None:
    from sklearn.linear_model import Ridge

    s = planted["splits"]
    found = probes.attribute_probes(planted["x"], {"a": planted["attribute"]}, s)["a"]
    z = probes.standardise(planted["x"], s.train)
    model = Ridge(alpha=found.penalty * len(s.train)).fit(z[s.train], planted["attribute"][s.train])
    np.testing.assert_allclose(found.weights, model.coef_, rtol=1e-6, atol=1e-9)
    with pytest.raises(InputError, match="two genres"):
        probes.genre_probe(planted["x"], ["jazz"] * N, s)
    with pytest.raises(InputError, match="no two values"):
        probes.attribute_probes(planted["x"], {"tempo": np.full(N, 120.0)}, s)


@pytest.mark.parametrize("dimension", [2, 5])
def test_a_planted_dimension_is_found_and_a_gaussian_twin_has_more(dimension: int) -> None:
    rng = np.random.default_rng(0)
    flat = rng.uniform(size=(800, dimension))
    curved = np.concatenate([np.sin(flat @ rng.standard_normal((dimension, 20))), flat], axis=1)
    d = neighbours.distances(curved, curved)
    assert geometry.two_nn(d) == pytest.approx(dimension, rel=0.2)
    assert geometry.mle_dimension(d) == pytest.approx(dimension, rel=0.2)
    twin = geometry.gaussian_like(curved, seed=0)
    np.testing.assert_allclose(np.cov(twin.T), np.cov(curved.T), atol=0.08)
    assert geometry.two_nn(neighbours.distances(twin, twin)) > geometry.two_nn(d)


def test_variance_is_shared_out_among_axes_and_dimensions() -> None:
    x = np.random.default_rng(0).standard_normal((5000, 4)) * [3, 3, 0, 0]
    found = geometry.explained_variance(x)
    assert found.needed(0.95) == 2
    assert found.participation == pytest.approx(2, abs=0.01)
    np.testing.assert_allclose(found.dimensions, [0.5, 0.5, 0, 0], atol=0.03)


def test_the_same_cloud_is_recognised_in_other_coordinates_and_another_is_not() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((150, 10)) * np.geomspace(5, 1, 10)
    turned = x @ np.linalg.qr(rng.standard_normal((10, 10)))[0] * 3
    other = rng.standard_normal((150, 200))
    assert geometry.cka(x, turned) == pytest.approx(1, abs=1e-9)
    assert abs(geometry.cka(x, other)) < 0.05
    dx, dt, do = (neighbours.distances(v, v) for v in (x, turned, other))
    assert geometry.mantel(dx, dt, repeats=49)[0] == pytest.approx(1, abs=1e-9)
    assert geometry.mantel(dx, dt, repeats=49)[1] == pytest.approx(1 / 50)
    assert geometry.mantel(dx, do, repeats=49)[1] > 0.03
    assert neighbours.neighbour_overlap(dx, dt, k=8).mean() == 1
    assert neighbours.neighbour_overlap(dx, do, k=8).mean() == pytest.approx(8 / 149, abs=0.03)


def test_trustworthiness_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 6))
    for low in (x[:, :2], rng.standard_normal((60, 2))):
        ours = geometry.trustworthiness(x, low, k=7).mean()
        assert ours == pytest.approx(reference_trustworthiness(x, low, n_neighbors=7), abs=1e-9)
