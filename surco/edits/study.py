"""The editing part of a study: every edit on the same few unseen songs, each beside its baseline.

Songs come from the test split, partners and directions from the training split. The baselines mix the
song with its partner, as waves and as mels, up to equal parts: beyond that it is the partner's song.
Interpolations are made to sound up to their middle for the same reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.bench import Bench
from surco.codec.vector_layout import harmony_size
from surco.edits import moves
from surco.edits.assess import Assessment, Steps, assess, looked_at, mix_mels, mix_waves, possible
from surco.edits.edit_report import Moved
from surco.errors import InputError

Array = NDArray[Any]
Mixing = Literal["waves", "mels"]
MIXINGS: tuple[Mixing, ...] = ("waves", "mels")
ATTRIBUTES = ("tempo", "brightness", "onset density")
FINE = 7  # weights of the path whose evenness is measured
MIXED = 0.5  # the largest share of the partner in a baseline
SOUNDED = (0.0, 0.5, 1.0)  # share of the range at which an edit is made to sound


@dataclass(frozen=True)
class Material:
    """The songs that are edited (n), and the training clips that they are edited with.

    waves (n, T) and vectors (n, D) of songs, their genres and tracks; partners by purpose ("genre" and
    each attribute): (n, T) waves and (n, D) vectors of training clips; targets: the partners' genres.
    """

    waves: Array
    vectors: Array
    genres: list[str]
    tracks: list[str]
    targets: list[str]
    partner_waves: dict[str, Array]
    partner_vectors: dict[str, Array]
    train: Array  # (N, D)
    train_genres: list[str]
    real: Array  # (R, E) embeddings of real clips
    reference: float  # mean distance of unseen clips to the nearest training vector
    directions: moves.Directions


Move = Callable[[float], Array]


def tried(m: Material, *, seed: int = 0) -> dict[str, tuple[str, float, float, Move]]:
    """Edits by name: what is asked, the weights up to which it sounds and runs, and weight to (n, D)."""
    a, b, d = m.vectors, m.partner_vectors["genre"], m.directions
    size = a.shape[1]
    means = np.stack([d.genre_by_means(g, t) for g, t in zip(m.genres, m.targets, strict=True)])
    probes = np.stack([d.genre_by_probe(g, t) for g, t in zip(m.genres, m.targets, strict=True)])
    average = np.stack([moves.average(m.train[np.asarray(m.train_genres) == t]) for t in m.targets])
    third = np.roll(b, 1, axis=0)  # of another partner: the way point of a path

    def walk(position: float) -> Array:
        songs = zip(a, third, b, strict=True)
        return np.stack([moves.path(np.stack(s), position) for s in songs])

    found: dict[str, tuple[str, float, float, Move]] = {
        "interpolation, linear": ("style", 0.5, 1.0, lambda w: moves.interpolate(a, b, w)),
        "interpolation, spherical": (
            "style",
            0.5,
            1.0,
            lambda w: moves.interpolate(a, b, w, mode="spherical", centre=d.centre),
        ),
        "path of three songs": ("style", 1.5, 2.0, walk),
        "extrapolation": ("style", 1.5, 1.5, lambda w: moves.extrapolate(a, b, w)),
        "genre by means": ("style", 1.0, 1.0, lambda w: moves.shift(a, means, w)),
        "genre by probe": ("style", 1.0, 1.0, lambda w: moves.shift(a, probes, w)),
        "coarse part of another": (
            "style",
            0.5,
            1.0,
            lambda w: moves.swap(b, a, round(w * size)) if w else moves.swap(a, a, size),
        ),
        "average of a genre": ("style", 1.0, 1.0, lambda w: moves.interpolate(a, average, w)),
        "noise at a radius": (
            "change",
            0.5,
            0.5,
            lambda w: moves.noise(a, w, scale=np.broadcast_to(d.scale, a.shape), seed=seed),
        ),
    }
    if harmony_size(size):
        found["harmony of another"] = ("harmony", 1.5, 1.5, lambda w: moves.harmony(a, b, w))
    for name in ATTRIBUTES:
        if name in d.attributes:
            step = d.attribute(name)
            found[f"more {name}"] = (name, 2.0, 2.0, lambda w, step=step: moves.shift(a, step, w))  # type: ignore[misc]
    return found


def edit_study(
    bench: Bench, m: Material, *, seed: int = 0, progress: Callable[[str], None] = lambda note: None
) -> tuple[list[Moved], dict[str, Array]]:
    """One row an edit: its assessment, its baselines', the answer and why; and the sound (n, T) of each."""
    if len(m.waves) < 2:
        raise InputError("Edits are assessed on two songs at least; give more test clips.")
    rows: list[Moved] = []
    sounds: dict[str, Array] = {}
    first = bench.decode(m.vectors)[None]  # (1, n, T) every edit begins here
    first_heard = bench.embed(first[0])[None]  # (1, n, E)
    mixtures: dict[tuple[str, str], _Sound] = {}

    def judged(asked: str, sound: _Sound) -> Assessment:
        values = np.stack(
            [_asked(bench, asked, w, e, sound, m) for w, e in zip(sound.waves, sound.heard, strict=True)]
        )
        steps = Steps(
            sound.weights,
            values,
            sound.heard,
            sound.vectors,
            sound.fine,
            sound.mels,
            sound.travelled,
            m.tracks,
        )
        return assess(steps, real=m.real, train=m.train, reference=m.reference, seed=seed)

    def mixed(asked: str, how: Mixing) -> Assessment:
        purpose = asked if asked in m.partner_waves else "genre"
        if (purpose, how) not in mixtures:
            alike = next((s for (_, kind), s in mixtures.items() if kind == how), None)
            mixtures[purpose, how] = _mixture(bench, m, m.partner_waves[purpose], how, alike)
        return judged(asked, mixtures[purpose, how])

    for name, (asked, most, end, move) in tried(m, seed=seed).items():
        fine = np.linspace(0, end, FINE)
        line = np.stack([move(float(w)) for w in fine])  # (P, n, D)
        look = looked_at(asked, bench.decode_mel, bench.decode, bench.mel)
        vectors = np.stack([move(float(w * most)) for w in SOUNDED])  # (S, n, D)
        waves = np.concatenate([first, np.stack([bench.decode(v) for v in vectors[1:]])])  # (S, n, T)
        made = _Sound(
            weights=[w * most for w in SOUNDED],
            waves=waves,
            heard=np.concatenate([first_heard, np.stack([bench.embed(w) for w in waves[1:]])]),
            vectors=vectors,
            fine=fine.tolist(),
            mels=np.stack([look(v) for v in line]),
            travelled=np.linalg.norm(np.diff(line.astype(np.float64), axis=0), axis=-1).sum(0),
        )
        edit = judged(asked, made)
        beside: dict[Mixing, Assessment] = {how: mixed(asked, how) for how in MIXINGS}
        hardest = max(beside.values(), key=lambda b: (b.gain.mean, -b.realism_loss.mean))
        told = {
            "style": "the probability of the style asked for",
            "change": "the distance in mel (dB)",
            "harmony": "the correlation with the other's chroma",
        }
        answer = possible(name, edit, hardest, asked=told.get(asked, f"{asked} (standard deviations)"))
        rows.append(Moved(edit=name, asked=asked, measured=edit, baselines=beside, possible=answer))
        sounds[name] = waves[-1]
        progress(f"edit: {name}")
    return rows, sounds


@dataclass(frozen=True)
class _Sound:
    """What an edit or a mixture made; fields as in `Steps`, and the waves (S, n, T)."""

    weights: list[float]
    waves: Array
    heard: Array
    vectors: Array
    fine: list[float]
    mels: Array
    travelled: Array | None


def _mixture(bench: Bench, m: Material, partner: Array, how: str, alike: _Sound | None) -> _Sound:
    """Songs mixed with `partner` (n, T), as "waves" or as "mels".

    Every mixture begins with the songs alone: the sound of that is taken from one made `alike`.
    """
    weights, fine = [MIXED * w for w in SOUNDED], np.linspace(0, 1, FINE).tolist()
    if how == "waves":
        waves = np.stack([mix_waves(m.waves, partner, w) for w in weights])  # (S, n, T)
        mels = np.stack([bench.mel(mix_waves(m.waves, partner, w)) for w in fine])
    else:
        one, two = bench.mel(m.waves), bench.mel(partner)
        mels = np.stack([mix_mels(one, two, w) for w in fine])
        first = bench.vocode(one) if alike is None else alike.waves[0]  # (n, T)
        waves = np.stack([first, *[bench.vocode(mix_mels(one, two, w)) for w in weights[1:]]])
    new = waves if alike is None else waves[1:]
    heard = np.stack([bench.embed(w) for w in new])  # (S or S - 1, n, E)
    vectors = np.stack([bench.encode(w) for w in new])
    if alike is not None:
        heard = np.concatenate([alike.heard[:1], heard])
        vectors = np.concatenate([alike.vectors[:1], vectors])
    return _Sound(weights, waves, heard, vectors, fine, mels, None)


def _asked(bench: Bench, asked: str, waves: Array, heard: Array, sound: _Sound, m: Material) -> Array:
    """What an edit should raise (n,), measured on one step of its sound."""
    if asked == "style":
        return bench.style(heard, m.targets)
    if asked == "change":
        return np.abs(bench.mel(waves) - bench.mel(sound.waves[0])).mean((1, 2))
    if asked == "harmony":
        return bench.harmony(waves, m.partner_waves["genre"])
    return bench.measure(waves)[asked]
