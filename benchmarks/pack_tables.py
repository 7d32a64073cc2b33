"""Remake the tables of `surco.codec.pack` from training clips.

    python -m benchmarks.pack_tables MUSIC CORPUS OUT

MUSIC is the folder that `collect_music.py` wrote, of which a clip is taken every half minute; the training
clips of the open corpus come to them. OUT receives pack.safetensors: whole numbers alone.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from benchmarks.corpus import load
from benchmarks.music import Music
from surco.codec import SAMPLES, Codec
from surco.codec.pack import KNOTS, REACH, TOTAL, UNIT
from surco.files import write_bytes

EVERY = 30 * 22_050  # samples between two clips of a track


def clips(folder: Path) -> torch.Tensor:
    """Clips (N, 110 250) of every track of the music."""
    music, found = Music(folder), []
    for entry in music.index:
        for start in range(0, entry["length"] - SAMPLES + 1, EVERY):
            found.append(music.wave(entry["start"] + start, SAMPLES))
    return torch.from_numpy(np.stack(found))


def tables(vectors: np.ndarray) -> dict[str, np.ndarray]:
    """The tables of training vectors (N, 2048)."""
    gain = np.round(vectors[:, 0].mean() * UNIT)
    centred = vectors - np.r_[gain / UNIT, np.zeros(vectors.shape[1] - 1)]
    spread = np.maximum(np.sqrt((centred**2).mean(0)) * UNIT, UNIT / 4).round()  # (2048,)
    units = np.sort(np.abs(centred[:, 1:512] * UNIT / spread[1:512]).ravel())
    at = np.arange(REACH * KNOTS + 1) / KNOTS
    within = np.searchsorted(units, at) / len(units)
    # one in a thousand is kept for what was never met, spread evenly
    below = (0.999 * within + 0.001 * at / REACH) * TOTAL
    return {
        "gain": np.array([gain], np.int32),
        "spread": spread.astype(np.int32),
        "below": below.round().astype(np.int32),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("music", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    waves = torch.cat([clips(args.music), load(args.corpus, "train").waves])
    codec = Codec.load()
    vectors = torch.cat([codec.encode(part) for part in waves.split(64)]).double().numpy()
    write_bytes(args.out / "pack.safetensors", save(tables(vectors)))
    print(f"{len(vectors)} clips")


if __name__ == "__main__":
    main()
