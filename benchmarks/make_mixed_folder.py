"""Make a folder of music as people have it: some styles, a few files each, in every format that Surco reads.

    python -m benchmarks.make_mixed_folder CORPUS OUT [--files 58] [--styles 6]

Each file is a track's clips of the corpus one after the other, in a folder a style; the formats take turns
(Ogg, FLAC, WAV, MP3, M4A, the last by PyAV). A text file and an empty sound lie among them, as they do.
"""

import argparse
import csv
from collections import defaultdict
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

RATE = 22_050
FORMATS = ("ogg", "flac", "wav", "mp3", "m4a")


def write_m4a(path: Path, wave: np.ndarray) -> None:
    """AAC in an MP4 container, of a mono wave (T,)."""
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(
                wave[None, start : start + 1024].astype(np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--files", type=int, default=58)
    parser.add_argument("--styles", type=int, default=6)
    asked = parser.parse_args()
    with (asked.corpus / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    tracks: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda r: float(r["start_s"])):
        tracks[row["style"]][row["track"]].append(row["clip"])
    styles = sorted(tracks, key=lambda style: (-len(tracks[style]), style))[: asked.styles]
    formats = cycle(FORMATS)
    for i in range(asked.files):
        style = styles[i % len(styles)]
        track, clips = sorted(tracks[style].items())[i // len(styles)]
        wave = np.concatenate([soundfile.read(asked.corpus / clip)[0] for clip in clips])  # (T,)
        ending = next(formats)
        path = asked.out / style / f"{Path(track).stem}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if ending == "m4a":
            write_m4a(path, wave)
        else:
            soundfile.write(path, wave, RATE)
    (asked.out / "notes.txt").write_text("bought in 2009\n")
    (asked.out / styles[0] / "empty.wav").write_bytes(b"")


if __name__ == "__main__":
    main()
