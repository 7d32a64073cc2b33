"""Remake the shipped prior of bars from the open corpus, and more of it from whole tracks.

    python -m benchmarks.train_prior CORPUS OUT [--music MUSIC]

The training clips of CORPUS are read as eight beats each. MUSIC is the folder with the music.i16 that
`collect_music.py` gathered: of each track two stretches of six vectors are added, from a bar on; its genre
is the one that the corpus gives it, or else most of its package. OUT receives one file a track, and
prior.safetensors. Killed and started again, it goes on. The shipped file was made without --music.
"""

import argparse
import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks import corpus
from surco.bench import Bench
from surco.codec import SAMPLES, Codec, recode
from surco.latents.vectors import VectorSet
from surco.prior.bars import BarPrior
from surco.prior.beats import BEATS, Pulse, find_start, find_tempo, on_beats, onsets

RATE = 22_050  # Hz
SIZE = 512  # numbers of a vector
RUNS, LONG = 2, 6  # stretches of a track, and vectors of each
LOOKS = 12  # clips of a track in which its tempo is looked for
LOW = 8  # mel bands, up to some 300 Hz, whose attacks tell where a bar begins
BAR = 4  # beats
QUIET = -45  # dB RMS under which a vector is left out


@dataclass(frozen=True)
class Bars:
    """Vectors (n, 512) of eight beats, and the track, genre and tempo of each."""

    vectors: np.ndarray
    tracks: list[str]
    genres: list[str]
    tempi: list[float]


def genres_of(manifest: Path, index: list[dict[str, str]]) -> list[str]:
    """The genre of every track, or "" where neither it nor its package has one."""
    known: dict[tuple[str, str], str] = {}
    packages: dict[str, Counter[str]] = defaultdict(Counter)
    with manifest.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "train":
                known[row["package"], Path(row["track"]).name] = row["style"]
                packages[row["package"]][row["style"]] += 1
    found = []
    for entry in index:
        package = packages[entry["package"]]
        usual = package.most_common(1)[0][0] if package else ""
        found.append(known.get((entry["package"], Path(entry["track"]).name), usual))
    return found


def stretches(wave: np.ndarray, tempo: float, codec: Codec) -> Iterator[np.ndarray]:
    """Where (s) the vectors of each stretch of a track (T,) begin: at bars, eight beats apart."""
    beat = 60 / tempo
    needed = LONG * BEATS * beat + BAR * beat + 5
    length = len(wave) / RATE
    for run in range(RUNS):
        begin = max(0.0, (length - needed) * (run + 1) / (RUNS + 1))
        part = torch.from_numpy(wave[round(begin * RATE) : round((begin + needed) * RATE)].copy())
        mel = codec.log_mel(part[None]).numpy()  # (1, M, F)
        first = find_start(onsets(mel)[0], tempo)
        low = onsets(mel[:, :LOW])[0]  # (F,)
        beats = np.arange(first, len(part) / RATE - 0.1, beat)
        attack = np.interp(beats * RATE / codec.mel.hop, np.arange(len(low)), low)
        bar = int(np.argmax([attack[k::BAR].mean() for k in range(BAR)])) if len(beats) >= 2 * BAR else 0
        starts = begin + first + bar * beat + np.arange(LONG) * BEATS * beat
        yield starts[starts + BEATS * beat <= length]


def bars_of(wave: np.ndarray, codec: Codec) -> tuple[np.ndarray, float, float]:
    """Vectors (n, 512) of eight beats of a track (T,), its tempo in BPM and how clear its pulse is."""
    at = np.linspace(0, max(0, len(wave) - SAMPLES), LOOKS).astype(int)
    looks = torch.from_numpy(np.stack([wave[i : i + SAMPLES] for i in at]))
    tempo, clarity = find_tempo(onsets(codec.log_mel(looks).numpy()))
    starts = np.concatenate(list(stretches(wave, tempo, codec)))
    if not len(starts):
        return np.zeros((0, SIZE), np.float32), tempo, clarity
    clips = np.zeros((len(starts), SAMPLES), np.float32)
    for clip, start in zip(clips, starts, strict=True):
        part = wave[round(start * RATE) :][:SAMPLES]
        clip[: len(part)] = part
    whole = codec.encode(clips)  # (n, 2048)
    pose = Pulse(tempo, 0.0, clarity).pose
    beats = np.full(len(whole), 60 / tempo)
    read = recode.read_each(codec, whole, np.zeros(len(whole)), [-pose] * len(whole), beats)
    return read[:, :SIZE].astype(np.float32), tempo, clarity


def corpus_bars(folder: Path, codec: Codec) -> Bars:
    """The training clips of the open corpus, those of a track one after the other."""
    clips = corpus.load(folder, "train")
    order = sorted(range(len(clips.names)), key=lambda i: (clips.tracks[i], clips.names[i]))
    tracks = [clips.tracks[i] for i in order]
    whole = Bench(codec).encode(clips.waves[order].numpy())
    read, pulses = on_beats(codec, whole, tracks, size=SIZE)
    return Bars(read, tracks, [clips.styles[i] for i in order], [p.tempo for p in pulses])


def music_bars(music: Path, manifest: Path, out: Path, codec: Codec) -> Iterator[Bars]:
    """Every whole track that has a genre; what was read of it is kept in `out`."""
    index = json.loads((music / "music.json").read_text())
    raw = np.memmap(music / "music.i16", np.int16, "r")
    for i, (entry, genre) in enumerate(zip(index, genres_of(manifest, index), strict=True)):
        if not genre:
            continue
        file = out / f"{i:04d}.npz"
        if not file.exists():
            wave = raw[entry["start"] : entry["start"] + entry["length"]].astype(np.float32) / 32_768
            with torch.inference_mode():
                bars, tempo, clarity = bars_of(wave, codec)
            with file.with_suffix(".part").open("wb") as part:
                np.savez(part, bars=bars, tempo=tempo, clarity=clarity)
            file.with_suffix(".part").replace(file)
            print(f"{i + 1} of {len(index)}: {len(bars)} at {tempo:.0f} BPM ({clarity:.2f})", flush=True)
        held = np.load(file)
        loud = held["bars"][held["bars"][:, 0] > QUIET]
        name = f"{entry['package']}/{Path(entry['track']).name}"
        yield Bars(loud, [name] * len(loud), [genre] * len(loud), [float(held["tempo"])] * len(loud))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--music", type=Path, default=None)
    args = parser.parse_args()
    torch.set_num_threads(1)
    (args.out / "tracks").mkdir(parents=True, exist_ok=True)
    codec = Codec.load().eval()
    parts = [corpus_bars(args.corpus, codec)]
    if args.music is not None:
        parts += list(music_bars(args.music, args.corpus / "manifest.csv", args.out / "tracks", codec))
    vectors = np.concatenate([p.vectors for p in parts])
    tracks, genres, tempi = ([x for p in parts for x in getattr(p, k)] for k in ("tracks", "genres", "tempi"))
    clips = [f"{track}#{i}" for i, track in enumerate(tracks)]
    memory = VectorSet(vectors, clips, tracks, genres, ["train"] * len(clips), codec.fingerprint, "corpus")
    prior = BarPrior.fit(memory, np.array(tempi))
    prior.save(args.out / "prior.safetensors")
    print(f"{len(clips)} vectors of {len(set(tracks))} tracks: {dict(Counter(genres))}")
    print(f"{len(prior.centres)} components; {100 * prior.copied:.1f} % of draws pass for copies")


if __name__ == "__main__":
    main()
