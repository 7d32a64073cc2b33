"""musicnn, the audio embedder behind realism and meaning.

Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging",
ISMIR 2019 late-breaking: trained on the tags of the Million Song Dataset, so it knows music, and no
codec here was ever trained with it. The weights are those of the wheel on PyPI (ISC licence), turned
from a TensorFlow checkpoint to safetensors in half precision by `benchmarks/musicnn_weights.py`.
"""

from functools import cache
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import pad
from torchaudio.functional import melscale_fbanks, resample

from surco.errors import InputError

SAMPLE_RATE = 16_000  # Hz
SIZE = 200  # dimensions of an embedding
TAGS = (  # what the fifty logits stand for
    "rock", "pop", "alternative", "indie", "electronic", "female_vocalists", "dance", "00s",
    "alternative_rock", "jazz", "beautiful", "metal", "chillout", "male_vocalists", "classic_rock", "soul",
    "indie_rock", "mellow", "electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies",
    "blues", "hard_rock", "ambient", "acoustic", "experimental", "female_vocalist", "guitar", "hip_hop",
    "70s", "party", "country", "easy_listening", "sexy", "catchy", "funk", "electro", "heavy_metal",
    "progressive_rock", "60s", "rnb", "indie_pop", "sad", "house", "happy",
)  # fmt: skip
_EPS = 1e-3  # of every batch normalisation, as TensorFlow's default


class Timbral(nn.Module):
    """Filters as tall as a timbre, shared over pitch: (B, 1, T, 96) to (B, C, T)."""

    def __init__(self, channels: int, height: int):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, (7, height), padding=(3, 0))
        self.norm = nn.BatchNorm2d(channels, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).relu()).amax(-1)  # (B, C, T)


class Temporal(nn.Module):
    """Filters as long as a rhythm: (B, 1, T, 96) to (B, C, T)."""

    def __init__(self, channels: int, length: int):
        super().__init__()
        self.length = length
        self.conv = nn.Conv2d(1, channels, (length, 1))
        self.norm = nn.BatchNorm2d(channels, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        before = (self.length - 1) // 2
        x = pad(x, (0, 0, before, self.length - 1 - before))  # (B, 1, T + length - 1, 96)
        return self.norm(self.conv(x).relu()).amax(-1)  # (B, C, T)


class Middle(nn.Module):
    """A convolution over time: (B, C, T) to (B, 64, T)."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, 64, 7, padding=3)
        self.norm = nn.BatchNorm1d(64, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x).relu())


class Musicnn(nn.Module):
    """Wave (B, T) at 16 kHz to an embedding (B, 200) and tag logits (B, 50)."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        fbanks = melscale_fbanks(
            257, 0.0, SAMPLE_RATE / 2, 96, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters", fbanks.T.contiguous(), persistent=False)  # (96, 257)
        self.input = nn.BatchNorm2d(1, eps=_EPS)
        self.front = nn.ModuleList(
            [Timbral(204, 38), Timbral(204, 67), Temporal(51, 128), Temporal(51, 64), Temporal(51, 32)]
        )
        self.middle = nn.ModuleList([Middle(561), Middle(64), Middle(64)])
        self.pooled = nn.BatchNorm1d(2 * (561 + 3 * 64), eps=_EPS)
        self.dense = nn.Linear(2 * (561 + 3 * 64), SIZE)
        self.norm = nn.BatchNorm1d(SIZE, eps=_EPS)
        self.tags = nn.Linear(SIZE, len(TAGS))

    def forward(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        window = torch.hann_window(512, device=wave.device)
        spec = torch.stft(
            wave, 512, 256, window=window, center=True, pad_mode="constant", return_complex=True
        ).abs()  # (B, 257, T)
        mel = torch.log10(10_000 * (self.filters @ spec.pow(2)) + 1)  # (B, 96, T)
        x = self.input(mel.transpose(1, 2)[:, None])  # (B, 1, T, 96)
        front = torch.cat([block(x) for block in self.front], dim=1)  # (B, 561, T)
        one = self.middle[0](front)  # (B, 64, T)
        two = self.middle[1](one) + one  # (B, 64, T)
        three = self.middle[2](two) + two  # (B, 64, T)
        features = torch.cat([front, one, two, three], dim=1)  # (B, 753, T)
        pooled = torch.stack([features.amax(-1), features.mean(-1)], dim=-1).flatten(1)  # (B, 1506)
        embedding = self.norm(self.dense(self.pooled(pooled)).relu())  # (B, 200)
        return embedding, self.tags(embedding)


@cache
def load_musicnn() -> Musicnn:
    """The shipped embedder, on the CPU, in evaluation mode."""
    model = Musicnn()
    weights = load_file(Path(__file__).with_name("musicnn.safetensors"))
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval().requires_grad_(False)


def embed(waves: Tensor, *, sample_rate: int = 22_050, batch: int = 1, device: str = "cpu") -> Tensor:
    """Embeddings (N, 200) of clips (N, T), at the level they are given.

    About 0.07 s a 5-second clip on one core; a batch of one stays in its cache.
    Raises `InputError` for anything but a batch of clips.
    """
    if waves.ndim != 2 or waves.shape[-1] < sample_rate:
        raise InputError(f"embed() wants clips (N, T) of at least one second, got {tuple(waves.shape)}.")
    model = load_musicnn().to(device)
    parts = []
    with torch.inference_mode():
        for clips in waves.split(batch):  # (b, T)
            parts.append(model(resample(clips.to(device), sample_rate, SAMPLE_RATE))[0].cpu())  # (b, 200)
    return torch.cat(parts)
