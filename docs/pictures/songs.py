"""Make docs/pictures/songs.png: songs of the shipped prior beside real clips decoded from 512 numbers.

python docs/pictures/songs.py
"""

from pathlib import Path

import torch
from PIL import Image

from surco.audio.io import read_audio
from surco.audio.mel import LogMel, normalise_loudness
from surco.codec import SAMPLES, Codec
from surco.datasets.sources import DEMO
from surco.plots import theme
from surco.prior.bars import BarPrior
from surco.prior.make_song import song_of

GENRES = ("electronic", "folk", "jazz", "metal", "orchestral", "rock")


def main() -> None:
    codec, prior, front = Codec.load().eval(), BarPrior.load(), LogMel()
    panels = {}
    for kind in ("drawn", "real"):
        for genre in GENRES:
            if kind == "drawn":
                wave = song_of(codec, prior, genre=genre, seconds=6.0, seed=1)[0][:SAMPLES]
            else:
                clip = read_audio(sorted((DEMO / genre).iterdir())[0])[:SAMPLES]
                wave = codec.decode(codec.encode(clip, 512))
            level, _ = normalise_loudness(torch.as_tensor(wave)[None], front.config)
            panels[f"{genre}, {kind}"] = front(level)[0].numpy()  # (80, frames)
    path = theme.save(theme.spectrogram_row(panels, columns=6, width=12), Path(__file__).with_suffix(".png"))
    with Image.open(path) as image:
        image.convert("RGB").quantize(48).save(path, optimize=True)


if __name__ == "__main__":
    main()
