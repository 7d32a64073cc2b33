"""Sound per bit: packed vectors at several sizes and steps, beside Opus and what others publish.

    python -m benchmarks.bits --corpus ../shared/corpus --clips 63

Writes `benchmarks/results/bits.md`. Each clip is packed alone, as a song's share and with its own header.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks import machine
from benchmarks.corpus import find, load
from benchmarks.peers import opus
from benchmarks.table import cell
from surco.codec import Codec
from surco.codec.pack import HEADER
from surco.files import write_bytes
from surco.metrics.evaluation import Evaluation

GRID = {128: (16,), 512: (16, 24), 2048: (16, 32)}  # numbers: steps
PUBLISHED = (  # kb/s as their papers give them, on other music and by other measures
    ("MuCodec (Xu et al., 2024)", "0.35"),
    ("SemantiCodec (Liu et al., 2024)", "0.31 to 1.40"),
    ("FlowMAC (Pia et al., 2024)", "3"),
)
MEASURES = {"zimtohrli": 3, "log_mel_db": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--split", default="test", choices=("test", "valid"))
    parser.add_argument("--clips", type=int, default=63)
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    args = parser.parse_args()
    if reason := find(args.corpus):
        print(reason)
        return
    torch.set_num_threads(1)
    clips, codec = load(args.corpus, args.split, limit=args.clips), Codec.load()
    heard = Evaluation(clips.waves.numpy(), clips.names, clips.tracks, clips.styles, quick=True)
    whole = torch.cat([codec.encode(w) for w in clips.waves.split(16)]).numpy()  # (N, 2048)
    lines = [
        "# Sound per bit",
        "",
        f"`python -m benchmarks.bits --split {args.split} --clips {args.clips}`",
        "",
        f"Commit {machine.commit()}, codec {codec.fingerprint}; {machine.kind()}; {len(whole)} clips of "
        f"{len(set(clips.tracks))} tracks of the {args.split} split. Means over tracks with 95 % bootstrap "
        "intervals over tracks. kb/s of a 5 s clip in a song, and of one in a file of its own; lost is the "
        "share of Zimtohrli that rounding costs, paired by track.",
        "",
        "| system | kb/s in a song | kb/s alone | Zimtohrli ↑ | log-mel dB ↓ | Zimtohrli lost, % |",
        "|---|---|---|---|---|---|",
    ]

    def row(name: str, waves: np.ndarray, song: str, alone: str, against: str | None = None) -> None:
        heard.add(name, waves[:, : clips.waves.shape[1]].astype(np.float32), light=True)
        cells = [cell(heard.estimate(name, m).to_json(), digits) for m, digits in MEASURES.items()]
        lost = "–"
        if against:
            kept = heard.ratio(name, against, "zimtohrli")
            ends = (100 * (1 - share) for share in (kept.mean, kept.high, kept.low))
            lost = "{:.2f} ({:.2f}–{:.2f})".format(*ends)
        lines.append(f"| {name} | {song} | {alone} | {' | '.join(cells)} | {lost} |")
        print(lines[-1], flush=True)

    for size, steps in GRID.items():
        plain = f"surco {size}, float32"
        row(plain, codec.decode(whole[:, :size]), f"{size * 32 / 5000:.2f}", "–")
        for step in steps:
            each = [codec.pack(v[:size], step=step) for v in whole]
            song = (len(codec.pack(whole[:, :size], step=step)) - HEADER.size) * 8 / len(whole)
            vectors = np.concatenate([codec.unpack(data) for data in each])
            alone = np.mean([len(data) * 8 for data in each])
            waves = codec.decode(vectors)
            row(f"surco {size}, step {step}", waves, f"{song / 5000:.3f}", f"{alone / 5000:.3f}", plain)
    for level in (1.0, 0.99):
        files = [opus.encode(w, 22_050, level) for w in clips.waves.numpy()]
        waves = np.stack([opus.decode(f, 22_050, clips.waves.shape[1]) for f in files])
        rate = np.mean([opus.payload_bits(f) for f in files]) / 5000
        row(f"opus {rate:.1f}", waves, f"{rate:.2f}", "–")
    lines += [f"| {name}, published | {rate} | – | – | – | – |" for name, rate in PUBLISHED]
    write_bytes(args.out / "bits.md", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
