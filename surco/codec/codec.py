"""The neural codec: five seconds of music to one ordered vector, and any prefix of it back to music.

`vector[:, 0]` is the loudness that was taken out, in dB; the others are coefficients of the clip's
log-mel, most important first, and among them, every sixteenth until there are 32, numbers of its
harmony. A decoder given fewer of them fills in what it expects.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from surco.audio.griffin_lim import griffin_lim, invert_mel
from surco.audio.mel import SILENCE_DB, LogMel, MelConfig, normalise_loudness
from surco.codec.arrays import Array, as_rows
from surco.codec.harmony import RANGE_DB, Harmony
from surco.codec.linear import PATCH, TOKENS, LinearTransform, from_patches, to_patches
from surco.codec.network import SizeEmbedding, TokenNet
from surco.codec.parallel import clip_by_clip
from surco.codec.pose import IDENTITY, Pose, shift_bins, stretch_frames
from surco.codec.recordings import Recordings
from surco.codec.streaming import SAMPLES
from surco.codec.texture import Texture
from surco.codec.vector_layout import harmony_size, join, mel_size, mel_sizes, places, split
from surco.codec.vocoder import Vocoder
from surco.codec.weights import WeightsFile
from surco.errors import InputError

SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "codec.safetensors"
SIZES = (32, 64, 128, 256, 512, 1024, 2048)  # of the evaluation protocol
FILE = WeightsFile("surco-codec-2", "codec", "`train`")


@dataclass(frozen=True)
class CodecConfig:
    """Shape of the codec. The mel front end is `MelConfig`'s."""

    size: int = 2048  # dimensions of a whole vector, gain included
    rank: int = 144  # PCA coordinates of a patch
    encoder_width: int = 192
    encoder_depth: int = 3
    decoder_width: int = 256
    decoder_depth: int = 3
    heads: int = 4
    expansion: int = 3  # of the MLPs


SHAPES = {  # to train from scratch
    "base": CodecConfig(),  # what is shipped, 3.4 M parameters in the networks
    "large": CodecConfig(encoder_width=320, encoder_depth=4, decoder_width=512, decoder_depth=6, heads=8),
}


class Codec(Recordings, nn.Module):
    """Log-mel codec with one ordered vector for every size.

    `Codec.load()` gives the shipped weights. Vectors of different `fingerprint` do not mix. The
    vocoder is a part of decoding only: neither of `state_dict`, `save` nor the fingerprint. Without
    one, waves are made by Griffin-Lim.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, config: CodecConfig | None = None, mel: MelConfig | None = None, vocoder: Vocoder | None = None
    ):
        super().__init__()
        self._vocoder = [vocoder]  # in a list, so that it is no submodule
        self.config, self.mel = config or CodecConfig(), mel or MelConfig()
        c = self.config
        self.log_mel = LogMel(self.mel)
        self.harmony = Harmony(self.mel)
        self.linear = LinearTransform(self.mel.n_mels * PATCH, c.rank, mel_size(c.size) - 1)
        shape = {"heads": c.heads, "expansion": c.expansion, "tokens": TOKENS}
        self.encoder = TokenNet(c.rank, c.rank, width=c.encoder_width, depth=c.encoder_depth, **shape)
        self.decoder = TokenNet(
            c.rank, self.mel.n_mels * PATCH, width=c.decoder_width, depth=c.decoder_depth, **shape
        )
        self.size_embedding = SizeEmbedding(c.decoder_width)
        # Range of each dimension on the training set, for quantising.
        self.register_buffer("low", torch.full((c.size,), -RANGE_DB))
        self.register_buffer("high", torch.full((c.size,), RANGE_DB))
        self.low[0], self.high[0] = SILENCE_DB, 0.0
        self.eval()

    @property
    def size(self) -> int:
        """Numbers of a whole vector, gain included."""
        return self.config.size

    @property
    def vocoder(self) -> Vocoder | None:
        """What makes waves of log-mels; None is Griffin-Lim."""
        return self._vocoder[0]

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights and configuration: the identity of the vectors' space."""
        shape = json.dumps([FILE.format, asdict(self.config), asdict(self.mel)], sort_keys=True)
        digest = hashlib.sha256(shape.encode())
        for name, value in sorted(self._stored().items()):
            digest.update(name.encode() + value.numpy().tobytes())
        return digest.hexdigest()[:16]

    def _stored(self) -> dict[str, Tensor]:
        """The state as files hold it: float16 but for the few numbers that need more."""
        exact = ("linear.mean", "linear.spread", "linear.scale", "low", "high")
        return {
            name: value.detach()
            .cpu()
            .to(torch.float16 if value.is_floating_point() and name not in exact else value.dtype)
            .contiguous()
            for name, value in self.state_dict().items()
        }

    def truncated(self, size: int) -> "Codec":
        """A codec of its own whose whole vector is this one's first `size` dimensions."""
        codec = Codec(replace(self.config, size=self._checked(size)), self.mel, self.vocoder)
        cut = {f"linear.{name}": len(codec.linear.bins) for name in ("axes", "bins", "spread")} | {
            "low": size,
            "high": size,
        }
        state = self.state_dict()
        codec.load_state_dict(
            {name: value[: cut[name]] if name in cut else value for name, value in state.items()}
        )
        return codec.to(self.low.device)

    # -- log-mels ------------------------------------------------------------------------------

    def encode_mel(self, mel: Tensor) -> Tensor:
        """Coefficients (B, K) of log-mels (B, n_mels, 431) in dB at fixed loudness."""
        x = self.linear.coordinates(to_patches(mel))  # (B, 54, R)
        scale = self.linear.scale  # (R,)
        delta = self.encoder(x / scale) * scale
        return self.linear.analyse(x + delta.float())

    def decode_coefficients(self, coefficients: Tensor, counts: Tensor | None = None) -> Tensor:
        """Unclamped log-mels (B, n_mels, 431) of coefficients (B, k <= K).

        `counts` (B,) says how many of them, and a gain, each row was given; the others of a row must be
        zero, their mean. Without it, all were given.
        """
        if counts is None:
            counts = torch.full((len(coefficients),), coefficients.shape[1] + 1.0, device=coefficients.device)
        x = self.linear.synthesise(coefficients)  # (B, 54, R)
        delta = self.decoder(x / self.linear.scale, self.size_embedding(counts))  # (B, 54, P)
        return from_patches(self.linear.patches(x) + DELTA_DB * delta.float())

    def through(self, mel: Tensor, sizes: Tensor) -> Tensor:
        """Unclamped log-mels (B, n_mels, 431) of log-mels coded in vectors of `sizes` (B,) dimensions."""
        coefficients = self.encode_mel(mel)  # (B, K)
        counts = mel_sizes(sizes)  # (B,) gain and coefficients
        kept = torch.arange(1, coefficients.shape[1] + 1, device=mel.device) < counts[:, None]  # (B, K)
        return self.decode_coefficients(coefficients * kept, counts)

    @torch.no_grad()
    def fit_linear(self, batches: Sequence[Tensor]) -> None:
        """Fit the linear transform and the ranges for quantising to batches of log-mels (B, M, 431)."""
        self.linear.fit(batches)
        self.fit_ranges(batches)

    @torch.no_grad()
    def fit_ranges(self, batches: Sequence[Tensor]) -> None:
        """Set the ranges for quantising, with a tenth to spare, from batches of log-mels (B, M, 431)."""
        coefficients = torch.cat([self.encode_mel(mel) for mel in batches])  # (N, K)
        here = places(self.size)[0][1:]  # (K,)
        self.low[here], self.high[here] = 1.1 * coefficients.amin(0), 1.1 * coefficients.amax(0)

    # -- waves ---------------------------------------------------------------------------------

    def encode(self, wave: Array, size: int | None = None, *, refine_steps: int = 0) -> Array:
        """Vectors (B, size) of clips (B, T <= 110 250) at 22 050 Hz; shorter clips are followed by silence.

        One clip (T,) gives one vector (size,), and a NumPy array gives one.
        `refine_steps` descends that many gradient steps through the decoder to bring the decoded
        log-mel closer in L1: slower, better, and meant for the size asked for.
        Raises InputError on an empty, long or non-finite wave, or an impossible size.
        """
        size = self._checked(size)
        rows, back = as_rows(wave, self.low.device)
        if rows.ndim != 2 or not 0 < rows.shape[1] <= SAMPLES:
            shape = tuple(rows.shape)
            raise InputError(f"A clip has shape (batch, 1 to {SAMPLES}), not {shape}; use encode_long.")
        if not rows.isfinite().all():
            raise InputError("The wave holds NaN or infinite samples; decode the recording again.")
        rows = nn.functional.pad(rows.float(), (0, SAMPLES - rows.shape[1]))
        return back(clip_by_clip(partial(self._encode, size=size, refine_steps=refine_steps), rows, 2))

    def _encode(self, wave: Tensor, size: int, refine_steps: int) -> Tensor:
        with torch.no_grad():
            normalised, gain = normalise_loudness(wave, self.mel)
            mel = self.log_mel(normalised)  # (B, M, 431)
            coefficients = self.encode_mel(mel)[:, : mel_size(size) - 1]
            harmony = self.harmony.analyse(normalised)[:, : harmony_size(size)]
        if refine_steps and size > 1:
            coefficients = self.refine(coefficients, mel, refine_steps)
        return join(gain, coefficients, harmony)

    def refine(self, coefficients: Tensor, mel: Tensor, steps: int, *, rate: float = 0.1) -> Tensor:
        """Coefficients (B, k) after Adam steps on the L1 between decoded and true log-mel (B, M, 431).

        `rate` is the first step's length in standard deviations of each coefficient.
        """
        spread = self.linear.spread[: coefficients.shape[1]]  # (k,)
        with torch.enable_grad():
            z = (coefficients.detach() / spread).requires_grad_()  # (B, k)
            optimiser = torch.optim.Adam([z], betas=(0.8, 0.95))
            for step in range(steps):
                optimiser.param_groups[0]["lr"] = rate * (1 - step / steps)
                decoded = self.decode_coefficients(z * spread)  # (B, M, 431)
                error = (decoded.clamp_min(self.mel.floor_db) - mel).abs()
                (z.grad,) = torch.autograd.grad(error.sum(), [z])
                optimiser.step()
        return z.detach() * spread

    @torch.no_grad()
    def decode_mel(self, vector: Tensor, size: int | None = None, *, pose: Pose = IDENTITY) -> Tensor:
        """Log-mels (B, n_mels, 431) in dB, at the fixed loudness, of vectors (B, d).

        `size` takes only their first dimensions; a `pose` gives more frames, or fewer.
        """
        _, coefficients, _ = split(vector[:, : self._checked(size, vector)].float())
        mel = self.decode_coefficients(coefficients).clamp_min(self.mel.floor_db)
        return self.posed(mel, pose)

    @torch.no_grad()
    def decode(
        self,
        vector: Array,
        size: int | None = None,
        *,
        texture: Texture | None = None,
        seed: int = 0,
        pose: Pose = IDENTITY,
        seconds: float | None = None,
    ) -> Array:
        """Waves (B, 110 250) of vectors (B, d), or of their first `size` dimensions, at their own loudness.

        One vector (d,) gives one wave (110 250,), and a NumPy array gives one. A `texture` makes them
        more like music and less like the clip; `seed` draws another. A `pose`
        plays them faster or slower, higher or lower: (B, `pose.samples(110 250)`); so do the `seconds`
        that a clip is to last, instead of the pose's tempo. Raises InputError beyond half or twice 5 s.
        """
        if seconds is not None:
            pose = Pose.lasting(seconds, pose.semitones)
        rows, back = as_rows(vector, self.low.device)
        size = self._checked(size, rows)
        decode = partial(self._decode, texture=texture, seed=seed, pose=pose)
        return back(clip_by_clip(decode, rows[:, :size].float()))

    @torch.no_grad()
    def _decode(self, vector: Tensor, texture: Texture | None, seed: int, pose: Pose) -> Tensor:
        gain, coefficients, harmony = split(vector)
        mel = self.decode_coefficients(coefficients).clamp_min(self.mel.floor_db)  # (B, M, 431)
        if texture is not None:
            mel = self.textured(mel, vector.shape[1], texture, harmony, seed=seed)
        wave = self.mel_to_wave(self.posed(mel, pose), harmony, pose=pose)
        gain = gain[:, None]
        wave = wave * 10 ** ((gain - self.mel.loudness_db) / 20)
        return torch.where(gain > SILENCE_DB + 0.5, wave, torch.zeros_like(wave))

    def unseen(self, change: Tensor, sizes: Tensor) -> Tensor:
        """What of changes (B, n_mels, 431) of log-mels leaves vectors of `sizes` (B,) dimensions as they are.

        By the linear part of the codec; its networks move that by little.
        """
        coefficients = self.linear.analyse(to_patches(change) @ self.linear.basis)  # (B, K)
        number = torch.arange(1, coefficients.shape[1] + 1, device=change.device)
        seen = self.linear.synthesise(coefficients * (number < mel_sizes(sizes)[:, None]))  # (B, 54, R)
        return change - from_patches(seen @ self.linear.basis.T)

    @torch.no_grad()
    def textured(
        self, mel: Tensor, size: int, texture: Texture, harmony: Tensor | None = None, *, seed: int = 0
    ) -> Tensor:
        """Log-mels (B, n_mels, 431) decoded of `size` dimensions, with a texture that their vectors allow."""
        sizes = torch.full((len(mel),), float(size), device=mel.device)
        return texture.to(mel.device)(mel, size, harmony, keep=partial(self.unseen, sizes=sizes), seed=seed)

    @torch.no_grad()
    def posed(self, mel: Tensor, pose: Pose) -> Tensor:
        """Log-mels (B, n_mels, 431) in dB in a pose, (B, n_mels, F'); unchanged at the identity."""
        mel = stretch_frames(mel, pose, self.mel, SAMPLES)
        if not pose.semitones:
            return mel
        filters = self.log_mel.filters  # (n_mels, F)
        if self.vocoder is None:
            power = invert_mel(mel, filters)  # (B, F, F')
        else:
            vocoder = self.vocoder.to(mel.device)
            power = vocoder.spectrum(mel, vocoder.predict(mel).float()).power
        shifted = filters @ shift_bins(power, pose.semitones)  # (B, n_mels, F')
        return 10 * shifted.clamp_min(10 ** (self.mel.floor_db / 10)).log10()

    @torch.no_grad()
    def mel_to_wave(self, mel: Tensor, harmony: Tensor | None = None, *, pose: Pose = IDENTITY) -> Tensor:
        """Waves (B, 110 250) at the fixed loudness of log-mels (B, n_mels, 431).

        `harmony` (B, h <= 32) moves the notes inside the mel's bands. Log-mels in a `pose` give
        (B, `pose.samples(110 250)`).
        """
        impose, samples = None, pose.samples(SAMPLES)
        if harmony is not None and harmony.shape[1]:
            impose = partial(self.harmony.impose, numbers=harmony, pose=pose)
        mel = torch.cat([mel, mel[:, :, -1:]], 2)  # (B, M, 432): sound to the last sample, and beyond
        if self.vocoder is None:
            return griffin_lim(mel, config=self.mel, retouch=impose)[:, :samples]
        return self.vocoder.to(mel.device)(mel, retouch=impose)[:, :samples]

    def quantise(self, vector: Tensor, bits: int = 8) -> Tensor:
        """Vectors (B, d) rounded to 2**bits even steps over each dimension's range on the training set."""
        if not 1 <= bits <= 16:
            raise InputError(f"A dimension takes 1 to 16 bits, not {bits}.")
        d = self._checked(None, vector)
        low, high = self.low[:d], self.high[:d]
        step = (high - low).clamp_min(1e-6) / (2**bits - 1)
        return low + ((vector - low) / step).round().clamp(0, 2**bits - 1) * step

    def _checked(self, size: int | None, vector: Tensor | None = None) -> int:
        most = self.size
        if vector is not None:
            if vector.ndim != 2 or not 1 <= vector.shape[1] <= self.size:
                shape = tuple(vector.shape)
                raise InputError(
                    f"Vectors are (batch, 1 to {self.size}), not {shape}; encode with this codec."
                )
            if not vector.isfinite().all():
                raise InputError("The vector holds NaN or infinite numbers; encode the clip again.")
            most = vector.shape[1]
        if size is not None and not 1 <= size <= most:
            raise InputError(f"A size lies between 1 and {most}, not {size}.")
        return most if size is None else size

    # -- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path, notes: dict[str, str] | None = None) -> None:
        """Write weights (float16 for the networks, float32 for the linear part) and configuration."""
        shape = {"codec": asdict(self.config), "mel": asdict(self.mel)}
        FILE.write(path, self._stored(), **shape, notes=notes or {})

    @classmethod
    def load(cls, source: str | Path | None = None, vocoder: Vocoder | None = None) -> "Codec":
        """The shipped codec, or one from a file that `save` wrote, with the shipped vocoder or the one given.

        Raises InputError on any other file.
        """

        def build(facts: dict[str, Any], tensors: dict[str, Tensor]) -> Codec:
            codec = cls(CodecConfig(**facts["codec"]), MelConfig(**facts["mel"]), vocoder or Vocoder.load())
            codec.load_state_dict(tensors)
            return codec

        return FILE.read(source or SHIPPED, build)


DELTA_DB = 4.0  # scale of the decoder network's output, so that its weights stay near one
