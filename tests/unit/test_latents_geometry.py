"""The composed parts of a study: ablation, other sizes, maps, figures and tables."""

import json
from pathlib import Path

import numpy as np
import pytest
from evidence_material import move, study

from surco.edits.edit_figures import draw_moves
from surco.errors import InputError
from surco.latents import geometry, maps, study_figures, tables
from surco.latents.study import Map, Shape
from surco.latents.study_geometry import ablation, compare_sizes, geometry_study, switching_clips
from surco.metrics.aggregate import Estimate
from surco.plots import theme

TRACKS = [f"t{i // 2}" for i in range(80)]


@pytest.fixture
def cloud() -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.standard_normal((80, 6)) * [9, 5, 3, 2, 1, 1]).astype(np.float32)


def test_ablation_names_what_a_dimension_is_worth_in_db() -> None:
    worth = np.array([0.0, 4.0, 0.0, 1.0, 0.0, 2.0], np.float32)

    def decode_mel(x: np.ndarray) -> np.ndarray:
        return ((x * worth).sum(1))[:, None, None] * np.ones((1, 8, 9))

    vectors = np.ones((3, 6), np.float32)
    rows = ablation(decode_mel, vectors, np.zeros(6), list("abc"))
    assert {r.dimension: r.change.mean for r in rows} == {1: 4, 2: 0, 3: 1, 4: 0, 5: 2}
    few = ablation(decode_mel, vectors, np.zeros(6), list("abc"), most=2, batch_size=1)
    assert [r.dimension for r in few] == [1, 5]
    assert ablation(decode_mel, vectors[:, :1], np.zeros(1), list("abc")) == []


def test_two_sizes_of_one_vector_are_alike_and_strangers_are_not(cloud: np.ndarray) -> None:
    alike = compare_sizes(cloud, cloud[:, :4], TRACKS, k=5)
    assert alike.cka.mean > 0.98 > 0.1 > abs(alike.cka_shuffled)
    assert alike.mantel_p < 0.05
    assert alike.neighbour_overlap.low > 3 * alike.neighbour_overlap_chance
    strangers = compare_sizes(cloud, np.random.default_rng(5).standard_normal((80, 4)), TRACKS, k=5)
    assert abs(strangers.cka.mean) < 0.1
    assert strangers.neighbour_overlap.low < 2 * strangers.neighbour_overlap_chance


def test_the_clip_that_was_moved_to_another_cluster_is_named() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], 20)
    a = 10.0 * np.eye(3)[truth] + 0.1 * rng.standard_normal((60, 3))
    b = np.concatenate([a, 0.1 * rng.standard_normal((60, 2))], axis=1)
    b[7, :3] = [0, 10, 0]
    found = switching_clips(a, b, np.arange(60), [f"clip{i}" for i in range(60)], k=3)
    assert found.clips == ["clip7"]
    assert found.share == pytest.approx(1 / 60)
    assert found.share_other_seed == 0


def test_geometry_rows_hold_dimension_beside_a_gaussian_twin(cloud: np.ndarray) -> None:
    flat = np.concatenate([cloud[:, :2], cloud[:, :2] @ np.ones((2, 8))], axis=1)
    (row,) = geometry_study({"raw": flat}, TRACKS)
    assert row.axes_for[0.99] == 2
    assert row.two_nn.low < 2 < row.two_nn.high
    assert row.mle.mean == pytest.approx(row.mle_gaussian, rel=0.4)
    assert Shape.model_validate_json(row.model_dump_json()) == row


@pytest.mark.parametrize("kind", ["PCA", "t-SNE"])
def test_maps_keep_neighbours_and_their_bytes(cloud: np.ndarray, kind: str) -> None:
    points = maps.draw_map(cloud, kind, seed=1)
    assert points.shape == (80, 2)
    assert geometry.trustworthiness(cloud, points, k=5).mean() > 0.85
    assert points.tobytes() == maps.draw_map(cloud, kind, seed=1).tobytes()
    with pytest.raises(InputError, match="at least 10 clips"):
        maps.draw_map(cloud[:9], kind)
    with pytest.raises(InputError, match="no map"):
        maps.draw_map(cloud, "globe")


def test_tables_are_json_without_nan(tmp_path: Path) -> None:
    value = {1: np.float32(0.5), "a": [np.nan, np.inf, np.arange(2)], "e": Estimate(np.nan, 0.0, 1.0, 3, 0)}
    tables.write_json(tmp_path / "x.json", value)
    assert json.loads((tmp_path / "x.json").read_text()) == {
        "1": 0.5,
        "a": [None, None, [0, 1]],
        "e": {"mean": None, "low": 0.0, "high": 1.0, "tracks": 3, "missing": 0},
    }


@pytest.mark.slow
def test_figures_are_drawn_where_figures_are_missing(tmp_path: Path, cloud: np.ndarray) -> None:
    known, unknown = Estimate(0.4, 0.3, 0.5, 9, 0), Estimate(np.nan, np.nan, np.nan, 0, 9)
    found = study(64, genre_map=known, track_map=unknown)
    layout = Map(points=cloud[:, :2].tolist(), trustworthiness=known)
    rows = [move(name, 0.4, "yes").model_copy(update={"asked": name}) for name in ("style", "tempo")]
    drawn = {
        "retrieval": study_figures.retrieval(found.neighbours),
        "scan": study_figures.scan(found.clusters),
        "agreement": study_figures.agreement(found.clusters),
        "probes": study_figures.probes(found.genre_probes, found.attribute_probes),
        "geometry": study_figures.geometry(found.geometry, found.prefixes, found.ablation),
        "maps": study_figures.maps({"PCA": layout, "t-SNE": layout, "random": layout}, ["a", "b"] * 40),
        "edits": draw_moves(rows),
    }
    for name, picture in drawn.items():
        path = theme.save(picture, tmp_path / f"{name}.png")
        assert path.stat().st_size > 4000
    assert len(drawn["maps"].axes) == 2  # the random layout is a baseline, no map
    assert "no track has" in drawn["retrieval"].axes[1].texts[0].get_text()
