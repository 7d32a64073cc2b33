"""What the studio refuses: hostile files, senseless questions, too much of anything."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from surco.codec import Vectors
from surco.studio.limits import Limits
from tests.studio_page import Page, studio, two_clips, wav

pytest_plugins = ["tests.studio_page"]


def _pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def _foreign_vectors(tmp: Path) -> bytes:
    Vectors(np.zeros((1, 32)), 110_250, "0123456789abcdef").save(tmp / "v.npy")
    return (tmp / "v.npy").read_bytes()


def _endless() -> bytes:
    """A WAV whose header claims 10 hours."""
    data = bytearray(wav(np.zeros(22_050, np.float32) + 0.1))
    claimed = 36_000 * 22_050 * 2
    data[4:8], data[40:44] = (claimed + 36).to_bytes(4, "little"), claimed.to_bytes(4, "little")
    return bytes(data)


def test_hostile_files_are_refused_in_a_sentence_and_leave_nothing(
    client: TestClient, temporary: Path, tmp_path: Path
) -> None:
    page = Page(client)
    before = sorted(temporary.rglob("*"))
    hostile = {
        "empty.wav": b"", "text.mp3": b"not sound at all" * 50, "cut.wav": two_clips()[:5_000],
        "endless.wav": _endless(), "silent.flac": wav(np.zeros(22_050)), "nothing": bytes(5_000),
        "raw.raw": bytes(4_000), "pickle.npy": _pickled(), "foreign.npy": _foreign_vectors(tmp_path),
        "x.m4a": b"\0\0\0\x20ftypM4A " + bytes(400), "a\0b.ogg": b"OggS" + bytes(300),
        "p.surco": b"\xff" * 900,
    }  # fmt: skip
    for name, data in hostile.items():
        answer = page.open(data, name.replace("\0", "%00"))
        told = answer.json()["error"]
        assert answer.status_code == 422, name
        assert 10 < len(told) < 300 and str(temporary) not in told and "Traceback" not in told, (name, told)
    answer = page.open(b"\xff" * 900, "p.studio", what="projects")
    assert answer.status_code == 422 and "no project" in answer.json()["error"]
    assert sorted(temporary.rglob("*")) == before


def test_a_song_that_is_too_long_is_not_decoded(temporary: Path) -> None:
    with studio(Limits(song_seconds=6)) as client:
        answer = Page(client).open(two_clips(), "long.wav")
        assert answer.status_code == 422 and "long.wav" in answer.json()["error"]


@pytest.mark.parametrize(
    "question",
    [
        {"clip": 2}, {"clip": -1}, {"size": 4096}, {"size": "many"}, {"kind": "loud"}, {"packed": 3},
        {"amounts": {"tempo": 9}}, {"amounts": {"warmth": 1}}, {"amounts": {"pitch": 1e300}}, {"unknown": 1},
        {"drawn": {"x": 1}}, {"drawn": {"1": 1e9}}, {"amounts": {"rhythm": 1}}, {"kind": "mixed"},
        {"between": {"song": "x", "weight": 2}},
    ],
    ids=str,
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_told_so(page: Page, song: str, question: dict[str, Any]) -> None:
    answer = page.ask(song, "sound", **question)
    assert answer.status_code == 422 and 10 < len(answer.json()["error"]) < 300


def test_a_question_that_is_no_json(page: Page, song: str) -> None:
    for body in (b"{", b"[" * 50_000, b'{"amounts": {"pitch": NaN}}', b"[]", b"\xff"):
        assert page.post(f"/api/songs/{song}/sound", content=body).status_code == 422


def test_uploads_end_where_they_are_too_large(temporary: Path) -> None:
    with studio(Limits(upload_bytes=100_000, request_bytes=500)) as client:
        page = Page(client)
        before = sorted(temporary.rglob("*"))
        assert page.open(bytes(200_000), "a.wav").status_code == 422
        pieces = page.post("/api/songs", content=(bytes(9_000) for _ in range(30)))  # no length is told
        assert pieces.status_code == 422 and "MB" in pieces.json()["error"]
        song = page.song(wav(np.sin(np.arange(22_050) / 20)))
        assert page.ask(song, "sound", drawn={str(i): 0 for i in range(300)}).status_code == 422
        page.client.delete(f"/api/songs/{song}", headers=page.headers)
        assert sorted(temporary.rglob("*")) == before


def test_songs_sessions_and_questions_are_counted(temporary: Path) -> None:
    tone = wav(np.sin(np.arange(22_050) / 20))
    with studio(Limits(songs=1, sessions=1, asked_per_minute=4)) as client:
        page = Page(client)
        song = page.song(tone)
        assert page.open(tone, "b.wav").status_code == 429
        assert client.post("/api/session", headers={"x-surco-session": "new"}).status_code == 429
        codes = [page.ask(song, "sound", kind="original").status_code for _ in range(4)]
        assert codes == [200, 200, 429, 429]


def test_a_session_that_ends_takes_its_files_along(client: TestClient, temporary: Path) -> None:
    page = Page(client)
    before = {p for p in temporary.rglob("*") if p.is_file()}
    song = page.song()
    assert {p.suffix for p in temporary.rglob("*") if p.is_file()} - {p.suffix for p in before} <= {
        ".pcm",
        ".f32",
    }
    assert len([p for p in temporary.rglob("*") if p.is_file() and p not in before]) == 2
    assert client.delete("/api/session", headers=page.headers).status_code == 204
    assert {p for p in temporary.rglob("*") if p.is_file()} == before
    assert page.ask(song, "sound").status_code == 410


def test_the_server_takes_all_files_along(temporary: Path) -> None:
    with studio() as client:
        root = client.app.state.studio.sessions.root  # type: ignore[attr-defined]
        Page(client).song()
        assert root.stat().st_mode & 0o777 == 0o700 and any(root.rglob("*.pcm"))
    assert not root.exists()


def test_one_page_cannot_reach_the_songs_of_another(client: TestClient, song: str) -> None:
    other = Page(client)
    assert other.ask(song, "sound").status_code == 410
    mine = other.song()
    answer = other.ask(mine, "sound", amounts={"rhythm": 1}, others={"rhythm": song})
    assert answer.status_code == 410
    assert client.delete(f"/api/songs/{song}", headers=other.headers).status_code == 410
    client.delete("/api/session", headers=other.headers)
