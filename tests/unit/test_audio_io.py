"""Sound files: what is read back, and the sentence for each way a file can be bad."""

import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from surco.audio.io import read_audio, write_flac, write_wav
from surco.errors import InputError

RATE = 22_050


def tone(seconds: float = 1.0, hz: float = 440.0, rate: int = RATE) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_wav_comes_back_within_half_a_step(tmp_path: Path) -> None:
    wave = tone()
    write_wav(tmp_path / "a.wav", wave, RATE)
    back = read_audio(tmp_path / "a.wav")
    assert back.dtype == np.float32 and back.shape == wave.shape
    assert np.abs(back - wave).max() <= 0.5 / 32768 + 1e-7


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.flac", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_every_format_at_another_rate_in_stereo_keeps_its_pitch_and_length(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    stereo = np.stack([tone(2, 1000, 48_000), np.zeros(96_000, np.float32)], axis=1)
    soundfile.write(tmp_path / name, stereo, 48_000, **options)
    wave = read_audio(tmp_path / name)
    assert len(wave) == pytest.approx(2 * RATE, rel=0.06)  # an MP3 carries its encoder's padding
    middle = wave[RATE // 2 : RATE // 2 + RATE]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(RATE)))
    assert abs(int(spectrum.argmax()) - 1000) <= 1
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(
        0.15 / np.sqrt(2), rel=0.05
    )  # the mean of both channels


def test_a_long_file_resampled_in_blocks_has_no_seams(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", tone(15, 100, 44_100), 44_100, subtype="FLOAT")
    wave = read_audio(tmp_path / "long.wav")
    assert len(wave) == 15 * RATE
    inner = slice(1000, -1000)  # a resampler rings at the ends
    np.testing.assert_allclose(wave[inner], tone(15, 100)[inner], atol=1e-3)


def test_flac_tags_are_read_by_others(tmp_path: Path) -> None:
    import mutagen

    write_flac(tmp_path / "a.flac", tone(), RATE, {"title": "Été", "genre": "jazz", "artist": "Surco"})
    tags = dict(mutagen.File(tmp_path / "a.flac").tags)
    assert tags["title"] == ["Été"] and tags["genre"] == ["jazz"] and tags["artist"] == ["Surco"]
    with pytest.raises(InputError, match="mood"):
        write_flac(tmp_path / "b.flac", tone(), RATE, {"mood": "calm"})
    assert not (tmp_path / "b.flac").exists()


def test_over_full_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.array([2.0, -2.0, 0.0] * 100, np.float32), RATE)
    back = read_audio(tmp_path / "a.wav")
    assert back[0] == pytest.approx(1, abs=1e-4) and back[1] == -1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_is_neither_read_nor_written(tmp_path: Path, bad: float) -> None:
    wave = tone()
    wave[77] = bad
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"a\.wav holds NaN"):
        read_audio(tmp_path / "a.wav")
    with pytest.raises(InputError, match="NaN"):
        write_wav(tmp_path / "b.wav", wave, RATE)
    assert [p.name for p in tmp_path.iterdir()] == ["a.wav"]


def test_no_such_file_a_folder_and_what_is_no_audio(tmp_path: Path) -> None:
    (tmp_path / "text.mp3").write_text("no music here, whatever the name says\n" * 50)
    (tmp_path / "empty.wav").touch()
    for name, words in {
        "none.wav": "no such file",
        "": "is a folder",
        "text.mp3": "is not audio",
        "empty.wav": "is empty",
    }.items():
        with pytest.raises(InputError, match=words):
            read_audio(tmp_path / name)


def test_silence_is_said(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(InputError, match=r"a\.wav is silent"):
        read_audio(tmp_path / "a.wav")
    assert not read_audio(tmp_path / "a.wav", allow_silence=True).any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {}),
        ("a.aiff", {}),
        ("a.au", {}),
        ("a.flac", {}),
        ("a.mp3", {}),
        ("a.ogg", {}),
        ("a.opus", {"format": "OGG", "subtype": "OPUS"}),
    ],
)
def test_half_a_file_is_truncated(tmp_path: Path, name: str, options: dict[str, str]) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 24_000 * 10).astype(np.float32)
    soundfile.write(buffer, noise, 24_000, **{"format": Path(name).suffix[1:].upper(), **options})
    data = buffer.getvalue()
    (tmp_path / name).write_bytes(data)
    assert len(read_audio(tmp_path / name)) > 0
    (tmp_path / name).write_bytes(data[: len(data) // 2 + 11])
    with pytest.raises(InputError, match="truncated"):
        read_audio(tmp_path / name)


def test_a_tag_after_the_end_is_no_truncation(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.ogg", tone(), RATE)
    with (tmp_path / "a.ogg").open("ab") as file:
        file.write(b"TAG" + bytes(125))
    assert len(read_audio(tmp_path / "a.ogg")) == RATE


def header(channels: int = 1, rate: int = RATE, claimed: int = 0, data: bytes = b"") -> bytes:
    """A 16-bit WAV whose header says what it is told to."""
    size = claimed or len(data)
    block = 2 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, (rate * block) % 2**32, block, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", (size + 36) % 2**32, b"WAVE")
        + form
        + struct.pack("<4sI", b"data", size)
        + data
    )


def test_no_channels(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header(channels=0, data=b"\1\2" * 500))
    with pytest.raises(InputError, match=r"a\.wav.*channel"):
        read_audio(tmp_path / "a.wav")


def test_an_impossible_rate(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header(rate=3, data=b"\1\2" * 500))
    with pytest.raises(InputError, match="sample rate of 3 Hz"):
        read_audio(tmp_path / "a.wav")


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header(claimed=4_000_000_000, data=b"\1\2" * 500))
    with pytest.raises(InputError, match="4,000,000,000 bytes"):
        read_audio(tmp_path / "a.wav")


def test_a_flac_that_claims_a_month_takes_no_memory_for_it(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", tone(), RATE)
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] |= 0x0F  # total samples: the low half of byte 21 and the four bytes after it
    data[22:26] = b"\xff\xff\xff\xff"
    (tmp_path / "a.flac").write_bytes(data)
    with pytest.raises(InputError, match="claims to last 866 hours"):
        read_audio(tmp_path / "a.flac")


FULL_DISK = """
import resource, sys
import numpy as np
from surco.audio.io import write_wav
from surco.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    write_wav(sys.argv[1], np.zeros(50_000, np.float32) + 0.1, 22_050)
except InputError as error:
    print(error)
"""


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.wav")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert "disk is full" in done.stdout and "a.wav" in done.stdout
    assert list(tmp_path.iterdir()) == []
