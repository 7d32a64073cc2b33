"""Files of numbers: vectors, weights, priors, checkpoints, shards."""

import io
import json
import random
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from surco.codec.texture import Texture
from surco.codec.vector_file import Vectors
from surco.codec.vocoder import Vocoder
from surco.codec.weights import WeightsFile
from surco.datasets import MusicDataset, prepare
from surco.latents.vectors import VectorSet
from surco.prior.prior import Prior
from surco.training_state import TrainingState
from tests.fuzz.material import mangled, spoilt, wave
from tests.fuzz.sounds import CONFIG

DTYPES = ["F32", "F16", "I64", "BOOL", "BF16", "F8", "x"]
FILE = WeightsFile("fuzz-1", "toy", "nobody")


def parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a safetensors file."""
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def whole(header: Any, body: bytes, *, claim: int | None = None) -> bytes:
    """A safetensors file of a header, true or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", (len(text) if claim is None else claim) % 2**64) + text + body


def bent(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file with a lie in its header or a NaN in its numbers."""
    turn = rng.randrange(10)
    if turn == 0:
        return mangled(rng, data)
    header, body = parts(data)
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    if turn == 1:
        return whole(header, body, claim=rng.choice([0, 1, 2**31, 2**62, 2**64 - 1, len(body)]))
    if turn == 2:
        del header[name]
    elif turn == 3:
        shape = header[name]["shape"]
        header[name]["shape"] = rng.choice(
            [[-1], [0], [2**40, 2**40], [], shape[::-1], [*shape, 1], [1.5], None]
        )
    elif turn == 4:
        header[name]["data_offsets"] = rng.choice([[0, 2**60], [-4, 4], [8, 4], [0], None, [0, 1]])
    elif turn == 5:
        header[name]["dtype"] = rng.choice(DTYPES)
    elif turn == 6:
        about = header.get("__metadata__", {})
        key = rng.choice(sorted(about) or ["surco"])
        try:
            about[key] = json.dumps(spoilt(rng, json.loads(about[key])))
        except (KeyError, ValueError):
            about = {key: rng.choice(["", "[]", "[" * 50_000, "NaN"])}
        header["__metadata__"] = about
    elif turn == 7:
        at = rng.randrange(max(1, len(body) // 4)) * 4
        body = (
            body[:at] + rng.choice([b"\0\0\xc0\x7f", b"\0\0\x80\xff", b"\xff\x7f\xff\x7f"]) + body[at + 4 :]
        )
    elif turn == 8:
        header = spoilt(rng, header)
    else:
        return whole(b"[" * rng.choice([10, 100_000]), body)
    return whole(header, body)


@cache
def _vectors() -> bytes:
    rng = np.random.default_rng(0)
    n = 12
    found = VectorSet(
        rng.standard_normal((n, 4)).astype(np.float32),
        [f"c{i}" for i in range(n)],
        [f"t{i}" for i in range(n)],
        ["rock", "jazz"] * 6,
        ["train"] * 8 + ["valid"] * 2 + ["test"] * 2,
        "c0dec",
        "da7a",
    )
    return _saved(found.save)


def _saved(save: Callable[[Path], object]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.safetensors")
        save(path)
        return path.read_bytes()


def vectors(rng: random.Random, box: Path) -> None:
    """A data set's vectors."""
    (box / "v.safetensors").write_bytes(bent(rng, _vectors()))
    found = VectorSet.load(box / "v.safetensors")
    found.rows([0]).prefix(1)


def recording(rng: random.Random, box: Path) -> None:
    """A recording's vectors, as `surco encode` writes them."""
    buffer = io.BytesIO()
    shape = rng.choice([(2, 8), (0, 8), (8,), (2, 2, 2), ()])
    dtype: Any = rng.choice([np.float32, np.float64, np.int64, np.complex64, "U4", "S3", object, bool])
    made = np.zeros(shape, dtype) if dtype is object else np.ones(shape).astype(dtype)
    np.save(buffer, made, allow_pickle=True)
    if rng.random() < 0.6:
        facts = spoilt(rng, {"format": "surco-vectors-1", "samples": 200_000, "codec": "c0dec"})
        np.save(buffer, np.frombuffer(json.dumps(facts).encode("utf-8", "replace"), np.uint8))
    data = buffer.getvalue()
    if rng.random() < 0.3:
        huge = rng.choice([b"(99999999999, 8)", b"(-2, 8)", b"(True, 8)", b"(" * 400, b"(9**9**9, 8)"])
        data = data.replace(b"(2, 8)", huge)
    (box / "x.npy").write_bytes(mangled(rng, data) if rng.random() < 0.5 else data)
    Vectors.load(box / "x.npy")


@cache
def _toy() -> bytes:
    net = torch.nn.Linear(3, 2)
    return _saved(lambda path: FILE.write(path, net.state_dict(), shape=[3, 2]))


def weights(rng: random.Random, box: Path) -> None:
    """Weights of a small network."""

    def build(facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> torch.nn.Linear:
        net = torch.nn.Linear(*facts["shape"])
        net.load_state_dict(tensors)
        return net

    (box / "w.safetensors").write_bytes(bent(rng, _toy()))
    FILE.read(box / "w.safetensors", build)


@cache
def _shipped(name: str) -> bytes:
    from surco.codec import codec

    return (Path(codec.__file__).parents[1] / "weights" / f"{name}.safetensors").read_bytes()


def network(rng: random.Random, box: Path) -> None:
    """The shipped texture or vocoder, bent."""
    name, kind = rng.choice([("texture", Texture), ("texture", Texture), ("vocoder", Vocoder)])
    (box / "w.safetensors").write_bytes(bent(rng, _shipped(name)))
    kind.load(box / "w.safetensors")


@cache
def _prior() -> bytes:
    from surco.prior.network import Velocity
    from surco.prior.whiten import fit_whitener
    from tests.unit.prior_toys import toy_set

    found = toy_set(120)
    whitener = fit_whitener(found.vectors, found.genres, found.tracks)
    return _saved(lambda path: Prior(whitener, Velocity(4, 2, width=16), "c0dec", "da7a").save(path))


def prior(rng: random.Random, box: Path) -> None:
    """A prior, small."""
    (box / "p.safetensors").write_bytes(bent(rng, _prior()))
    Prior.load(box / "p.safetensors")


def checkpoint(rng: random.Random, box: Path) -> None:
    """A training state."""
    from surco.training_state import save_training_state

    net = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(net.parameters())
    net(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    save_training_state(box, {"net": net.state_dict()}, {"adam": optimiser}, {"step": 1, "config": {"a": 1}})
    for name in ("state.safetensors", "state.json"):
        if rng.random() < 0.7:
            data = (box / name).read_bytes()
            bad = bent(rng, data) if name.endswith("s") else mangled(rng, data)
            (box / name).write_bytes(bad)
    TrainingState(box, config={"a": 1})


@cache
def _dataset() -> tuple[bytes, bytes]:
    import tempfile

    from surco.audio.io import write_wav

    with tempfile.TemporaryDirectory() as folder:
        for genre in ("rock", "jazz"):
            write_wav(Path(folder, "music", genre, "a.wav"), wave(random.Random(1), 2_000), 8_000)
        prepare(Path(folder, "music"), Path(folder, "out"), CONFIG)
        out = Path(folder, "out")
        return (out / "manifest.json").read_bytes(), (out / "shard-0000.safetensors").read_bytes()


def dataset(rng: random.Random, box: Path) -> None:
    """A prepared data set: manifest and shard."""
    from surco.datasets import Manifest
    from surco.datasets.manifest import fingerprint

    manifest, shard = _dataset()
    told = json.loads(manifest)
    if rng.random() < 0.6:
        shard = bent(rng, shard)
        told["shards"][0]["bytes"] = len(shard)  # a forger would
    if rng.random() < 0.6:
        told = spoilt(rng, told)
        try:
            made = Manifest.model_validate(told)
            told["fingerprint"] = fingerprint(made.config, made.clips)
        except (ValueError, TypeError):
            pass
    text = json.dumps(told).encode("utf-8", "replace")
    (box / "manifest.json").write_bytes(mangled(rng, text) if rng.random() < 0.2 else text)
    (box / "shard-0000.safetensors").write_bytes(shard)
    found = MusicDataset(box, rng.choice([None, "train", "odd"]), verify=rng.random() < 0.2)
    for i in range(min(3, len(found))):
        assert bool(found[i][0].isfinite().all())
