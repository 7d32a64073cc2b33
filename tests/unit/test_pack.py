"""Packed vectors: what comes back, how many bits it takes, and that no bytes break the decoder."""

import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surco.codec import Codec
from surco.codec.pack import HEADER, REACH, UNIT, pack, tables, unpack
from surco.codec.vector_file import Vectors
from surco.errors import InputError

CODEC = "0123456789abcdef"
CHECKSUM = 1267152362


def drawn(clips: int, size: int, seed: int = 0) -> np.ndarray:
    """Vectors (clips, size) spread as the training clips' are."""
    known = tables()
    rows = np.random.default_rng(seed).laplace(size=(clips, size)) / 2**0.5 * known.spread[:size] / UNIT
    rows[:, 0] += known.gain / UNIT
    return rows


@cache
def good() -> bytes:
    return pack(drawn(3, 48), CODEC, 300_000)


def checked(head: tuple[object, ...], words: bytes) -> bytes:
    """Bytes whose check is right, whatever they claim."""
    check = zlib.crc32(words, zlib.crc32(HEADER.pack(*head, 0)))
    return HEADER.pack(*head, check) + words


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 600), st.integers(1, 255), st.integers(0, 1000))
def test_numbers_come_back_within_a_step(clips: int, size: int, step: int, seed: int) -> None:
    rows = drawn(clips, size, seed).clip(-REACH * 4, None)
    again, samples, codec = unpack(pack(rows, CODEC, 7, step=step))
    assert again.shape == rows.shape and samples == 7 and codec == CODEC
    assert np.abs(again[:, 0] - rows[:, 0]).max() <= 0.5
    within = np.abs(rows[:, 1:]) < REACH * tables().spread[1:size] / UNIT
    assert (np.abs(again[:, 1:] - rows[:, 1:])[within] <= step * 5 / 8 + 1e-3).all()
    assert pack(again, CODEC, 7, step=step) == pack(rows, CODEC, 7, step=step)  # rounded once is rounded


def test_the_bytes_are_the_same_on_every_machine() -> None:
    """The tables are whole numbers: a change of these bytes is another format, and wants another magic."""
    rows = np.outer([1.0, -2.0], np.arange(20.0))
    assert zlib.crc32(pack(rows, CODEC)) == CHECKSUM


def test_they_take_as_many_bits_as_the_tables_say() -> None:
    """A thirtieth more than the entropy of Laplace's distribution at this step, and the header."""
    size, step, clips = 512, 16, 40
    packed = len(pack(drawn(clips, size), CODEC, step=step)) * 8 / clips
    assert packed < 0.12 * 32 * size
    assert len(pack(drawn(clips, size), CODEC, step=32)) * 8 / clips < packed < 2300


def test_numbers_beyond_all_training_are_cut() -> None:
    again = unpack(pack(np.full((2, 64), 1e30), CODEC)).vectors
    assert np.isfinite(again).all() and (again > 0).all()


@pytest.mark.parametrize(
    "rows", [np.zeros(5), np.zeros((0, 5)), np.zeros((2, 2049)), np.full((1, 4), np.nan)]
)
def test_what_is_no_vectors_is_refused(rows: np.ndarray) -> None:
    with pytest.raises(InputError):
        pack(rows, CODEC)


@pytest.mark.parametrize("step", [0, 256, -1])
def test_an_impossible_step_is_refused(step: int) -> None:
    with pytest.raises(InputError, match="step"):
        pack(np.zeros((1, 4)), CODEC, step=step)


def test_every_cut_and_every_flipped_bit_is_told() -> None:
    data = good()
    for end in range(len(data)):
        with pytest.raises(InputError):
            unpack(data[:end])
    for bit in range(8 * len(data)):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        with pytest.raises(InputError):
            unpack(bytes(spoilt))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_vectors_or_a_sentence(data: bytes) -> None:
    for tried in (data, b"SRC1" + data):
        with pytest.raises(InputError):
            unpack(tried)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 65_535), st.integers(0, 255), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.binary(max_size=64),
)  # fmt: skip
def test_a_right_check_over_lies_gives_vectors_or_a_sentence(
    size: int, step: int, clips: int, samples: int, words: bytes
) -> None:
    data = checked((b"SRC1", bytes(8), size, step, clips, samples), words)
    try:
        assert unpack(data).vectors.shape == (clips, size)
    except InputError as error:
        assert len(str(error)) < 300


def test_a_few_bytes_cannot_claim_a_day_of_vectors() -> None:
    with pytest.raises(InputError, match="damaged"):
        unpack(checked((b"SRC1", bytes(8), 2048, 16, 17_000, 0), struct.pack("<I", 5)))


def test_a_clip_takes_a_bit_at_least() -> None:
    """On which the limit of the clips that a file may claim stands: the likeliest gain, alone."""
    gain = np.full((4096, 1), tables().gain / UNIT)
    assert 8 * (len(pack(gain, CODEC)) - HEADER.size) > 4096


def test_a_file_of_packed_vectors_is_read_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "song.surco").write_bytes(good())
    held = Vectors.load(tmp_path / "song.surco")
    assert held.shape == (3, 48) and held.samples == 300_000 and held.codec == CODEC
    (tmp_path / "song.surco").write_bytes(good()[:-1])
    with pytest.raises(InputError, match=r"song\.surco .*damaged"):
        Vectors.load(tmp_path / "song.surco")


def test_the_codec_packs_its_own_vectors_alone() -> None:
    codec = Codec.load()
    vector = codec.encode(0.1 * np.sin(np.arange(110_250) / 20).astype(np.float32), 64)
    again = codec.unpack(codec.pack(vector))
    assert again.shape == (1, 64)
    assert np.corrcoef(np.asarray(again)[0, 1:], vector[1:])[0, 1] > 0.99
    with pytest.raises(InputError, match="another|that made them"):
        codec.unpack(good())
