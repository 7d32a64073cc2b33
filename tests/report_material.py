"""Small real material for the tests of the page and the report: demo music through plain DSP."""

from functools import cache
from pathlib import Path

import numpy as np
import scipy.fft
import torch

from surco.audio.griffin_lim import griffin_lim
from surco.audio.io import read_audio
from surco.audio.mel import LogMel, MelConfig, normalise_loudness
from surco.page.map_layout import SizeVectors
from surco.page.page import Atlas, Compared, EditPath, Page, Point, Row, Song

DEMO = Path(__file__).parents[1] / "surco" / "datasets" / "demo"
RATE = 22_050
SIZES = (64, 512)


@cache
def clips(per_genre: int = 1, seconds: float = 1.2) -> tuple[tuple[str, str, np.ndarray], ...]:
    """(id, genre, wave (T,)) of the first demo clips of each style."""
    found = []
    for folder in sorted(p for p in DEMO.iterdir() if p.is_dir()):
        for path in sorted(folder.glob("*.ogg"))[:per_genre]:
            wave = read_audio(path)[: int(seconds * RATE)]
            found.append((path.stem, folder.name, wave))
    return tuple(found)


def coefficients(wave: np.ndarray) -> np.ndarray:
    """Gain in dB, then the 2-D DCT of the log-mel (80, F) in zigzag order: a vector that truncates."""
    levelled, gain = normalise_loudness(torch.from_numpy(wave)[None], MelConfig())
    mel = LogMel()(levelled)[0].numpy()  # (80, F)
    spread = scipy.fft.dctn(mel, norm="ortho")  # (80, F)
    return np.concatenate([gain.numpy(), spread[zigzag(*mel.shape)]]).astype(np.float32)


@cache
def zigzag(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the coefficients, slow and smooth ones first."""
    r, c = np.mgrid[:rows, :columns]
    order = np.argsort((r / rows + c / columns).ravel(), kind="stable")
    return r.ravel()[order], c.ravel()[order]


def decode(vector: np.ndarray, size: int, samples: int, iterations: int = 4) -> np.ndarray:
    """Wave (samples,) of the first `size` dimensions of a vector, by Griffin-Lim."""
    frames = 1 + samples // 256
    spread = np.zeros((80, frames), np.float32)
    rows, columns = zigzag(80, frames)
    spread[rows[: size - 1], columns[: size - 1]] = vector[1:size]
    mel = torch.from_numpy(scipy.fft.idctn(spread, norm="ortho").clip(-80, 20))[None]  # (1, 80, F)
    wave = griffin_lim(mel, iterations=iterations)[0].numpy()
    wave = wave * 10 ** ((vector[0] + 20) / 20)
    return np.pad(wave, (0, max(0, samples - len(wave))))[:samples].astype(np.float32)


@cache
def page(language: str = "en") -> Page:
    """A page with four rows, two sizes, sixteen clips on a map; two songs and an edit a size, one judged."""
    material = clips(per_genre=2)
    vectors = np.stack([coefficients(wave) for _, _, wave in material])  # (N, D)
    samples = len(material[0][2])
    rows, seconds = [], {}
    for i in (0, 2, 4, 6):
        name, genre, wave = material[i]
        sounds: dict = {"original": wave, "ceiling": decode(vectors[i], 6000, samples)}
        for size in SIZES:
            sounds[str(size)] = seconds[i, size] = decode(vectors[i], size, samples)
        rows.append(Row(name, genre, name, sounds, {str(s): 2.0 + s / 500 for s in SIZES}))
    points = [Point(name, genre, name, lambda w=wave: w) for name, genre, wave in material]
    at: dict = {"vectors": {}, "clusters": {}, "songs": {}, "paths": {}}
    for size in SIZES:
        x = vectors[:, :size]
        songs = x[:2] * 0.5 + x[2:4] * 0.5
        path = np.stack([x[0] * (1 - w) + x[4] * w for w in (0, 0.5, 1)])
        at["vectors"][size] = SizeVectors(x, songs, [path])
        at["clusters"][size] = [i // 4 for i in range(len(x))]
        at["songs"][size] = [
            Song(f"Song {i + 1}", material[0][1], decode(s, size, samples), "prior")
            for i, s in enumerate(songs)
        ]
        at["paths"][size] = [EditPath("A to B", [decode(p, size, samples) for p in path], "interpolate")]
    named = zip(("unedited", "edited", "baseline"), ("original", *map(str, SIZES)), strict=True)
    versions = {name: rows[0].sounds[column] for name, column in named}
    compared = {max(at["vectors"]): [Compared("fade out", 4.0, "s", "yes", "filter, encoded", versions)]}
    atlas = Atlas(points, **at)
    return Page("0123456789abcdef", "Demo", rows, atlas, compared=compared, language=language)
