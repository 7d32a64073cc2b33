"""A folder of jobs with a codec and toy vectors, and specs of jobs on them, for tests of priors and songs.

A module that names this one in `pytest_plugins` has its fixtures.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from prior_toys import toy_set

from jobs import generate, train_prior
from jobs.context import Context
from jobs.local import local_context, run_local
from surco.codec import Codec
from surco.codec.codec import CodecConfig
from surco.latents.vectors import VectorSet


def jobs_folder(root: Path) -> Path:
    """A folder of jobs with a codec (untrained, with a random basis) and toy vectors."""
    codec = Codec(
        CodecConfig(size=16, rank=8, encoder_width=16, encoder_depth=1, decoder_width=16, decoder_depth=1)
    )
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(640, 8, generator=generator))[0]
    codec.linear.basis.copy_(basis)
    codec.linear.mean.fill_(-40)
    codec.linear.axes.copy_(torch.eye(8).repeat(2, 1)[:14])
    codec.linear.bins.copy_(torch.arange(14) // 8)
    context = local_context(root, "c" * 64)
    codec.save(context.out / "codec.safetensors")
    context.publish({})
    fingerprint = Codec.load(context.out / "codec.safetensors").fingerprint
    toy = toy_set(150, size=8)
    x = toy.vectors.copy()
    x[:, 0], x[:, 3] = -20, x[:, 0]  # the first dimension is the gain
    context = local_context(root, "e" * 64)
    VectorSet(x, toy.clips, toy.tracks, toy.genres, toy.splits, fingerprint, "d").save(
        context.out / "vectors.safetensors"
    )
    context.publish({})
    return root


def prior_spec(**fields: Any) -> train_prior.Spec:
    small: dict[str, Any] = {"steps": 200, "width": 32, "depth": 1, "batch_size": 32, "per_genre": 8}
    return train_prior.Spec(**{"vectors": "e" * 64, "codec": "c" * 64, **small, **fields})


def song_spec(**fields: Any) -> generate.Spec:
    given = {
        "seconds": 1.0,
        "showcase": False,
        "collection": "test",
        "generator": "prior",
        "songs_per_genre": 1,
        **fields,
    }
    return generate.Spec(vectors="e" * 64, codec="c" * 64, **given)


def reader(folder: Path) -> Context:
    return local_context(folder, "f" * 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jobs_folder(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def prior_job(folder: Path) -> str:
    return run_local("train_prior", prior_spec(), folder)
