"""The studio's answers: sounds, measures, vectors, files to keep."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from surco.audio.io import to_int16
from surco.edits.amounts import Amounts, apply
from surco.studio import material
from tests.studio_page import JAZZ, Page, samples, two_clips

pytest_plugins = ["tests.studio_page"]


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
        {"kind": "original"}, {"kind": "ceiling"}, {}, {"kind": "textured"}, {"packed": True},
        {"drawn": {"4": 9}}, {"amounts": {"brightness": 6}},
        {"amounts": {"brightness": 6}, "kind": "processed"},
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


def test_bits_a_second_are_those_of_the_packed_file(page: Page, song: str, vectors: np.ndarray) -> None:
    told = page.ask(song, "vector", size=512).json()
    saved = page.ask(song, "file", format="surco", size=512).content
    assert told["rate"] == pytest.approx(8 * len(saved) / 8.0, abs=0.1)  # of 8 s
    assert page.ask(song, "vector", size=128).json()["rate"] < told["rate"] < 32 * 512 / 4.75 / 5
    rounded = material.codec().unpack(saved)
    heard = page.ask(song, "vector", size=512, packed=True).json()["values"]
    assert np.allclose(heard, rounded[0], atol=1e-3) and not np.allclose(heard, vectors[0, :512], atol=0.5)


def test_the_vector_shows_dimensions_and_parts(page: Page, song: str, vectors: np.ndarray) -> None:
    told = page.ask(song, "vector", size=512).json()
    assert np.allclose(told["values"], vectors[0, :512], atol=1e-3)
    assert told["parts"] == {"loudness": 1, "timbre": 61, "rhythm": 298, "harmony": 32, "detail": 120}
    assert len(told["of"]) == 512 and told["of"][0] == "l" and set(told["of"]) == set("ltrhd")


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
    amounts = Amounts.of({"treble": -6.0, "tempo": 1.1, "gain": -6.0})  # quiet: nothing is lowered
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
