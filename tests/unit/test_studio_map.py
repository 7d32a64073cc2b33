"""The map: points that are heard and give their parts, and where a song stands among them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from surco.codec.streaming import SAMPLES
from surco.latents.vectors import VectorSet
from surco.studio import material
from surco.studio.app import create_app
from tests.studio_page import HOST, JAZZ, Page, Threads, samples

pytest_plugins = ["tests.studio_page"]


@pytest.fixture(scope="module")
def atlas(page: Page) -> dict[str, Any]:
    answer = page.client.get("/api/map", headers=page.headers)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_the_map_has_the_shipped_clips_and_what_the_prior_learned(atlas: dict[str, Any]) -> None:
    points = atlas["points"]
    assert atlas["shipped"] and len(points) == 80 + len(material.prior().centres)
    assert sum(p["original"] for p in points) == 80 == sum(p["tempo"] == 0 for p in points)
    places = np.array([p["place"] for p in points])
    assert places.min() == 0 and places.max() == 1 and len(np.unique(places, axis=0)) > 300
    assert {p["genre"] for p in points} == set(material.prior().known)


def test_a_point_is_heard_like_a_song(page: Page, atlas: dict[str, Any]) -> None:
    clip, learned = atlas["points"][3], atlas["points"][-1]
    heard = samples(page.ask(clip["id"], "sound", size=512))
    original = samples(page.ask(clip["id"], "sound", kind="original"))
    assert len(heard) == len(original) == SAMPLES and not np.array_equal(heard, original)
    tempo = max(0.5, min(2.0, learned["tempo"] / 96))
    faster = samples(page.ask(learned["id"], "sound", size=512, amounts={"tempo": tempo}))
    assert abs(len(faster) - SAMPLES / tempo) < 2
    assert page.ask(learned["id"], "sound", kind="original").status_code == 422


def test_a_point_gives_its_parts_and_an_end_to_go_to(page: Page, song: str, atlas: dict[str, Any]) -> None:
    there = atlas["points"][-1]["id"]
    plain = page.ask(song, "sound").content
    for part in ("harmony", "rhythm", "timbre"):
        assert page.ask(song, "sound", amounts={part: 1}, others={part: there}).content != plain
    half = page.ask(song, "sound", size=2048, between={"song": there, "weight": 0.5})
    assert half.status_code == 200 and half.content != plain
    saved = page.ask(song, "file", format="studio", amounts={"harmony": 1}, others={"harmony": there})
    again = Page(page.client).open(saved.content, "my.studio", what="projects").json()
    assert len(again["songs"]) == 2


def test_a_shipped_clip_stands_where_its_own_point_is(page: Page, atlas: dict[str, Any]) -> None:
    points = atlas["points"]
    own = page.song(JAZZ.read_bytes(), JAZZ.name)
    told = page.ask(own, "place", size=512).json()
    assert len(told["near"]) == 5
    nearest = points[told["near"][0]]
    assert np.hypot(*(np.array(told["place"]) - nearest["place"])) < 0.02
    same = samples(page.ask(nearest["id"], "sound", kind="original"))
    assert np.array_equal(same, samples(page.ask(own, "sound", kind="original")))
    moved = page.ask(own, "place", size=512, style={"genre": "metal", "weight": 1.0}).json()
    assert np.hypot(*(np.array(moved["place"]) - told["place"])) > 0.02


def test_points_belong_to_all_pages_and_nobody_removes_them(page: Page, atlas: dict[str, Any]) -> None:
    other, point = Page(page.client), atlas["points"][0]["id"]
    assert other.client.delete(f"/api/songs/{point}", headers=other.headers).status_code == 204
    assert other.ask(point, "sound").status_code == 200
    other.client.delete("/api/session", headers=other.headers)
    assert page.ask(point, "sound").status_code == 200


def of_set(vectors: Path) -> TestClient:
    return TestClient(create_app(Threads, vectors=vectors), base_url=HOST)


def test_the_vectors_of_a_sweep_are_a_map(temporary: Path, tmp_path: Path, vectors: np.ndarray) -> None:
    count = 12
    noise = np.random.default_rng(0).normal(0, 30, (count, 128)).astype(np.float32)
    names = [f"jazz/{i}.ogg" for i in range(count)]
    held = VectorSet(
        vectors[0, :128] + noise, names, names, ["jazz", "rock"] * 6, ["train"] * count,
        material.codec().fingerprint, "0123456789abcdef",
    )  # fmt: skip
    held.save(tmp_path / "vectors.safetensors")
    with of_set(tmp_path / "vectors.safetensors") as client:
        page = Page(client)
        told = client.get("/api/map", headers=page.headers).json()
        assert not told["shipped"] and [p["name"] for p in told["points"]] == [str(i) for i in range(count)]
        assert samples(page.ask(told["points"][5]["id"], "sound", size=128)).std() > 0


def test_vectors_of_another_codec_are_no_map(temporary: Path, tmp_path: Path) -> None:
    ones, names = np.ones((6, 32), np.float32), [str(i) for i in range(6)]
    VectorSet(ones, names, names, names, ["train"] * 6, "another", "set").save(tmp_path / "v.safetensors")
    with of_set(tmp_path / "v.safetensors") as client:
        page = Page(client)
        answer = client.get("/api/map", headers=page.headers)
        assert answer.status_code == 422 and "another" in answer.json()["error"]
