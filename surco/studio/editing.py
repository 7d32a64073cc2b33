"""A song's vectors as a question wants them, and the same edits by other means, to hear beside them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.codec.pose import IDENTITY, Pose
from surco.edits import curves
from surco.edits.amounts import Amounts, apply, curve_sum
from surco.edits.parts import PARTS, Parts, require
from surco.errors import InputError
from surco.studio.asks import Sound
from surco.studio.material import CLIP, codec, styles, vectors_of, wave_of
from surco.studio.sessions import RATE, Song

Array = NDArray[Any]
FADES = ("fade_in", "fade_out")


def changes(ask: Sound) -> bool:
    """Whether anything is done to the vector."""
    on_the_way = (ask.between and ask.between.weight) or (ask.style and ask.style.weight)
    return bool(Amounts.of(ask.amounts).asked or ask.drawn or on_the_way)


def edited_clip(song: Song, ask: Sound, others: Mapping[str, Song]) -> tuple[Array, Pose]:
    """The vector (size,) of one clip with all that is asked for, and the pose it is decoded in."""
    whole = vectors_of(song)[:, : ask.size]
    amounts = Amounts.of(ask.amounts)
    made = _drawn(whole[ask.clip : ask.clip + 1], ask)
    pose = IDENTITY
    if ask.between:
        made, pose = _between(made, _at(others[ask.between.song], ask), ask.between.weight)
    made = _styled(made, whole, ask)
    given: dict[str, Array] = {name: _at(others[identity], ask) for name, identity in ask.others.items()}
    still = Amounts.of({k: v for k, v in ask.amounts.items() if k not in FADES})
    made, asked_pose = apply(codec(), made, still, given)
    delta = _fades(amounts, song.clips, ask.clip)
    if delta is not None:
        made = curves.add(codec(), made, delta)
    return _rounded(made, ask)[0], pose + asked_pose


def edited_song(song: Song, ask: Sound, others: Mapping[str, Song]) -> tuple[Array, Pose]:
    """The vectors (n, size) of the whole song, dimensions drawn by hand in their clip alone, and the pose."""
    whole = vectors_of(song)[:, : ask.size].copy()
    whole[ask.clip] = _drawn(whole[ask.clip : ask.clip + 1], ask)[0]
    if ask.between and ask.between.weight:
        raise InputError("The way between two songs is heard clip by clip; save the clip alone.")
    given: dict[str, Array] = {
        name: _whole(others[identity], ask.size) for name, identity in ask.others.items()
    }
    made, pose = apply(codec(), _styled(whole, whole, ask), Amounts.of(ask.amounts), given)
    return _rounded(made, ask), pose


def _drawn(vectors: Array, ask: Sound) -> Array:
    made = vectors.copy()
    for index, value in ask.drawn.items():
        if index < ask.size:
            made[:, index] = value
    return made


def _styled(vectors: Array, song: Array, ask: Sound) -> Array:
    """Clips (n, size) on the way from the genre that their song (m, size) sounds like, as loud as before."""
    if not ask.style or not ask.style.weight:
        return vectors
    parts = _parts(ask.size)
    require("rhythm", ask.size)
    genres = styles().cut(ask.size)
    made = genres.towards(parts, vectors, genres.nearest(parts, song), ask.style.genre, ask.style.weight)
    made[:, 0] -= _levels(made) - _levels(vectors)
    return made


def _levels(vectors: Array) -> Array:
    """Mean power (n,) in dB of the decoded log-mels of clips (n, size)."""
    import torch

    with torch.inference_mode():
        mels = codec().decode_mel(torch.from_numpy(vectors))  # (n, M, 431)
    found: Array = (10 * (10 ** (mels / 10)).mean((1, 2)).log10()).numpy()
    return found


def _rounded(vectors: Array, ask: Sound) -> Array:
    if not ask.packed:
        return vectors
    return np.asarray(codec().unpack(codec().pack(vectors)), np.float32)


def _whole(song: Song, size: int) -> Array:
    if song.size < size:
        raise InputError(f"The vectors of {song.name} have {song.size} dimensions, not {size}.")
    return vectors_of(song)[:, :size]


def _at(song: Song, ask: Sound) -> Array:
    """The clip (1, size) of another song that goes with the one that is asked for."""
    return _whole(song, ask.size)[ask.clip % song.clips][None]


def _fades(amounts: Amounts, clips: int, clip: int) -> Array | None:
    """What fades of the whole song do to one of its clips, (1, M, F) in dB."""
    if not (amounts.fade_in or amounts.fade_out):
        return None
    g = curves.grid(codec(), clips)
    delta = np.zeros((1, len(g.hertz), g.moments.shape[1]), np.float32)
    if amounts.fade_in:
        delta += curves.fade_in(g, amounts.fade_in * amounts.tempo)[clip]
    if amounts.fade_out:
        delta += curves.fade_out(g, amounts.fade_out * amounts.tempo)[clip]
    return delta


def _between(a: Array, b: Array, weight: float) -> tuple[Array, Pose]:
    """As `surco.edits.style.between`, of one clip (1, size); what does not hang on the weight is kept."""
    fitted, pose = _aligned(a.tobytes(), b.tobytes())
    made = _parts(a.shape[1]).give(a, fitted, dict.fromkeys(PARTS, weight))
    return made, Pose(-weight * pose.log_stretch, -weight * pose.semitones)


@lru_cache(maxsize=8)
def _aligned(a: bytes, b: bytes) -> tuple[Array, Pose]:
    from surco.edits.align import aligned

    one, two = (np.frombuffer(x, np.float32)[None].copy() for x in (a, b))
    fitted, found = aligned(codec(), one, two)
    return fitted, found[0].pose


@lru_cache(maxsize=16)
def _parts(size: int) -> Parts:
    return Parts(codec(), size)


# -- the same by other means -----------------------------------------------------------------------


def processed(song: Song, ask: Sound, others: Mapping[str, Song]) -> Array:
    """The original clip edited by signal processing: equaliser, Rubber Band or phase vocoder. (T,)

    Parts of other songs, drawn dimensions, styles and ways between songs have no such counterpart.
    """
    from surco.bench import Bench
    from surco.edits.tried import equalise, rubber_band

    amounts = Amounts.of({k: v for k, v in ask.amounts.items() if k not in ("timbre", "rhythm", "harmony")})
    wave = wave_of(song, ask.clip)
    still = amounts.model_copy(update={"fade_in": 0.0, "fade_out": 0.0})
    vector = vectors_of(song)[ask.clip : ask.clip + 1]
    parts = (curve_sum(codec(), vector, still), _fades(amounts, song.clips, ask.clip))
    delta = sum(p for p in parts if p is not None)
    if not isinstance(delta, int):
        hertz = curves.grid(codec()).hertz
        wave = equalise(wave, np.asarray(delta, np.float32)[0], hertz, Bench(codec()))
    wave = wave * np.float32(10 ** (amounts.gain / 20))
    if amounts.pose:
        stretched = rubber_band(wave, amounts.pose, RATE)
        wave = _phase_vocoder(wave, amounts.pose) if stretched is None else stretched
    return np.asarray(wave, np.float32)


def _phase_vocoder(wave: Array, pose: Pose) -> Array:
    from librosa import effects

    if pose.semitones:
        wave = effects.pitch_shift(wave, sr=RATE, n_steps=pose.semitones)
    return effects.time_stretch(wave, rate=pose.tempo) if pose.log_stretch else wave


def mixed(song: Song, ask: Sound, others: Mapping[str, Song]) -> Array:
    """The baseline that needs no vectors: the two waves added, the other one by half its share. (T,)"""
    from surco.edits.assess import mix_waves

    amounts = Amounts.of(ask.amounts)
    if ask.between:
        other, weight = ask.between.song, ask.between.weight
    elif ask.others:
        name, other = next(iter(ask.others.items()))
        weight = min(1.0, getattr(amounts, name)) / 2
    else:
        raise InputError("There is nothing to mix with; choose another song first.")
    there = others[other]
    return mix_waves(wave_of(song, ask.clip), wave_of(there, ask.clip % there.clips), weight)[:CLIP]
