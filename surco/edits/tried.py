"""The edits that a study tries: amounts, how they are made, and how what was asked for is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.bench import Bench
from surco.codec import recode
from surco.codec.pose import IDENTITY, Pose
from surco.edits import curves, hearing
from surco.edits.align import aligned
from surco.edits.hearing import Heard
from surco.edits.parts import SMALLEST, Parts
from surco.edits.study import ATTRIBUTES, Material
from surco.edits.style import MOVED, Styles, between
from surco.edits.timbre import give_timbre

Array = NDArray[Any]
ALL = ("chroma", "onset", "self-similarity")


@dataclass(frozen=True)
class Played:
    """An edited set of clips: vectors (n, D), and the pose of each."""

    vectors: Array
    poses: Sequence[Pose]


@dataclass(frozen=True)
class Context:
    """Of one clip, what a measure may need: its unedited decode and the other song's, heard and as sound."""

    index: int
    gain: float  # dB, that brings the unedited decode to the fixed loudness
    before: Heard
    sound: Array
    embedding: Array  # (E,)
    other: Heard | None = None
    other_embedding: Array | None = None


Measure = Callable[[Context, Array, Heard, Array, float], float]


@dataclass(frozen=True)
class Tried:
    """One edit. `measure` takes context, wave, analysis, embedding and amount; to the amount found.

    `amounts` and what is measured are in one unit. `shares` divides what was measured by what the other
    song itself has, so that a slope of 1 gets there.
    """

    name: str
    unit: str
    amounts: tuple[float, ...]
    make: Callable[[float], Played]
    measure: Measure
    kept: tuple[str, ...] = ALL
    shares: bool = False
    others: Array | None = None  # (n, D) vectors of the songs that it takes from, as they were aligned
    references: Array | None = None  # (n, T) those songs themselves, where the vectors are not aligned
    process: Callable[[Array, int, float], Array] | None = None  # the same to a wave, clip and amount
    truth: Callable[[Array, int, float], Array] | None = None  # the edit of an original wave
    broken: Callable[[float], Array] | None = None  # dB (n,) by which the decoded mel misses the curve
    operator: Callable[[float], Array] | None = None  # the same as plain vectors
    pose_of: Callable[[float], Pose] = field(default=lambda amount: IDENTITY)


def edits(bench: Bench, m: Material) -> list[Tried]:
    """All edits that are tried on the songs of a study."""
    return [*_poses(bench, m), *_curves(bench, m), *_others(bench, m), *_directions(bench, m)]


# -- pose ------------------------------------------------------------------------------------------


def _poses(bench: Bench, m: Material) -> list[Tried]:
    z, n = m.vectors, len(m.vectors)
    spectra: dict[int, Array] = {}  # of the unedited clips

    def tempo_found(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return hearing.log_tempo(c.before.mel, now.mel)

    def speed_found(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return hearing.log_tempo(c.before.mel, now.mel, width=20)

    def pitch_found(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        if c.index not in spectra:
            spectra[c.index] = hearing.constant_q(c.sound, bench.rate)
        return hearing.semitones(spectra[c.index], hearing.constant_q(wave, bench.rate))

    def operator(pose_of: Callable[[float], Pose]) -> Callable[[float], Array]:
        def made(amount: float) -> Array:
            return np.concatenate([recode.posed(bench.codec, v[None], pose_of(amount))[:1] for v in z])

        return made

    def tried(name: str, unit: str, amounts: tuple[float, ...], pose_of: Callable[[float], Pose]) -> Tried:
        alone = name != "speed"  # what tempo and pitch cost by other means is told of them one by one
        return Tried(
            name,
            unit,
            amounts,
            lambda amount: Played(z, [pose_of(amount)] * n),
            {"tempo": tempo_found, "pitch": pitch_found, "speed": speed_found}[name],
            process=(lambda wave, i, amount: phase_vocoder(wave, pose_of(amount), bench.rate))
            if alone
            else None,
            truth=lambda wave, i, amount: _truth(wave, pose_of(amount), bench.rate),
            operator=operator(pose_of) if alone else None,
            pose_of=pose_of,
        )

    speeds = (float(np.log(0.75)), float(np.log(1.25)))
    turns = tuple(float(np.log(2) * s / 12) for s in (-4, 4))  # four semitones, by speed
    return [
        tried("tempo", "log ratio", speeds, lambda x: Pose(-x, 0.0)),
        tried("pitch", "semitones", (-4.0, 4.0), lambda x: Pose(0.0, x)),
        tried("speed", "log ratio", turns, lambda x: Pose(-x, 12 * x / np.log(2))),
    ]


def phase_vocoder(wave: Array, pose: Pose, rate: int) -> Array:
    """The phase vocoder's time stretch and pitch shift."""
    import librosa

    if pose.semitones:
        wave = librosa.effects.pitch_shift(wave, sr=rate, n_steps=pose.semitones)
    return librosa.effects.time_stretch(wave, rate=pose.tempo) if pose.log_stretch else wave


def rubber_band(wave: Array, pose: Pose, rate: int) -> Array | None:
    """Rubber Band's stretch and shift, the best that is free; None where pedalboard is not installed."""
    try:
        from pedalboard import time_stretch
    except ImportError:
        return None
    made = time_stretch(wave, rate, pose.tempo, pose.semitones, preserve_formants=False)  # (1, T')
    return made[0]


def _truth(wave: Array, pose: Pose, rate: int) -> Array:
    """What a posed original sounds like: resampled where tempo and pitch move together, else Rubber Band."""
    if abs(np.log(pose.tempo) * 12 / np.log(2) - pose.semitones) < 1e-6:
        import soxr

        return soxr.resample(wave, rate * pose.tempo, rate)
    found = rubber_band(wave, pose, rate)
    return phase_vocoder(wave, pose, rate) if found is None else found


# -- curves ----------------------------------------------------------------------------------------


def _curves(bench: Bench, m: Material) -> list[Tried]:
    z, n, grid = m.vectors, len(m.vectors), curves.grid(bench.codec)
    mels = bench.decode_mel(z)  # (n, M, F)

    def tried(
        name: str,
        amounts: tuple[float, ...],
        curve: Callable[[float], Array],
        kept: tuple[str, ...],
        unit: str,
    ) -> Tried:
        def of(i: int, amount: float) -> Array:
            delta = curve(amount)
            return delta[i % len(delta)]

        def found(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
            level = _mel_at(bench, wave, c.gain)
            return amount * hearing.along(_mel_at(bench, c.sound, c.gain), level, of(c.index, amount))

        def broken(amount: float) -> Array:
            made = curves.add(bench.codec, z, curve(amount))
            level = z[:, :1, None] - made[:, :1, None]  # what went to the gain
            wanted = np.maximum(mels + curve(amount), hearing.SOUNDS_DB)
            got = np.maximum(bench.decode_mel(made) - level, hearing.SOUNDS_DB)
            return np.abs(got - wanted).mean((1, 2))

        return Tried(
            name,
            unit,
            amounts,
            lambda amount: Played(curves.add(bench.codec, z, curve(amount)), [IDENTITY] * n),
            found,
            kept,
            broken=broken,
            process=lambda wave, i, amount: equalise(wave, of(i, amount), grid.hertz, bench),
            truth=lambda wave, i, amount: equalise(wave, of(i, amount), grid.hertz, bench),
        )

    def spread(log_ratio: float) -> Array:
        return curves.dynamics(grid, float(np.exp(log_ratio)), mels)

    halves = (float(np.log(0.5)), float(np.log(1.5)))
    return [
        tried("gain", (-6.0, 6.0), lambda x: curves.band(grid, x, "bass") * 0 + np.float32(x), ALL, "dB"),
        tried("brightness", (-6.0, 6.0), lambda x: curves.tilt(grid, x), ALL, "dB"),
        *[
            tried(name, (-6.0, 6.0), lambda x, name=name: curves.band(grid, x, name), ALL, "dB")  # type: ignore[misc]
            for name in curves.BANDS
        ],
        tried("fade out", (2.0, 4.0), lambda x: curves.fade_out(grid, x), ("chroma",), "s"),
        tried("tremolo", (6.0, 12.0), lambda x: curves.tremolo(grid, x), ("chroma",), "dB"),
        tried("ducking", (6.0, 12.0), lambda x: curves.ducking(grid, x), ("chroma",), "dB"),
        tried("dynamics", halves, spread, ("chroma", "onset"), "log ratio"),
    ]


def equalise(wave: Array, curve: Array, hertz: Array, bench: Bench) -> Array:
    """A wave (T,) with a curve (M, F) of decibels on its spectrogram: the edit as signal processing."""
    import torch

    from surco.audio.mel import istft, stft

    config = bench.codec.mel
    bins = np.linspace(0, config.sample_rate / 2, config.n_fft // 2 + 1)
    decibel = np.stack([np.interp(bins, hertz, frame) for frame in curve.T], 1)  # (K, F)
    spec = stft(torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None], config)
    gains = torch.from_numpy(10 ** (decibel / 20)).float()
    if gains.shape[1] < spec.shape[2]:
        gains = torch.cat([gains, gains[:, -1:].expand(-1, spec.shape[2] - gains.shape[1])], 1)
    return istft(spec * gains[None, :, : spec.shape[2]], config, len(wave))[0].numpy()


def _mel_at(bench: Bench, wave: Array, gain: float) -> Array:
    """Log-mel (M, F) of a wave (T,) raised by `gain` dB."""
    import torch

    level = torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None] * 10 ** (gain / 20)
    return bench.codec.log_mel(level)[0].numpy()


# -- of another ------------------------------------------------------------------------------------


def _others(bench: Bench, m: Material) -> list[Tried]:
    a, b, n = m.vectors, m.partner_vectors["genre"], len(m.vectors)
    parts, styles = Parts(bench.codec, a.shape[1]), Styles.fit(m.train, m.train_genres)

    def rhythm(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return hearing.onsets_alike(_of(c).onset, now.onset)

    def harmony(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return hearing.chroma_alike(_of(c), now)

    def timbre(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return -hearing.spectrum_distance(_of(c).mel, now.mel)

    def styled(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        return float(bench.style(e[None], m.targets[c.index : c.index + 1])[0])

    def on_the_way(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
        """Share of the way between the two songs' embeddings."""
        assert c.other_embedding is not None
        way = c.other_embedding - c.embedding
        return float((e - c.embedding) @ way / max(float(way @ way), 1e-9))

    def given(name: str, other: Array) -> Callable[[float], Played]:
        return lambda w: Played(parts.give(a, other, {name: w}), [IDENTITY] * n)

    def coloured(w: float) -> Played:
        return Played(give_timbre(bench.codec, a, b, w), [IDENTITY] * n)

    def moved(w: float) -> Played:
        pairs = zip(a, m.genres, m.targets, strict=True)
        return Played(
            np.concatenate([styles.towards(parts, x[None], g, t, w, MOVED) for x, g, t in pairs]),
            [IDENTITY] * n,
        )

    def mixed(w: float) -> Played:
        return Played(*between(bench.codec, parts, a, b, w))

    ways = (0.5, 1.0)
    unit, waves = "share of the way", m.partner_waves["genre"]
    found = [
        Tried("timbre of another", unit, ways, coloured, timbre, ("chroma", "onset"), shares=True,
              others=b, references=waves),
        Tried("harmony of another", unit, ways, given("harmony", b), harmony, ("onset",), shares=True,
              others=b, references=waves),
    ]  # fmt: skip
    if parts.size < SMALLEST["rhythm"]:
        return found if parts.size >= SMALLEST["harmony"] else found[:1]
    fitted, _ = aligned(bench.codec, a, b, key=False)
    return [
        *found,
        Tried("rhythm of another", unit, ways, given("rhythm", fitted), rhythm, ("chroma",), shares=True,
              others=fitted),
        Tried("style by parts", unit, ways, moved, styled, ("chroma",), shares=True, others=b),
        Tried("between, aligned", unit, (0.25, 0.5), mixed, on_the_way, (), others=b),
    ]  # fmt: skip


def _of(c: Context) -> Heard:
    assert c.other is not None
    return c.other


# -- directions, the baseline ----------------------------------------------------------------------


def _directions(bench: Bench, m: Material) -> list[Tried]:
    """Moves along the probes of attributes, in standard deviations: what there was before."""

    def tried(name: str) -> Tried:
        step = m.directions.attribute(name)

        def found(c: Context, wave: Array, now: Heard, e: Array, amount: float) -> float:
            return float(bench.measure(wave[None])[name][0] - bench.measure(c.sound[None])[name][0])

        return Tried(
            f"{name} by a direction",
            "standard deviations",
            (1.0, 2.0),
            lambda x: Played((m.vectors + x * step).astype(np.float32), [IDENTITY] * len(m.vectors)),
            found,
        )

    return [tried(name) for name in ATTRIBUTES if name in m.directions.attributes]
