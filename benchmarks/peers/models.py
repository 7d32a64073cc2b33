"""Waveform autoencoders cut to D numbers for 5 s: a student's, EnCodec's and DAC's.

EnCodec's and DAC's encoders and decoders are those of their own packages (requirements in
`benchmarks/peers/requirements.txt`), at half and a quarter of their width so that minutes of training mean
something, with strides raised to 3,456 samples: 32 frames of D / 32 channels, continuous, no codebooks. They
get the clip at the fixed loudness, and its gain as a present that their D does not count.
"""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import pad

STRIDES = (6, 6, 8, 12)  # even, as DAC's padding wants them
HOP = 3456  # samples a frame
FRAMES = 32  # of a clip
CLIP = HOP * FRAMES  # samples: the clip's 110 250 and 342 of silence


class Peer(nn.Module):
    """An encoder and a decoder of waves; only the numbers between them are counted."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, wave: Tensor) -> Tensor:
        """Vectors (B, C, frames) of waves (B, T) at the fixed loudness; T is filled up to whole frames."""
        return self.encoder(pad(wave, (0, -wave.shape[-1] % HOP))[:, None])

    def decode(self, vector: Tensor) -> Tensor:
        """Waves (B, frames * 3456) of vectors (B, C, frames)."""
        return self.decoder(vector)[:, 0, : vector.shape[-1] * HOP]

    def forward(self, wave: Tensor) -> Tensor:
        return self.decode(self.encode(wave))[:, : wave.shape[-1]]


def student(channels: int) -> Peer:
    """Strided convolutions down and transposed ones up, as a first autoencoder is written."""
    widths = (16, 32, 64, 128, 256)
    down: list[nn.Module] = [nn.Conv1d(1, widths[0], 7, padding=3)]
    up: list[nn.Module] = [nn.Conv1d(channels, widths[-1], 3, padding=1)]
    for i, stride in enumerate(STRIDES):
        down += [nn.ELU(), nn.Conv1d(widths[i], widths[i + 1], 2 * stride, stride, stride // 2)]
    for i, stride in reversed(list(enumerate(STRIDES))):
        up += [nn.ELU(), nn.ConvTranspose1d(widths[i + 1], widths[i], 2 * stride, stride, stride // 2)]
    down += [nn.ELU(), nn.Conv1d(widths[-1], channels, 3, padding=1)]
    up += [nn.ELU(), nn.Conv1d(widths[0], 1, 7, padding=3)]
    return Peer(nn.Sequential(*down), nn.Sequential(*up))


def encodec(channels: int) -> Peer:
    """Défossez et al., "High Fidelity Neural Audio Compression", 2022: SEANet with an LSTM, half as wide."""
    from encodec.modules import SEANetDecoder, SEANetEncoder

    ratios = list(reversed(STRIDES))
    return Peer(
        SEANetEncoder(dimension=channels, n_filters=16, ratios=ratios),
        SEANetDecoder(dimension=channels, n_filters=16, ratios=ratios),
    )


def dac(channels: int) -> Peer:
    """Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", 2023; a quarter as wide."""
    from dac.model.dac import Decoder, Encoder

    encoder = Encoder(d_model=16, strides=list(STRIDES), d_latent=channels)
    return Peer(encoder, Decoder(channels, 384, list(reversed(STRIDES))))


PEERS: dict[str, Callable[[int], Peer]] = {"student": student, "encodec": encodec, "dac": dac}


def build(name: str, size: int) -> Peer:
    """A peer whose vector for a clip holds `size` dimensions, a multiple of 32."""
    return PEERS[name](size // FRAMES)
