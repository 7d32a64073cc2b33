"""Planted clusters are found and scored; what has no clusters is told so."""

import numpy as np
import pytest

from surco.errors import InputError
from surco.latents import clustering
from surco.latents.probes import Splits
from surco.latents.resample import bootstrap, half_samples, p_value, permute_over_tracks
from surco.latents.study_clusters import cluster_study


def blobs(
    k: int = 4, per: int = 30, d: int = 12, gap: float = 8.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((k, d)) * gap / np.sqrt(2)
    truth = np.repeat(np.arange(k), per)
    return centres[truth] + rng.standard_normal((k * per, d)), truth


@pytest.mark.parametrize("method", clustering.METHODS)
def test_every_method_finds_planted_blobs_and_labels_new_clips_alike(method: str) -> None:
    x, truth = blobs()
    found = clustering.cluster(x[::2], method, 4, seed=0)
    assert found.k == 4
    scores = clustering.external_scores(found.assign(x[1::2]), [f"g{t}" for t in truth[1::2]])
    assert min(scores.values()) > 0.9
    again = clustering.cluster(x[::2], method, 4, seed=0)
    assert again.labels.tobytes() == found.labels.tobytes()


def test_the_planted_number_of_clusters_is_chosen_with_its_reason() -> None:
    x, _ = blobs(k=5)
    ks = [2, 3, 4, 5, 6, 8, 10]
    fits = [clustering.cluster(x[::2], "k-means", k) for k in ks]
    held_out = [clustering.internal_scores(x[1::2], f.assign(x[1::2]))["silhouette"] for f in fits]
    choice = clustering.choose_k(ks, [f.inertia for f in fits], held_out)
    assert choice.k == 5
    assert choice.elbow == 5
    assert "silhouette on the validation clips" in choice.reason


def test_blobs_are_stable_and_noise_is_not() -> None:
    x, _ = blobs()
    tracks = [f"t{i // 3}" for i in range(len(x))]
    assert clustering.stability(x, tracks, "k-means", 4, repeats=4).mean() > 0.95
    noise = np.random.default_rng(0).standard_normal(x.shape)
    assert clustering.stability(noise, tracks, "k-means", 4, repeats=4).mean() < 0.6
    flat = clustering.without_relations(x, seed=0)
    assert (np.sort(flat, axis=0) == np.sort(x, axis=0)).all()
    fits = [clustering.cluster(y, "k-means", 4) for y in (x, flat)]
    real, null = (clustering.internal_scores(f.points, f.labels)["silhouette"] for f in fits)
    assert real > 0.5 > 0.2 > null


def test_a_study_tells_planted_genres_from_shuffled_ones() -> None:
    x, truth = blobs(per=36)
    genres = [f"g{t}" for t in truth]
    tracks = [f"t{i // 3}" for i in range(len(x))]
    splits = Splits.of([("train", "train", "valid", "test")[(i // 3) % 4] for i in range(len(x))])
    (row,) = cluster_study({"raw": x}, genres, tracks, splits, ks=[2, 4, 6], methods=["k-means"])
    assert row.chosen is not None and row.chosen.k == 4
    ami = row.chosen.test.ami
    assert ami.low <= ami.mean <= ami.high
    assert ami.mean > 0.9 > row.chosen.null.ami_shuffled_genres_high
    assert row.chosen.null.ami_p < 0.05
    shuffled = permute_over_tracks(genres, tracks, np.random.default_rng(0)).tolist()
    (null,) = cluster_study({"raw": x}, shuffled, tracks, splits, ks=[4], methods=["k-means"])
    assert null.chosen is not None
    assert null.chosen.test.ami.mean < null.chosen.null.ami_shuffled_genres_high
    assert null.chosen.null.ami_p > 0.05


def test_all_methods_cluster_the_vectors_and_the_first_the_other_descriptions() -> None:
    x, truth = blobs(per=12)
    splits = Splits.of([("train", "train", "valid", "test")[i % 4] for i in range(len(x))])
    tracks = [str(i) for i in range(len(x))]
    rows = cluster_study({"raw": x, "other": -x}, [f"g{t}" for t in truth], tracks, splits, ks=[3, 4])
    assert [r.method for r in rows if r.description == "raw"] == list(clustering.METHODS)
    assert [r.method for r in rows if r.description == "other"] == ["k-means"]


def test_too_few_clips_or_one_genre_are_refused() -> None:
    x, truth = blobs(per=3)
    with pytest.raises(InputError, match="only 12 clips for 13 clusters"):
        clustering.cluster(x, "ward", 13)
    with pytest.raises(InputError, match="at least 2"):
        clustering.cluster(x, "ward", 1)
    with pytest.raises(InputError, match="no clustering method"):
        clustering.cluster(x, "guess", 2)
    tracks = [f"t{i}" for i in range(len(x))]
    splits = Splits(np.arange(0, 6), np.arange(6, 9), np.arange(9, 12))
    with pytest.raises(InputError, match="too few for 8 clusters"):
        cluster_study({"raw": x}, [f"g{t}" for t in truth], tracks, splits, ks=[8])
    with pytest.raises(InputError, match="two genres"):
        cluster_study({"raw": x}, ["jazz"] * 12, tracks, splits, ks=[2])
    with pytest.raises(InputError, match="no valid clips"):
        Splits.of(["train", "test"])


def test_medoids_lie_at_the_heart_and_switchers_are_those_that_moved() -> None:
    x = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert clustering.medoids(x, labels) == {0: 1, 1: 4}
    renamed = np.array([7, 7, 3, 3, 3, 3])  # clip 2 moved, the names mean nothing
    assert clustering.switchers(labels, renamed).tolist() == [2]
    assert clustering.switchers(labels, 5 - labels).tolist() == []


def test_intervals_draw_whole_tracks() -> None:
    rng = np.random.default_rng(0)
    effect = np.repeat(rng.standard_normal(20), 50)  # clips of a track are copies of one another
    values = effect + 0.01 * rng.standard_normal(1000)
    tracks = [f"t{i // 50}" for i in range(1000)]
    found = bootstrap(lambda i: float(values[i].mean()), tracks, seed=0)
    standard_error = effect.std() / np.sqrt(20)
    assert found.high - found.low == pytest.approx(2 * 1.96 * standard_error, rel=0.25)
    halves = half_samples(lambda i: float(values[i].mean()), tracks, seed=0, repeats=200)
    assert halves.high - halves.low == pytest.approx(2 * 1.96 * standard_error, rel=0.25)
    dealt = permute_over_tracks([t for t in tracks], tracks, rng)
    assert all(len(set(dealt[i : i + 50])) == 1 for i in range(0, 1000, 50))
    assert p_value(5.0, [1, 2, 3]) == 0.25
    assert p_value(0.0, [1, 2, 3]) == 1.0
