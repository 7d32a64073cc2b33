"""Rebuild surco/metrics/musicnn.safetensors from the musicnn wheel, without TensorFlow.

    pip download --no-deps musicnn==0.1.0
    python -m benchmarks.musicnn_weights musicnn-0.1.0-py3-none-any.whl surco/metrics/musicnn.safetensors

A TensorFlow checkpoint is a LevelDB table of protocol buffers (names, shapes, offsets) beside one
flat file of numbers; both are simple enough to read here, and nothing in them is executed.
"""

import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from surco.metrics.embedder import Musicnn

MODEL = "musicnn/MSD_musicnn/"


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer, and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one uncompressed LevelDB block."""
    if table[offset + size] != 0:
        raise ValueError("This checkpoint's index is compressed; only plain ones are read here.")
    data = table[offset : offset + size]
    end = len(data) - 4 - 4 * struct.unpack("<I", data[-4:])[0]
    at, key = 0, b""
    while at < end:
        shared, at = varint(data, at)
        fresh, at = varint(data, at)
        length, at = varint(data, at)
        key = key[:shared] + data[at : at + fresh]
        yield key, data[at + fresh : at + fresh + length]
        at += fresh + length


def fields(message: bytes) -> list[tuple[int, Any]]:
    """Field numbers and raw values of a protocol buffer."""
    at = 0
    found: list[tuple[int, Any]] = []
    while at < len(message):
        tag, at = varint(message, at)
        value: Any
        if tag & 7 == 0:
            value, at = varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(tag & 7)
            if size is None:
                size, at = varint(message, at)
            value = message[at : at + size]
            at += size
        found.append((tag >> 3, value))
    return found


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """Float tensors of a checkpoint by name."""
    footer, at = index[-48:], 0
    handle = []
    for _ in range(4):
        number, at = varint(footer, at)
        handle.append(number)
    tensors = {}
    for _, block in entries(index, handle[2], handle[3]):
        offset, after = varint(block, 0)
        for name, value in entries(index, offset, varint(block, after)[0]):
            entry = dict(fields(value))
            if name and entry.get(1) == 1:  # float32
                dims = [dict(fields(d)).get(1, 0) for number, d in fields(entry.get(2, b"")) if number == 2]
                tensors[name.decode()] = np.frombuffer(
                    data, np.float32, entry[5] // 4, entry.get(4, 0)
                ).reshape(dims)
    return tensors


def convert(tensors: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """TensorFlow's names and layouts to those of `Musicnn`."""
    convs = [f"front.{i}.conv" for i in range(5)] + [f"middle.{i}.conv" for i in range(3)]
    norms = ["input"] + [f"front.{i}.norm" for i in range(5)] + [f"middle.{i}.norm" for i in range(3)]
    norms += ["pooled", "norm"]
    state = {}
    for i, name in enumerate(convs):
        tail = f"_{i}" if i else ""
        kernel = tensors[f"conv2d{tail}/kernel"]  # (time, height, in, out)
        state[f"{name}.weight"] = (
            kernel.transpose(3, 2, 0, 1) if i < 5 else kernel[:, :, 0].transpose(2, 1, 0)
        )
        state[f"{name}.bias"] = tensors[f"conv2d{tail}/bias"]
    for i, name in enumerate(norms):
        source = f"batch_normalization_{i}" if i else "batch_normalization"
        for ours, theirs in (
            ("weight", "gamma"),
            ("bias", "beta"),
            ("running_mean", "moving_mean"),
            ("running_var", "moving_variance"),
        ):
            state[f"{name}.{ours}"] = tensors[f"{source}/{theirs}"]
    for name, source in (("dense", "dense"), ("tags", "dense_1")):
        state[f"{name}.weight"] = tensors[f"{source}/kernel"].T
        state[f"{name}.bias"] = tensors[f"{source}/bias"]
    # numbers beyond half precision's range would turn infinite; there are none, and this keeps it so
    found = {name: torch.tensor(np.ascontiguousarray(value)) for name, value in state.items()}
    return {name: v.half() if v.abs().max() < 6e4 else v for name, v in found.items()}


def main() -> None:
    wheel, target = sys.argv[1:]
    with zipfile.ZipFile(wheel) as archive:
        tensors = read_checkpoint(
            archive.read(f"{MODEL}.index"), archive.read(f"{MODEL}.data-00000-of-00001")
        )
    state = convert(tensors)
    for name, value in Musicnn().state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = value
    Musicnn().load_state_dict(state)
    save_file(state, target, metadata={"source": "musicnn 0.1.0 on PyPI, MSD_musicnn, ISC licence"})
    print(f"{target}: {len(state)} tensors, {Path(target).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
