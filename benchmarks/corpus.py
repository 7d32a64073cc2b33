"""The evaluation corpus as arrays, or a clear reason why there is none."""

import csv
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from surco.audio.io import read_audio
from surco.codec import SAMPLES
from surco.datasets.sampling import pick_clips


@dataclass(frozen=True)
class Clips:
    """Waves (N, 110 250) at 22 050 Hz, and whose they are."""

    waves: Tensor
    names: list[str]
    tracks: list[str]
    styles: list[str]


def find(folder: Path) -> str | None:
    """Why the corpus cannot be used, or None where it can."""
    if not (folder / "manifest.csv").is_file():
        return (
            f"Skipped: there is no evaluation corpus at {folder} (a manifest.csv with columns "
            "clip, style, split and track, beside its sound files). Give one with --corpus."
        )
    return None


def load(folder: Path, split: str, *, limit: int | None = None, seed: int = 0) -> Clips:
    """Clips of a split, one of each track before a second of any."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    rows = [rows[i] for i in pick_clips([row["track"] for row in rows], limit, seed=seed)]
    waves = torch.zeros(len(rows), SAMPLES)
    for i, row in enumerate(rows):
        wave = torch.from_numpy(read_audio(folder / row["clip"]))[:SAMPLES]  # (≤ T,)
        waves[i, : len(wave)] = wave
    return Clips(waves, [r["clip"] for r in rows], [r["track"] for r in rows], [r["style"] for r in rows])
