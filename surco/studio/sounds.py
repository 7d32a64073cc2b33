"""Sounds of a song, and how close they come. Runs in the workers; a sound goes back as the bytes of a WAV."""

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surco.studio import editing
from surco.studio.asks import Sound
from surco.studio.material import CLIP, checked, codec, vectors_of, wave_of
from surco.studio.sessions import RATE, Song

if TYPE_CHECKING:
    from surco.codec import Texture

Array = NDArray[Any]
PEAK = 0.98  # an edited song that is louder is lowered to it


def sound(song: Song, ask: Sound, others: Mapping[str, Song]) -> tuple[bytes, dict[str, float]]:
    """A WAV of one clip, and what is to be told of it: seconds, and dB by which it was lowered.

    others : songs by the ids that the question names
    """
    wave, told = make(song, ask, others)
    return wav(wave), told


def make(song: Song, ask: Sound, others: Mapping[str, Song]) -> tuple[Array, dict[str, float]]:
    """The wave (T,) of `sound`."""
    checked(song, ask.clip, ask.size)
    lowered = 0.0
    if ask.kind == "original":
        wave = wave_of(song, ask.clip)
    elif ask.kind == "ceiling":
        wave = ceiling(wave_of(song, ask.clip))
    elif ask.kind in ("processed", "mixed"):
        build = editing.processed if ask.kind == "processed" else editing.mixed
        wave, lowered = lower(build(song, ask, others))
    else:
        vector, pose = editing.edited_clip(song, ask, others)
        texture = _texture() if ask.kind == "textured" else None
        wave = codec().decode(vector, texture=texture, seed=ask.seed, pose=pose)
        if editing.changes(ask):
            wave, lowered = lower(wave)
    return wave, {"seconds": len(wave) / RATE, "lowered": lowered}


def ceiling(wave: Array) -> Array:
    """A clip (110 250,) through the vocoder from its true spectrogram: what no size can go beyond."""
    import torch

    from surco.audio.mel import normalise_loudness

    c = codec()
    with torch.no_grad():
        levelled, gain = normalise_loudness(torch.from_numpy(wave)[None], c.mel)
        made = c.mel_to_wave(c.log_mel(levelled).clamp_min(c.mel.floor_db), c.harmony.analyse(levelled))
    return (made[0] * 10 ** ((gain - c.mel.loudness_db) / 20)).numpy()


def lower(wave: Array) -> tuple[Array, float]:
    """A wave (T,) lowered so that it does not clip, and by how many dB."""
    peak = float(np.abs(wave).max(initial=0.0))
    if peak <= PEAK:
        return wave, 0.0
    return wave * np.float32(PEAK / peak), 20 * float(np.log10(peak / PEAK))


def wav(wave: Array) -> bytes:
    """A 16-bit WAV file of a wave (T,)."""
    import soundfile

    from surco.audio.io import to_int16

    buffer = io.BytesIO()
    soundfile.write(buffer, to_int16(wave), RATE, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


# -- measures and pictures -------------------------------------------------------------------------


@lru_cache(maxsize=6)
def _reference(song: Song, clip: int) -> Any:
    from surco.metrics.score import Reference

    return Reference(wave_of(song, clip), quick=True)


def measures(song: Song, ask: Sound, others: Mapping[str, Song]) -> dict[str, float | None]:
    """How close a sound comes to the original clip; none where it lasts longer or shorter."""
    wave, _ = make(song, ask, others)
    if len(wave) != CLIP:
        return {}
    found = _reference(song, ask.clip).score(wave)
    return {name: float(value) if np.isfinite(value) else None for name, value in found.items()}


def vector(song: Song, ask: Sound, others: Mapping[str, Song]) -> dict[str, Any]:
    """The dimensions of a clip as they are decoded, with ranges and parts; the bits a second of the song."""
    checked(song, ask.clip, ask.size)
    made, _ = editing.edited_clip(song, ask, others)
    c = codec()
    return {
        "values": [round(float(x), 4) for x in made],
        "low": [round(float(x), 3) for x in c.low[: ask.size]],
        "high": [round(float(x), 3) for x in c.high[: ask.size]],
        "rate": _rate(song, ask.size),
        **_parts(ask.size),
    }


@lru_cache(maxsize=64)
def _rate(song: Song, size: int) -> float:
    """Bits a second of a song, unedited, as a packed file, header and all."""
    packed = codec().pack(vectors_of(song)[:, :size])
    return round(8 * len(packed) * RATE / song.samples, 1)


@lru_cache(maxsize=16)
def _parts(size: int) -> dict[str, Any]:
    """Dimensions of each part, and for every one the part that holds most of it, by its first letter."""
    from surco.edits.parts import PARTS, Parts

    parts = Parts(codec(), size)
    held = np.stack([np.einsum("ii->i", parts.part(np.eye(size), name)) for name in PARTS])  # (5, size)
    return {"of": "".join(PARTS[i][0] for i in held.argmax(0)), "parts": parts.numbers()}


@lru_cache(maxsize=1)
def _texture() -> "Texture":
    from surco.codec import Texture

    return Texture.load()
