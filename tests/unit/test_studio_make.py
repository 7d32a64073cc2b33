"""New songs and the edit by genre: what the shipped prior and statistics give, over the application."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from surco.audio.io import to_int16
from surco.codec import Vectors
from surco.edits.parts import Parts
from surco.edits.style import Styles
from surco.prior.make_song import song_of
from surco.studio import making, material
from surco.studio.limits import Limits
from tests.studio_page import Page, samples, studio

pytest_plugins = ["tests.studio_page"]


def made(page: Page, **ask: Any) -> dict[str, Any]:
    """What became of a song that was asked for."""
    answer = page.post("/api/make", json=ask)
    assert answer.status_code == 202, answer.text
    return ended(page, answer.json()["id"])


def ended(page: Page, identity: str) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = page.client.get(f"/api/make/{identity}", headers=page.headers).json()
        if told["state"] != "making":
            return told
        assert 0 <= told["share"] <= 1
        time.sleep(0.05)


def test_a_song_is_the_one_that_the_command_line_makes(page: Page, tmp_path: Path) -> None:
    ask = {"genre": "folk", "seconds": 6, "tempo": 100, "key": "A minor", "seed": 3}
    told = made(page, **ask)
    song = told["song"]
    assert (
        told["state"] == "done"
        and song["made"]["genre"] == "folk"
        and song["original"]
        and song["seconds"] == 6
    )
    wave, facts = song_of(material.codec(), material.prior(), **ask)  # type: ignore[arg-type]
    flac = page.ask(song["id"], "file", format="flac", kind="original").content
    assert np.array_equal(soundfile.read(io.BytesIO(flac), dtype="int16")[0], to_int16(wave))
    heard = samples(page.ask(song["id"], "file", format="wav", kind="original"))
    assert np.array_equal(heard, to_int16(wave))
    with soundfile.SoundFile(io.BytesIO(flac)) as file:
        assert song["name"] == facts["title"] == file.title and "seed 3" in file.comment
    vectors = page.ask(song["id"], "file", format="npy", size=song["size"]).content
    (tmp_path / "song.npy").write_bytes(vectors)
    assert Vectors.load(tmp_path / "song.npy").shape == (song["clips"], song["size"])


def test_a_song_is_like_the_open_one(page: Page, song: str, vectors: np.ndarray) -> None:
    told = made(page, like=song, seconds=5)
    assert told["state"] == "done"
    assert told["song"]["name"] == made(page, like=song, seconds=5)["song"]["name"]


def test_what_cannot_be_made_is_told(page: Page) -> None:
    told = made(page, genre="polka")
    assert told["state"] == "failed" and "polka" in told["error"]
    assert "key" in made(page, key="H")["error"]
    for ask in ({"seconds": 61}, {"seconds": 4}, {"tempo": 20}, {"seed": -1}, {"like": 5}):
        assert page.post("/api/make", json=ask).status_code == 422
    assert page.post("/api/make", json={"like": "nobody"}).status_code == 410


def test_a_song_that_is_cancelled_ends_and_leaves_nothing(temporary: Path) -> None:
    with studio() as client:
        page = Page(client)
        before = sorted(temporary.rglob("*"))
        first = page.post("/api/make", json={"seconds": 60, "genre": "rock"}).json()["id"]
        second = page.post("/api/make", json={"seconds": 60, "genre": "rock"}).json()["id"]
        refused = page.post("/api/make", json={})
        assert refused.status_code == 429 and "2 songs" in refused.json()["error"]
        for identity in (second, first):
            client.delete(f"/api/make/{identity}", headers=page.headers)
            assert ended(page, identity)["state"] == "cancelled"
        end = time.monotonic() + 200
        while client.app.state.studio.sessions.get(page.headers["x-surco-session"]).opening:  # type: ignore[attr-defined]
            assert time.monotonic() < end
            time.sleep(0.05)
        assert sorted(temporary.rglob("*")) == before


def test_a_song_stops_at_its_next_step(tmp_path: Path) -> None:
    tell = making._teller(tmp_path / "song")
    tell(0.5)
    assert making.share_of(tmp_path, "song") == 0.5
    making.stop(tmp_path, "song")
    with pytest.raises(making.Stopped):
        tell(0.6)
    making.clear(tmp_path, "song")
    assert not list(tmp_path.iterdir()) and making.share_of(tmp_path, "song") == 0


def test_songs_that_are_made_count_as_songs(temporary: Path) -> None:
    with studio(Limits(songs=1)) as client:
        page = Page(client)
        assert made(page, seconds=5)["state"] == "done"
        assert page.post("/api/make", json={}).status_code == 429


def test_another_codec_makes_no_songs(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(material.codec()), "fingerprint", "another")
    monkeypatch.setattr(material, "_here", {"codec": material.codec()})
    with studio() as client:
        facts = client.get("/api/facts").json()
        assert facts["genres"] == [] and facts["styles"] == []
        assert "codec" in made(Page(client), seconds=5)["error"]


# -- style -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 512, 2048])
def test_a_style_moves_timbre_and_rhythm_and_keeps_loudness(
    page: Page, song: str, vectors: np.ndarray, size: int
) -> None:
    style = {"genre": "metal", "weight": 1.0}
    moved = np.array(page.ask(song, "vector", size=size, style=style).json()["values"], np.float32)
    plain = vectors[0, :size]
    parts, genres = Parts(material.codec(), size), material.styles().cut(size)
    source = genres.nearest(parts, vectors[:, :size])
    assert source != "metal"
    there = genres.towards(parts, plain[None], source, "metal", 1.0)[0]
    assert np.allclose(moved[1:], there[1:], atol=2e-3)
    change = parts.split(moved - plain)
    assert np.abs(change["timbre"]).max() > 1 and np.abs(change["rhythm"]).max() > 1
    assert np.abs(change["harmony"]).max() < 1e-3 and np.abs(change["detail"]).max() < 2e-3
    before = samples(page.ask(song, "sound", size=size)).astype(float)
    answer = page.ask(song, "sound", size=size, style=style)
    after = samples(answer).astype(float)
    lowered = float(answer.headers["x-surco-lowered"])  # dB for its peak, which rounding of the CPU moves
    assert abs(20 * np.log10(after.std() / before.std()) + lowered) < 1.5


def test_a_style_that_goes_nowhere_changes_nothing(page: Page, song: str) -> None:
    still = page.ask(song, "sound", style={"genre": "metal", "weight": 0})
    assert still.content == page.ask(song, "sound").content
    refused = page.ask(song, "sound", style={"genre": "polka", "weight": 1})
    assert refused.status_code == 422 and "polka" in refused.json()["error"]


def test_statistics_of_another_codec_are_refused() -> None:
    with pytest.raises(ValueError, match="of codec"):
        Styles.load("0123456789abcdef")


def test_statistics_come_back_as_they_were_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    styles = Styles.fit(rng.normal(size=(40, 64)), ["a", "b"] * 20)
    styles.save(tmp_path / "styles", "0123456789abcdef")
    again = Styles.load("0123456789abcdef", tmp_path / "styles")
    assert list(again.mean) == ["a", "b"] and np.allclose(again.mean["b"], styles.mean["b"], atol=1e-3)
    assert len(again.cut(128).spread["a"]) == 128 and len(again.cut(16).mean["a"]) == 16
