"""Recordings and sound files through the codec: arrays in and out, lengths, files, progress."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from surco.audio.io import write_wav
from surco.codec import SAMPLES, Codec, Vectors
from surco.codec.parallel import clip_by_clip
from surco.errors import InputError

RATE = 22_050


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.load()


@pytest.fixture(scope="module")
def song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 s of a chord at 44 100 Hz."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    t = np.arange(7 * 44_100) / 44_100
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6))
    write_wav(path, (0.1 * chord).astype(np.float32), 44_100)
    return path


@pytest.fixture(scope="module")
def vectors(codec: Codec, song: Path) -> Vectors:
    return codec.encode_file(song, 64)


def test_a_file_decodes_to_its_own_length(codec: Codec, vectors: Vectors, tmp_path: Path) -> None:
    assert vectors.shape == (2, 64) and vectors.samples == 7 * RATE
    assert codec.decode_file(vectors[:, :32], tmp_path / "back.flac") == tmp_path / "back.flac"
    vectors.save(tmp_path / "song.npy")
    codec.decode_file(tmp_path / "song.npy", tmp_path / "back.wav")
    codec.decode_file(np.asarray(vectors), tmp_path / "whole.wav")
    for name, frames in (("back.flac", 7 * RATE), ("back.wav", 7 * RATE), ("whole.wav", 2 * SAMPLES - 5512)):
        found = soundfile.info(tmp_path / name)
        assert (found.frames, found.samplerate, found.channels) == (frames, RATE, 1)


def test_a_file_of_vectors_is_a_plain_array_to_numpy_and_keeps_its_facts(
    vectors: Vectors, tmp_path: Path
) -> None:
    vectors.save(tmp_path / "song.npy")
    plain = np.load(tmp_path / "song.npy", allow_pickle=False)
    assert type(plain) is np.ndarray and np.array_equal(plain, vectors)
    again = Vectors.load(tmp_path / "song.npy")
    assert (again.samples, again.codec) == (vectors.samples, vectors.codec)
    np.save(tmp_path / "plain.npy", plain[0].astype(np.float64))
    assert Vectors.load(tmp_path / "plain.npy").shape == (1, 64)
    assert Vectors.load(tmp_path / "plain.npy").samples is None


def test_refuses_files_that_hold_no_vectors(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros((2, 8), np.float32))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "whole.npy").read_bytes()[:-9])
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").touch()
    (tmp_path / "trailing.npy").write_bytes((tmp_path / "whole.npy").read_bytes() + b"rubbish")
    np.save(tmp_path / "words.npy", np.array(["a"]))
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    for name in (
        "cut.npy",
        "text.npy",
        "empty.npy",
        "trailing.npy",
        "words.npy",
        "cube.npy",
        "many.npz",
        "none",
    ):
        with pytest.raises(InputError, match=name) as error:
            Vectors.load(tmp_path / name)
        assert len(str(error.value)) < 300


def test_refuses_vectors_of_another_codec_and_files_it_cannot_write(
    codec: Codec, vectors: Vectors, tmp_path: Path
) -> None:
    foreign = Vectors(vectors, vectors.samples, "0" * 16)
    with pytest.raises(InputError, match="are of codec 0000"):
        codec.decode_file(foreign, tmp_path / "back.wav")
    with pytest.raises(InputError, match=r"\.wav or \.flac"):
        codec.decode_file(vectors, tmp_path / "back.mp3")
    for size in (0, 65):
        with pytest.raises(InputError, match="between 1 and"):
            codec.decode_file(vectors, tmp_path / "back.wav", size)
    assert not list(tmp_path.iterdir())


def test_an_array_comes_back_as_an_array_and_one_clip_as_one(codec: Codec) -> None:
    wave = 0.1 * np.sin(np.arange(SAMPLES, dtype=np.float64) / 10)
    vector = codec.encode(wave, 32)
    assert isinstance(vector, np.ndarray) and vector.shape == (32,) and vector.dtype == np.float32
    decoded = codec.decode(vector)
    assert isinstance(decoded, np.ndarray) and decoded.shape == (SAMPLES,)
    batch = codec.decode(torch.from_numpy(vector)[None].repeat(3, 1))
    assert torch.equal(batch, torch.from_numpy(decoded).expand(3, -1))  # and in a batch it sounds the same
    long = codec.decode_long(codec.encode_long(np.concatenate([wave, wave]), 32))
    assert isinstance(long, np.ndarray) and long.ndim == 1
    assert torch.equal(codec.decode_long(torch.from_numpy(vector)), batch[0])
    for wrong in (np.zeros(100, np.int16), [0.0, 0.1]):
        with pytest.raises(InputError):
            codec.encode(wrong)  # type: ignore[type-var]


def test_long_work_says_how_far_it_is(codec: Codec) -> None:
    told: list[tuple[int, int]] = []
    vectors = codec.encode_long(torch.zeros(9 * SAMPLES), 16, progress=lambda *now: told.append(now))
    codec.decode_long(vectors, progress=lambda *now: told.append(now))
    assert told == [(8, 10), (10, 10), (8, 10), (10, 10)]


def test_clips_are_coded_side_by_side_in_order_and_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    used: set[int] = set()

    def double(part: torch.Tensor) -> torch.Tensor:
        used.add(torch.get_num_threads())
        return 2 * part

    clips = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(clip_by_clip(double, clips, 2), 2 * clips)
    assert used == {1} and torch.get_num_threads() == before
    with pytest.raises(ZeroDivisionError):
        clip_by_clip(lambda part: part / (1 // 0), clips)
    assert torch.get_num_threads() == before
