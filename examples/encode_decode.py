"""Encode a song to vectors and decode them: python examples/encode_decode.py [SONG]

Writes song.npy and one sound file for each size, all as long as the song.
"""

import sys
from pathlib import Path

import surco

DEMO = Path(surco.__file__).parent / "datasets" / "demo" / "folk" / "folk.00001.ogg"

song = Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO
codec = surco.Codec.load()
vectors = codec.encode_file(song)  # (clips, 2048), float32
vectors.save("song.npy")
print(f"{song.name}: {vectors.shape[0]} vectors of {vectors.shape[1]} dimensions")
for size in (64, 256, 2048):  # any prefix of a vector decodes
    print(codec.decode_file(vectors[:, :size], f"back-{size}.wav"))
