"""Sound per float: every system of the evaluation protocol on the test clips, in one table.

    python -m benchmarks.codec --corpus ../shared/corpus --clips 32

Writes `benchmarks/results/codec.md`, `codec.json` and `definition.png`. Peers are trained once, for
`--peer-minutes` of one core's time each, and kept under `.surco/bench`; 0 leaves them out.
"""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import machine
from benchmarks.corpus import Clips, find, load
from benchmarks.marks import marks
from benchmarks.peers import opus
from benchmarks.peers.models import FRAMES, PEERS
from benchmarks.peers.training import trained
from benchmarks.table import markdown
from surco.audio.griffin_lim import griffin_lim, refine
from surco.audio.mel import normalise_loudness, stft
from surco.codec import SIZES, Codec, Texture
from surco.files import write_bytes
from surco.metrics.choice_figure import definition_figure
from surco.metrics.embedder import embed
from surco.metrics.evaluation import Evaluation
from surco.metrics.meaning import GenreClassifier
from surco.metrics.reference_systems import fit_linear, linear_mels, true_mels, voiced
from surco.metrics.smallest import Smallest, smallest_vector
from surco.plots.theme import save

STRONGEST = "student"  # of the peers, at equal time
FULL = {"ceiling", "surco 128", "surco 512", "linear 512"}  # ViSQOL is slow


class Bench:
    """The clips, the codec, and one method a family of systems."""

    def __init__(self, codec: Codec, train: Clips, test: Clips, options: argparse.Namespace):
        self.codec, self.train, self.test, self.options = codec, train, test, options
        self.texture = Texture.load()
        self.mels, self.gain = true_mels(codec, test.waves)  # (N, 80, 431), (N,)
        few = list(range(0, len(train.waves), max(1, len(train.waves) // options.style_clips)))
        judge = GenreClassifier(
            embed(train.waves[few]).numpy(), [train.styles[i] for i in few], seed=options.seed
        )
        self.heard = Evaluation(
            test.waves.numpy(),
            test.names,
            test.tracks,
            test.styles,
            quick=True,
            seed=options.seed,
            classifier=judge,
        )
        self.rows: list[dict[str, Any]] = []
        self.budgets: dict[str, Any] = {}
        self.started = time.monotonic()

    def add(
        self, name: str, waves: Tensor | np.ndarray, *, floats: int | None = None, bits: float | None = None
    ) -> None:
        """Measure one system and print its row's heart at once."""
        array = np.asarray(waves, dtype=np.float32)[:, : self.test.waves.shape[1]]
        self.heard.add(name, array)
        if name in FULL and self.options.visqol:
            self.heard.add_visqol(name, array)
        self._row(name, floats, bits)

    def _row(self, name: str, floats: int | None, bits: float | None) -> None:
        self.rows.append({"system": name, "floats": floats, "bits": bits or (8 * floats if floats else None)})
        found = {m: self.heard.estimate(name, m).mean for m in ("zimtohrli", "log_mel_db", "chroma")}
        told = "  ".join(f"{m} {v:.3f}" for m, v in found.items())
        print(f"[{time.monotonic() - self.started:5.0f} s] {name:24s} {told}", flush=True)

    def bounds(self) -> None:
        """Ceiling and floor."""
        self.add("ceiling", voiced(self.codec, self.mels, self.gain))
        self.heard.add_floor()
        self._row("floor", None, None)

    def griffin_lim(self) -> None:
        """What stands without any training: 64 iterations from the true mel, and from the true magnitudes."""
        scale = 10 ** ((self.gain - self.codec.mel.loudness_db) / 20)[:, None]  # (N, 1)
        self.add("griffin-lim on true mel", self._batched(lambda m: griffin_lim(m), self.mels) * scale)
        normalised = normalise_loudness(self.test.waves, self.codec.mel)[0]
        self.add("griffin-lim on true magnitudes", self._batched(self._true_magnitudes, normalised) * scale)

    def _true_magnitudes(self, waves: Tensor) -> Tensor:
        magnitude = stft(waves, self.codec.mel).abs()  # (B, F, frames)
        generator = torch.Generator().manual_seed(self.options.seed)
        angle = 2 * torch.pi * torch.rand(magnitude.shape, generator=generator)
        return refine(magnitude, torch.polar(torch.ones_like(angle), angle), self.codec.mel, iterations=64)

    def _batched(self, function: Any, values: Tensor) -> Tensor:
        length = self.test.waves.shape[1]
        with torch.no_grad():
            found = torch.cat([function(part) for part in values.split(8)])  # (N, ≤ T)
        return torch.nn.functional.pad(found, (0, max(0, length - found.shape[1])))[:, :length]

    def surco(self) -> None:
        """The codec at every size."""
        whole = torch.cat([self.codec.encode(w) for w in self.test.waves.split(16)])  # (N, size)
        for size in self.options.sizes:
            self.add(f"surco {size}", self._decoded(whole[:, :size]), floats=size)

    def surco_again(self) -> None:
        """The codec at 8 bits a number, packed, by its second decoder, and with refined vectors."""
        whole = torch.cat([self.codec.encode(w) for w in self.test.waves.split(16)])  # (N, size)
        for size in self.options.checked:
            rounded = self.codec.quantise(whole[:, :size])
            self.add(f"surco {size} at 8 bits", self._decoded(rounded), floats=size)
            packed = [self.codec.pack(v) for v in whole[:, :size]]
            bits = 8 * float(np.mean([len(data) for data in packed]))
            vectors = torch.from_numpy(np.concatenate([self.codec.unpack(data) for data in packed]))
            self.add(f"surco {size} packed", self._decoded(vectors), floats=size, bits=round(bits))
            drawn = torch.cat([self.codec.decode(v, texture=self.texture) for v in whole[:, :size].split(16)])
            self.add(f"surco {size} textured", drawn, floats=size)
            steps = self.options.refine_steps
            if steps:
                parts = [self.codec.encode(w, size, refine_steps=steps) for w in self.test.waves.split(16)]
                self.add(f"surco {size} refined {steps}", self._decoded(torch.cat(parts)), floats=size)

    def _decoded(self, vectors: Tensor) -> Tensor:
        return torch.cat([self.codec.decode(v) for v in vectors.split(16)])

    def linear(self) -> None:
        """Mel-PCA × time-DCT through the same vocoder."""
        transform = fit_linear(self.codec, self.train.waves)
        for size in self.options.sizes:
            mels = linear_mels(transform, self.mels, size)
            self.add(f"linear {size}", voiced(self.codec, mels, self.gain), floats=size)

    def peers(self) -> None:
        """Waveform autoencoders trained on the same clips; the strongest once more, for longer."""
        options = self.options
        wanted = [(name, size, options.peer_minutes, "") for name in PEERS for size in options.peer_sizes]
        longer = f" in {options.equal_minutes:g} min"
        wanted += [(STRONGEST, size, options.equal_minutes, longer) for size in options.equal_sizes]
        known = normalise_loudness(self.train.waves, self.codec.mel)[0]  # (M, T)
        clips = normalise_loudness(self.test.waves, self.codec.mel)[0]  # (N, T)
        scale = 10 ** ((self.gain - self.codec.mel.loudness_db) / 20)[:, None]  # (N, 1)
        for name, size, minutes, more in wanted:
            if minutes <= 0:
                continue
            try:
                peer, budget = trained(name, size, known, minutes, options.cache, seed=options.seed)
            except ImportError as error:
                print(f"left out: {name} {size} ({error}; see benchmarks/peers/requirements.txt)")
                continue
            with torch.no_grad():
                waves = torch.cat([peer(w) for w in clips.split(4)]) * scale
            self.add(f"{name} {size}{more}", waves, floats=size // FRAMES * FRAMES)
            self.budgets[f"{name} {size}{more}"] = asdict(budget)

    def opus(self) -> None:
        """Opus at its two lowest rates in libsndfile."""
        for level in (1.0, 0.99):
            files = [opus.encode(w, 22_050, level) for w in self.test.waves.numpy()]
            waves = np.stack([opus.decode(f, 22_050, self.test.waves.shape[1]) for f in files])
            bits = float(np.mean([opus.payload_bits(f) for f in files]))
            self.add(f"opus {bits / 5000:.1f} kb/s", waves, bits=round(bits))

    def complete(self) -> bool:
        """Whether every size of the codec and of Linear is measured, which the marks are made of."""
        wanted = [f"{system} {size}" for system in ("surco", "linear") for size in self.options.sizes]
        return set(wanted) <= {row["system"] for row in self.rows}

    def smallest(self) -> Smallest:
        """The rule of the smallest vector over every size of the codec."""
        done = self.heard.systems
        sizes = {s: done[f"surco {s}"] for s in self.options.sizes}
        return smallest_vector(
            sizes, done["ceiling"], done["floor"], self.test.tracks, seed=self.options.seed
        )

    def document(self) -> dict[str, Any]:
        """Everything measured, the marks derived from it and where it was measured."""
        return {
            "about": {
                "command": self.options.command,
                "commit": machine.commit(),
                "machine": machine.kind(),
                "codec": self.codec.fingerprint,
                "split": self.options.split,
                "clips": len(self.test.waves),
                "tracks": len(set(self.test.tracks)),
                "seed": self.options.seed,
                "seconds": round(time.monotonic() - self.started),
            },
            "budgets": self.budgets,
            "marks": marks(self.heard, self.options.sizes, list(self.budgets), self.options.checked),
            "smallest": self.smallest().to_json(),
            "rows": sorted(self.rows, key=lambda row: _place(row["system"])),
            **self.heard.to_json(),
        }


def _place(system: str) -> tuple[int, str]:
    """Bounds first, then the codec, Linear, the peers, Opus."""
    families = ("ceiling", "griffin-lim", "floor", "surco", "linear", *PEERS, "opus")
    family, _, rest = system.partition(" ")
    size, _, more = rest.partition(" ")
    return families.index(family), f"{size:>12} {more}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sound per float, every system in one table.")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--split", default="test", choices=("test", "valid"))
    parser.add_argument("--clips", type=int, default=32, help="one of each track before a second of any")
    parser.add_argument(
        "--train-clips", type=int, default=None, help="fewer training clips, for a quick look"
    )
    parser.add_argument(
        "--style-clips", type=int, default=200, help="training clips the style classifier learns"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument(
        "--checked", type=int, nargs="+", default=[128, 512], help="sizes at 8 bits, and refined"
    )
    parser.add_argument("--refine-steps", type=int, default=20)
    parser.add_argument("--peer-minutes", type=float, default=1.0, help="processor minutes a peer; 0: none")
    parser.add_argument("--peer-sizes", type=int, nargs="+", default=[512], help="multiples of 32")
    parser.add_argument(
        "--equal-minutes", type=float, default=0.0, help="more rows of the best peer: 55 is ours; 0: none"
    )
    parser.add_argument("--equal-sizes", type=int, nargs="+", default=[512, 2048], help="of those rows")
    parser.add_argument("--no-visqol", dest="visqol", action="store_false")
    parser.add_argument("--codec", type=Path, default=None, help="other weights than the shipped ones")
    parser.add_argument("--cache", type=Path, default=Path(".surco/bench/peers"))
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    parser.add_argument("--at-once", type=int, default=2, help="families of systems measured at a time")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    given = {a.dest: getattr(options, a.dest) for a in parser._actions if a.dest != "help"}
    words = [
        f"--{k.replace('_', '-')} {v}"
        for k, v in given.items()
        if k in ("split", "clips", "style_clips", "peer_minutes", "equal_minutes")
    ]
    options.command = "python -m benchmarks.codec " + " ".join(words)
    return options


def main() -> None:
    options = parse()
    reason = find(options.corpus)
    if reason:
        print(reason)
        return
    torch.set_num_threads(1)
    train = load(options.corpus, "train", limit=options.train_clips, seed=options.seed)
    test = load(options.corpus, options.split, limit=options.clips, seed=options.seed)
    bench = Bench(Codec.load(options.codec).eval(), train, test, options)
    bench.bounds()
    stages = ["surco", "linear", "peers", "surco_again", "opus", "griffin_lim"]
    text = ""
    # threads, for nearly all of it is native code that lets go of Python's lock
    with ThreadPoolExecutor(options.at_once) as pool:
        for done in as_completed([pool.submit(getattr(bench, name)) for name in stages]):
            if bench.complete():  # the files are whole from here on
                document = bench.document()
                text = markdown(document)
                write_bytes(
                    options.out / "codec.json", json.dumps(document, allow_nan=False, indent=1).encode()
                )
                write_bytes(options.out / "codec.md", text.encode())
            done.result()
    if bench.complete():
        save(definition_figure(bench.smallest()), options.out / "definition.png")
    print(text)


if __name__ == "__main__":
    main()
