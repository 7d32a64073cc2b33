"""What tempo and pitch keep of the harmony, frame by frame and over half a second, beside signal processing.

    python -m benchmarks.edits_chroma --split test --tracks 32 --size 512

Compared is the chromagram of the edited sound, its pose undone, with that of the unedited decode. One frame
lasts 23 ms and shows the phases that a vocoder chose as much as the chord; means over half a second show the
chord (as CENS does: Müller and Ewert, "Chroma Toolbox", 2011). "Vocoder again" is the log-mel and the harmony
of the unedited decode, made sound once more by the vocoder: what phases alone cost.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import corpus, on_corpus
from benchmarks.machine import commit, kind
from surco.audio.mel import normalise_loudness
from surco.bench import Bench
from surco.codec import Codec
from surco.codec.pose import IDENTITY, Pose
from surco.datasets.sampling import rounds
from surco.edits.hearing import Heard, hear, undone
from surco.edits.tried import phase_vocoder, rubber_band
from surco.metrics.aggregate import Estimate, by_track
from surco.metrics.structure import correlation

Array = NDArray[Any]
EDITS = {
    "tempo 0.75": Pose.of(0.75),
    "tempo 1.25": Pose.of(1.25),
    "pitch -4": Pose.of(semitones=-4),
    "pitch +4": Pose.of(semitones=4),
}
HALF_A_SECOND = 21  # frames


def main() -> None:
    parser = on_corpus.parser(__doc__)
    parser.add_argument("--tracks", type=int, default=32)
    options = parser.parse_args()
    if on_corpus.begin(options):
        print(run(options))


def run(options: argparse.Namespace) -> str:
    """The table as Markdown."""
    start = time.monotonic()
    part = corpus.load(options.corpus, options.split)
    order = np.random.default_rng(options.seed).permutation(len(part.names))
    chosen = np.array(rounds(part.tracks, order))[: options.tracks]
    tracks = [part.tracks[i] for i in chosen]
    codec = Codec.load().eval()
    bench = Bench(codec, options.size)
    vectors = bench.encode(part.waves.numpy()[chosen])
    unedited = bench.decode(vectors)
    heard = [hear(w, bench.mel(w[None])[0], bench.rate) for w in unedited]

    def row(edit: str, system: str, waves: list[Array], pose: Pose) -> str:
        found = [hear(w, bench.mel(w[None])[0], bench.rate) for w in waves]
        pairs = [(a, undone(b, pose)) for a, b in zip(heard, found, strict=True)]
        both = [by_track([alike(a, b, n) for a, b in pairs], tracks) for n in (1, HALF_A_SECOND)]
        line = f"| {edit} | {system} | {cell(both[0])} | {cell(both[1])} |"
        print(line, flush=True)
        return line

    lines = [row("none", "vocoder again", again(codec, unedited), IDENTITY)]
    for name, pose in EDITS.items():
        lines.append(row(name, "Surco", list(bench.decode(vectors, pose)), pose))
        lines.append(row(name, "librosa", [phase_vocoder(w, pose, bench.rate) for w in unedited], pose))
        better = [w for x in unedited if (w := rubber_band(x, pose, bench.rate)) is not None]
        if better:
            lines.append(row(name, "Rubber Band", better, pose))
    head = [
        f"`python -m benchmarks.edits_chroma --split {options.split} --tracks {options.tracks} "
        f"--size {options.size} --seed {options.seed}`", "",
        f"Commit {commit()}, codec {codec.fingerprint}; {kind()}; n = {len(tracks)} clips of as many tracks "
        f"of the {options.split} split; {time.monotonic() - start:.0f} s. Correlation with the unedited "
        "decode, 95 % intervals.",
        "", "| edit | system | chroma, frame by frame | over half a second |", "|---|---|---|---|",
    ]  # fmt: skip
    text = "\n".join([*head, *lines]) + "\n"
    if options.out:
        options.out.with_suffix(".md").write_text("# Harmony that tempo and pitch keep\n\n" + text)
    return text


def again(codec: Codec, waves: Array) -> list[Array]:
    """Waves (n, T) through the vocoder once more, from their own log-mels and harmony."""
    found = []
    with torch.inference_mode():
        for wave in torch.from_numpy(waves)[:, None]:
            level, _ = normalise_loudness(wave, codec.mel)
            mel, harmony = codec.log_mel(level).clamp_min(codec.mel.floor_db), codec.harmony.analyse(level)
            found.append(codec.mel_to_wave(mel, harmony)[0].numpy())
    return found


def alike(a: Heard, b: Heard, frames: int) -> float:
    """Correlation of chromagrams where the first sounds, as means over `frames` of them."""
    t = min(a.chroma.shape[1], b.chroma.shape[1]) // frames * frames
    loud = a.loud[:t].reshape(-1, frames).mean(1) > 0.5
    means = [x.chroma[:, :t].reshape(12, -1, frames).mean(2)[:, loud] for x in (a, b)]
    return correlation(*means)


def cell(x: Estimate) -> str:
    return f"{x.mean:.3f} ({x.low:.3f}–{x.high:.3f})"


if __name__ == "__main__":
    main()
