"""Names, paths and sentences: what comes from data stays in its folder, and what is said is short."""

import os
import socket
from pathlib import Path

import pytest

from surco.audio.io import read_audio, write_wav
from surco.datasets import prepare
from surco.errors import InputError, quoted
from surco.files import as_file_name, regular_file, safe_join, safe_name, write_bytes

BAD = ["", ".", "..", "a/b", "a\\b", "c:", "x" * 201, "a\0b", "a\nb", "\ud800", "/etc", " ", None, 3, ["a"]]


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_names_that_are_no_names(name: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be a"):
        safe_name(name)
    if name not in ("a/b",):
        with pytest.raises(InputError):
            safe_join(tmp_path, name)


def test_names_with_slashes_stay_inside(tmp_path: Path) -> None:
    assert safe_join(tmp_path, "songs/a.wav") == tmp_path / "songs" / "a.wav"
    (tmp_path / "out").symlink_to("/")
    for name in ("../a", "songs/../../a", "/a", "songs//a", "out/a"):
        with pytest.raises(InputError):
            safe_join(tmp_path, name)


def test_labels_become_parts_of_file_names() -> None:
    assert as_file_name("../../../../escaped/x") == "escaped_x"
    assert as_file_name("rock") == "rock" and as_file_name("música.1") == "música.1"
    assert as_file_name("///") == "_"
    for label in ("../x", "a\0b", "x" * 500, ".hidden", "\ud800"):
        safe_name(as_file_name(label))


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 30_000, "a\nb\x1b[31m\ud800", "é" * 4_000])
def test_sentences_are_short_and_printable(text: str) -> None:
    said = str(InputError(f"{text} is wrong; correct it."))
    assert len(said) < 300 and said.isprintable()
    assert said.endswith("is wrong; correct it.")
    said.encode()


def test_what_is_quoted_takes_no_more_memory_than_it_shows() -> None:
    bomb: list[object] = ["lol"] * 10
    for _ in range(20):
        bomb = [bomb] * 10  # 10 to the 20th
    assert quoted(bomb) == "a list"
    assert len(quoted("y" * 10_000_000)) <= 60
    assert quoted(10**6_000) == "a number of very many digits"


def test_only_plain_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "broken.wav").symlink_to("nowhere.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.wav"))
        for name in ("pipe.wav", "loop.wav", "broken.wav", "socket.wav", "x" * 300, "\ud800", "a\0b"):
            with pytest.raises(InputError):
                regular_file(tmp_path / name)
            with pytest.raises(InputError):
                read_audio(tmp_path / name)
    with pytest.raises(InputError, match="a device"):
        regular_file("/dev/zero")


def test_every_file_of_a_folder_is_used_or_named(tmp_path: Path) -> None:
    import numpy as np

    music = tmp_path / "music"
    wave = np.sin(np.arange(22_050 * 5) / 9).astype(np.float32) / 2
    for genre in ("rock", "jazz"):
        write_wav(music / genre / "song.wav", wave)
    for i in range(25):
        (music / "rock" / f"cover{i}.jpg").touch()
    (music / "readme.txt").touch()
    (music / "old.mid").touch()
    (music / ".DS_Store").touch()
    (music / "gone.wav").symlink_to("nowhere")
    os.mkfifo(music / "pipe.mp3")
    (music / "rock" / "bad.wav").write_bytes(b"RIFF")
    Path(os.fsdecode(os.fsencode(music) + b"/\xff.wav")).touch()

    found = {s.name: s.reason for s in prepare(music, tmp_path / "out").skipped}
    assert found["25 files *.jpg"] == "is no sound file."
    assert "no sound file" in found["readme.txt"]
    assert "convert it" in found["old.mid"]
    assert found["gone.wav"] == "is a link to nowhere."
    assert found["pipe.mp3"] == "is no plain file."
    assert "rock/bad.wav" in found
    assert any("UTF-8" in reason for reason in found.values())
    assert len(found) == 7


def test_apple_files_need_ffmpeg_or_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "song.m4a").write_bytes(b"not sound")
    with monkeypatch.context() as patch:
        patch.setattr("surco.audio.ffmpeg.available", lambda: False)
        with pytest.raises(InputError, match=r"surco\[ffmpeg\]"):
            read_audio(tmp_path / "song.m4a")
    av = pytest.importorskip("av", reason="FFmpeg is an extra")
    with pytest.raises(InputError, match="does not decode"):
        read_audio(tmp_path / "song.m4a")
    import numpy as np

    tone = (np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100) * 0.5).astype(np.float32)
    with av.open(str(tmp_path / "tone.m4a"), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
        frame.sample_rate = 44_100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    wave = read_audio(tmp_path / "tone.m4a")
    assert abs(len(wave) - 22_050) < 2_100
    peak = np.abs(np.fft.rfft(wave[:16_384])).argmax() * 22_050 / 16_384
    assert abs(peak - 440) < 2


def test_float_files_far_over_full_scale_are_refused(tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    ints = (np.sin(np.arange(22_050) / 9) * 20_000).astype(np.float32)
    soundfile.write(tmp_path / "ints.wav", ints, 22_050, subtype="FLOAT")
    with pytest.raises(InputError, match="times full scale"):
        read_audio(tmp_path / "ints.wav")
    soundfile.write(tmp_path / "loud.wav", ints / 10_000, 22_050, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "loud.wav")).max() > 1.5
    (tmp_path / "song.raw").write_bytes(ints.tobytes())
    with pytest.raises(InputError, match="no header"):
        read_audio(tmp_path / "song.raw")


def test_a_name_too_long_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        write_bytes(tmp_path / ("x" * 300), b"data")
    assert not list(tmp_path.iterdir())


def test_a_file_that_fails_in_reading_is_named(tmp_path: Path) -> None:
    from surco.datasets import source_fingerprint

    (tmp_path / "song.wav").symlink_to("/proc/self/mem")  # plain, but its first page cannot be read
    with pytest.raises(InputError, match=r"song\.wav cannot be read"):
        source_fingerprint(tmp_path)
