"""The studio's server: songs in, sounds out, and what it refuses."""

import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from surco.audio.io import to_int16
from surco.codec import Codec, Vectors
from surco.edits.amounts import Amounts, apply
from surco.studio import material
from surco.studio.app import DEMO, STATIC, create_app
from surco.studio.limits import Limits

HOST = "http://localhost"
JAZZ = next((DEMO / "jazz").glob("*.ogg"))


class Threads:
    """A pool in this process."""

    def __init__(self, count: int = 1):
        self._pool = ThreadPoolExecutor(count)

    def run(self, function: Any, args: tuple[Any, ...], seconds: float) -> Future[Any]:
        return self._pool.submit(function, *args)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def studio(limits: Limits | None = None, **how: Any) -> TestClient:
    return TestClient(create_app(Threads, limits=limits, **how), base_url=HOST)


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Temporary files of this module in a folder of its own."""
    import tempfile

    folder, before = tmp_path_factory.mktemp("temporary"), tempfile.tempdir
    tempfile.tempdir = str(folder)
    yield folder
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def client(temporary: Path) -> Iterator[TestClient]:
    with studio() as client:
        yield client


class Page:
    """What a page in a browser does: a session, songs, questions."""

    def __init__(self, client: TestClient):
        self.client = client
        answer = client.post("/api/session", headers={"x-surco-session": "new"})
        assert answer.status_code == 201, answer.text
        self.headers = {"x-surco-session": answer.json()["id"]}

    def post(self, path: str, **how: Any) -> Any:
        return self.client.post(path, headers={**self.headers, **how.pop("headers", {})}, **how)

    def open(self, data: bytes, name: str, *, what: str = "songs") -> Any:
        return self.post(f"/api/{what}", content=data, headers={"x-surco-name": name})

    def song(self, data: bytes | None = None, name: str = "a song.wav") -> str:
        answer = self.open(two_clips() if data is None else data, name)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def ask(self, song: str, what: str, **question: Any) -> Any:
        return self.post(f"/api/songs/{song}/{what}", json=question)


def two_clips() -> bytes:
    """A WAV of 8 s: two of the shipped clips."""
    waves = [soundfile.read(p, dtype="float32")[0] for p in sorted((DEMO / "jazz").glob("*.ogg"))[:2]]
    return wav(np.concatenate(waves)[: 8 * 22_050])


def wav(wave: np.ndarray, rate: int = 22_050) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def samples(answer: Any) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    found: np.ndarray = soundfile.read(io.BytesIO(answer.content), dtype="int16")[0]
    return found


@pytest.fixture(scope="module")
def page(client: TestClient) -> Page:
    return Page(client)


@pytest.fixture(scope="module")
def song(page: Page) -> str:
    return page.song()


@pytest.fixture(scope="module")
def vectors(client: TestClient) -> np.ndarray:
    wave = soundfile.read(io.BytesIO(two_clips()), dtype="float32")[0]
    return np.asarray(material.codec().encode_long(wave))


# -- sounds ----------------------------------------------------------------------------------------


def test_a_song_opens_as_clips(page: Page) -> None:
    told = page.open(two_clips(), "b.wav").json()
    assert (told["clips"], told["seconds"], told["size"], told["original"]) == (2, 8.0, 2048, True)
    assert len(told["gains"]) == 2
    page.client.delete(f"/api/songs/{told['id']}", headers=page.headers)


@pytest.mark.parametrize("size", [32, 512, 2048])
def test_a_clip_sounds_as_the_codec_decodes_it(page: Page, song: str, vectors: np.ndarray, size: int) -> None:
    heard = samples(page.ask(song, "sound", clip=1, size=size))
    assert np.array_equal(heard, to_int16(material.codec().decode(vectors[1], size)))


def test_the_original_is_what_was_opened(page: Page, song: str) -> None:
    whole = soundfile.read(io.BytesIO(two_clips()), dtype="int16")[0]
    heard = samples(page.ask(song, "sound", clip=1, kind="original"))
    begin = 110_250 - 5_512
    assert (
        np.array_equal(heard[: len(whole) - begin], whole[begin:]) and not heard[len(whole) - begin :].any()
    )


def test_every_kind_of_sound_is_another(page: Page, song: str) -> None:
    other = page.song(JAZZ.read_bytes(), JAZZ.name)
    questions: list[dict[str, Any]] = [
        {"kind": "original"}, {"kind": "ceiling"}, {}, {"kind": "textured"}, {"bits": 8}, {"drawn": {"4": 9}},
        {"amounts": {"brightness": 6}}, {"amounts": {"brightness": 6}, "kind": "processed"},
        {"amounts": {"rhythm": 1}, "others": {"rhythm": other}},
        {"amounts": {"rhythm": 1}, "others": {"rhythm": other}, "kind": "mixed"},
        {"between": {"song": other, "weight": 0.5}}, {"amounts": {"fade_in": 3}},
    ]  # fmt: skip
    heard = [samples(page.ask(song, "sound", **q)).tobytes() for q in questions]
    assert len(set(heard)) == len(questions)


def test_tempo_makes_it_shorter_and_says_so(page: Page, song: str) -> None:
    answer = page.ask(song, "sound", amounts={"tempo": 1.25})
    assert len(samples(answer)) == round(110_250 / 1.25)
    assert float(answer.headers["x-surco-seconds"]) == pytest.approx(4.0, abs=0.001)


def test_a_loud_edit_is_lowered_and_says_so(page: Page, song: str) -> None:
    answer = page.ask(song, "sound", amounts={"gain": 24})
    assert np.abs(samples(answer)).max() <= round(0.98 * 32_768)
    assert float(answer.headers["x-surco-lowered"]) > 3


def test_measures_say_how_close(page: Page, song: str) -> None:
    small, large = (page.ask(song, "measures", size=size).json() for size in (32, 2048))
    assert large["zimtohrli"] > small["zimtohrli"] and large["log_mel_db"] < small["log_mel_db"]
    assert page.ask(song, "measures", amounts={"tempo": 1.2}).json() == {}


def test_the_vector_shows_numbers_and_parts(page: Page, song: str, vectors: np.ndarray) -> None:
    told = page.ask(song, "vector", size=512).json()
    assert np.allclose(told["numbers"], vectors[0, :512], atol=1e-3)
    assert told["parts"] == {"loudness": 1, "timbre": 61, "rhythm": 298, "harmony": 32, "detail": 120}
    assert len(told["of"]) == 512 and told["of"][0] == "l" and set(told["of"]) == set("ltrhd")


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("amounts", [{}, {"brightness": 4.0, "gain": 20.0}])
def test_the_vectors_that_are_saved_decode_to_the_sound_that_is_saved(
    page: Page, song: str, tmp_path: Path, amounts: dict[str, float]
) -> None:
    question = {"size": 256, "amounts": amounts}
    sound = samples(page.ask(song, "file", format="wav", **question))
    (tmp_path / "song.npy").write_bytes(page.ask(song, "file", format="npy", **question).content)
    material.codec().decode_file(tmp_path / "song.npy", tmp_path / "back.wav")
    again = soundfile.read(tmp_path / "back.wav", dtype="int16")[0]
    assert len(again) == 8 * 22_050 and np.array_equal(sound, again)
    flac = samples(page.ask(song, "file", format="flac", **question))
    assert np.array_equal(flac, sound)


def test_the_whole_song_is_edited_as_the_command_line_edits_it(
    page: Page, song: str, vectors: np.ndarray
) -> None:
    amounts = Amounts.of({"treble": -6.0, "tempo": 1.1})
    made, pose = apply(material.codec(), vectors[:, :512], amounts)
    wave = material.codec().decode_long(made, pose.samples(8 * 22_050), pose=pose)
    heard = samples(page.ask(song, "file", format="wav", amounts=amounts.asked))
    assert np.array_equal(heard, to_int16(wave))


def test_a_project_opens_again_as_it_was(page: Page, song: str) -> None:
    other = page.song(JAZZ.read_bytes(), JAZZ.name)
    question = {
        "size": 128, "clip": 1, "amounts": {"timbre": 0.5, "bass": 3.0}, "others": {"timbre": other},
        "drawn": {"5": 1.0},
    }  # fmt: skip
    saved = page.ask(song, "file", format="studio", **question)
    again = Page(page.client)
    told = again.open(saved.content, "my.studio", what="projects").json()
    assert [s["name"] for s in told["songs"]] == ["a song.wav", JAZZ.name]
    assert not any(s["original"] for s in told["songs"])
    ask = {k: v for k, v in told["ask"].items() if v is not None}
    assert np.array_equal(
        samples(again.ask(told["songs"][0]["id"], "sound", **ask)),
        samples(page.ask(song, "sound", **question)),
    )
    refused = again.ask(told["songs"][0]["id"], "sound", kind="original")
    assert refused.status_code == 422 and "no original" in refused.json()["error"]


def test_a_page_to_send_stands_alone(page: Page, song: str) -> None:
    html = page.ask(song, "file", format="html", amounts={"bass": 3.0}, language="es", size=64).text
    assert (
        html.startswith("<!doctype html>") and "editado" in html and "src=" not in html.split("</style>")[0]
    )


def test_the_name_of_a_file_is_text_and_no_path(page: Page) -> None:
    name = "%2e%2e%2f<img src=x onerror=alert(1)>\"'.wav"
    told = page.open(two_clips(), name).json()
    assert told["name"] == "../<img src=x onerror=alert(1)>\"'.wav"
    answer = page.ask(told["id"], "file", format="npy")
    sent = answer.headers["content-disposition"]
    assert sent == "attachment; filename*=UTF-8''img_src_x_onerror_alert_1.npy"
    page.client.delete(f"/api/songs/{told['id']}", headers=page.headers)


# -- hostile files ---------------------------------------------------------------------------------


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
        {"clip": 2}, {"clip": -1}, {"size": 4096}, {"size": "many"}, {"kind": "loud"}, {"bits": 3},
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


# -- limits ----------------------------------------------------------------------------------------


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


# -- who may ask -----------------------------------------------------------------------------------


def test_with_a_token_nothing_is_told_without_it(temporary: Path) -> None:
    with TestClient(create_app(Threads, token="s3cret"), base_url="http://box.example") as client:
        for path in ("/", "/api/facts", "/static/main.js"):
            assert client.get(path).status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.post("/api/session?token=s3cret", headers={"x-surco-session": "new"}).status_code == 401
        assert client.get("/api/facts", headers={"authorization": "Bearer s3cret"}).status_code == 200
        assert (
            client.get("/api/facts", headers={"cookie": 'surco-studio=";\xff'.encode("latin-1")}).status_code
            == 401
        )
        answer = client.get("/?token=s3cret&x=1", follow_redirects=False)
        assert answer.status_code == 303 and "s3cret" not in answer.headers["location"]
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie
        assert client.get("/").status_code == 200  # the cookie came along


def test_without_a_token_only_this_machine_is_answered(client: TestClient) -> None:
    for host, status in (("evil.example", 403), ("127.0.0.1:8360", 200), ("[::1]:8360", 200), ("", 403)):
        assert client.get("/api/facts", headers={"host": host}).status_code == status, host
    answer = client.get("/api/facts", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers
    with studio(hosts=["studio.example"]) as named:
        assert named.get("/api/facts", headers={"host": "studio.example"}).status_code == 200


def test_a_session_needs_a_header_that_other_sites_cannot_send(client: TestClient) -> None:
    assert client.post("/api/session").status_code == 410


def test_no_script_stands_in_the_page_and_the_browser_would_not_run_one(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
    assert "<script>" not in answer.text and " style=" not in answer.text and "onclick" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_static_files_lead_nowhere_else(client: TestClient) -> None:
    assert client.get("/static/main.js").status_code == 200
    assert client.get("/static/page/dom.js").status_code == 200
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/page/%2e%2e/page.py"):
        assert client.get(path).status_code == 404


def test_under_a_path_of_a_proxy(temporary: Path) -> None:
    app = create_app(Threads, token="t")
    with TestClient(app, base_url="http://box.example", root_path="/music") as client:
        answer = client.get("/music/?token=t", follow_redirects=False)
        assert answer.status_code == 303 and "path=/music/" in answer.headers["set-cookie"].lower()
        assert client.get("/music/static/main.js").status_code == 200
    page = (STATIC / "index.html").read_text()
    assert 'src="/' not in page and 'href="/' not in page


def test_both_languages_have_the_same_words() -> None:
    words = (STATIC / "words.js").read_text()
    english, spanish = words.split("  es: {")
    keys = [set(re.findall(r'"([\w.]+)": "', part)) for part in (english, spanish)]
    assert keys[0] == keys[1] and len(keys[0]) > 80


def test_facts_name_every_edit(client: TestClient) -> None:
    told = client.get("/api/facts").json()
    assert [e["name"] for e in told["edits"]] == list(Amounts.model_fields)
    assert told["codec"] == Codec.load().fingerprint and told["sizes"][-1] == told["size"] == 2048
    json.dumps(told, allow_nan=False)
