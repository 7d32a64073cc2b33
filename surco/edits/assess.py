"""Is an edit possible with this method, and why? Measured on the sound it makes, against plain mixing.

An edit is tried on a few songs at several weights. Of each step it is asked whether what was asked for
moved (the style classifier's probability, or a measured attribute), whether the steps are even,
whether the result stays near real music, and how near the closest training clip is. The same is asked
of the baseline, which needs no vectors: mixing the two waveforms, or the two mels.

Sources: Berthelot et al. 2019 (what a good interpolation is: even and realistic); Chung et al. 2025
(kernel audio distance); Engel et al. 2017 (mixing as the baseline of interpolation).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.documents import Document, Number
from surco.errors import InputError
from surco.judgement import judgement
from surco.metrics.aggregate import Estimate, by_track
from surco.metrics.realism import kernel_audio_distance

Array = NDArray[Any]


@dataclass(frozen=True)
class Steps:
    """An edit, or its baseline, of n songs: its sound at S weights, its mels at P finer ones.

    weights : (S,) rising from 0, at which the edit was made to sound
    asked : (S, n) what the edit should raise, measured on that sound
    embeddings : (S, n, E) of that sound, by the embedder of `surco.metrics`
    vectors : (S, n, D) of it, for the distance to training clips
    fine : (P,) weights of the whole path, for its evenness; it may run further
    mels : (P, n, M, F) log-mels there, in dB
    travelled : (n,) length of the path in the space of vectors, or None for a baseline
    tracks : n names, the unit of the intervals
    """

    weights: Sequence[float]
    asked: Array
    embeddings: Array
    vectors: Array
    fine: Sequence[float]
    mels: Array
    travelled: Array | None
    tracks: Sequence[str]

    def __post_init__(self) -> None:
        n = len(self.tracks)
        for name, steps in (
            ("asked", self.weights),
            ("embeddings", self.weights),
            ("vectors", self.weights),
            ("mels", self.fine),
        ):
            if getattr(self, name).shape[:2] != (len(steps), n):
                raise InputError(
                    f"{name} of an edit has shape {getattr(self, name).shape}, not {len(steps)} weights "
                    f"× {n} songs; measure every step of every song."
                )
        if min(len(self.weights), len(self.fine), n) < 2:
            raise InputError("Assessing an edit needs two weights and two songs at least; give more.")


class Assessment(Document):
    """What an edit did, per weight where there are several values (S,)."""

    weights: list[float]
    asked: list[Number]  # mean over songs at each weight
    gain: Estimate  # what was asked for, at the last weight against weight 0
    per_step: Estimate  # slope of it over the weights
    roughness: Estimate  # largest mel step over the mean step of the fine path; 1 is even
    audio_per_latent: Estimate | None  # dB of mel change per unit of vector distance
    realism: list[Number]  # kernel audio distance to real clips at each weight
    realism_loss: Estimate  # how far it rises at its worst above that at weight 0
    nearest: list[Number]  # distance to the nearest training vector, over what unseen real clips have


def assess(steps: Steps, *, real: Array, train: Array, reference: float, seed: int = 0) -> Assessment:
    """Assess an edit.

    real : (R, E) embeddings of real clips that no step was made of
    train : (N, D) training vectors
    reference : mean distance of unseen real clips to their nearest training vector
    """
    from scipy.spatial.distance import cdist

    w = np.asarray(steps.weights, dtype=np.float64)  # (S,)
    centred = w - w.mean()
    slope = (centred[:, None] * steps.asked).sum(0) / (centred**2).sum()  # (n,)
    moved = np.abs(np.diff(steps.mels, axis=0)).mean((2, 3))  # (P - 1, n) dB
    rate = moved / np.diff(np.asarray(steps.fine))[:, None]  # per unit of weight
    roughness = rate.max(0) / np.maximum(rate.mean(0), 1e-9)
    per_latent = None
    if steps.travelled is not None:
        per_latent = by_track(moved.sum(0) / np.maximum(steps.travelled, 1e-9), steps.tracks, seed=seed)
    realism, loss = _realism(real, steps.embeddings)
    return Assessment(
        weights=[float(v) for v in w],
        asked=[float(v) for v in steps.asked.mean(1)],
        gain=by_track(steps.asked[-1] - steps.asked[0], steps.tracks, seed=seed),
        per_step=by_track(slope, steps.tracks, seed=seed),
        roughness=by_track(roughness, steps.tracks, seed=seed),
        audio_per_latent=per_latent,
        realism=realism,
        realism_loss=loss,
        nearest=[float(cdist(v.astype(np.float64), train).min(1).mean() / reference) for v in steps.vectors],
    )


def _realism(real: Array, embeddings: Array) -> tuple[list[float], Estimate]:
    """Kernel audio distance at each weight, and its rise from weight 0 to the worst one.

    The interval is a jackknife over songs: the distance has no per-song values to draw from, and songs
    drawn twice would bias it.
    """

    def distances(index: Array) -> Array:
        return np.array([kernel_audio_distance(real, e[index]) for e in embeddings])

    n = embeddings.shape[1]
    every = distances(np.arange(n))
    worst = 1 + int(np.argmax(every[1:]))
    rise = float(every[worst] - every[0])
    if n < 3:
        return every.tolist(), Estimate(rise, float("nan"), float("nan"), n, 0)
    without = [distances(np.delete(np.arange(n), i)) for i in range(n)]
    rises = np.array([d[worst] - d[0] for d in without])
    spread = 1.96 * float(np.sqrt((n - 1) / n * ((rises - rises.mean()) ** 2).sum()))
    return every.tolist(), Estimate(rise, rise - spread, rise + spread, n, 0)


class Possible(Document):
    """Is the edit possible with this method, and the sentence that says why."""

    answer: Literal["yes", "no better than mixing", "no"]
    sentence: str


def possible(name: str, edit: Assessment, baseline: Assessment, *, asked: str) -> Possible:
    """Decide by numbers, against the gain that mixing reaches and what realism it costs.

    "no": the interval of the edit's gain does not lie above 0. "yes": on the way to its end it reaches
    at least 0.9 of mixing's gain, and the kernel audio distance has risen no more there than under
    mixing. Both rises are counted from weight 0, so that the codec's own loss is not the edit's.
    """
    rise, mixed_rise = (a.realism[-1] - a.realism[0] for a in (edit, baseline))
    wanted = judgement().edits.mixing * baseline.gain.mean if baseline.gain.mean > 0 else edit.gain.mean
    loss = loss_at(edit, wanted)
    answer: Literal["yes", "no better than mixing", "no"] = "no"
    if edit.gain.low > 0:
        better = loss is not None and loss <= max(mixed_rise, 0.0)
        answer = "yes" if better else "no better than mixing"
    at_gain = "" if loss is None else f" ({loss:.1f} at the gain of mixing)"
    told = (
        f"{asked} moves by {edit.gain.mean:+.2f} [{edit.gain.low:+.2f}, {edit.gain.high:+.2f}], by mixing "
        f"{baseline.gain.mean:+.2f}; the kernel audio distance rises by {rise:.1f}{at_gain}, by mixing "
        f"{mixed_rise:.1f}; the largest step is {edit.roughness.mean:.1f} times the mean one."
    )
    start = {"yes": "Yes", "no": "No", "no better than mixing": "It moves, but no better than mixing"}[answer]
    return Possible(answer=answer, sentence=f"{name}: {start}. {told[0].upper()}{told[1:]}")


def loss_at(edit: Assessment, gain: float) -> float | None:
    """Rise of the kernel audio distance where the edit first gains so much; None if it never does."""
    gains = np.maximum.accumulate(np.array(edit.asked) - edit.asked[0])
    losses = np.array(edit.realism) - edit.realism[0]
    if gain > gains[-1]:
        return None
    step = int(np.argmax(gains >= gain))
    if step == 0:
        return 0.0
    share = (gain - gains[step - 1]) / max(gains[step] - gains[step - 1], 1e-12)
    return float(losses[step - 1] + share * (losses[step] - losses[step - 1]))


def looked_at(
    asked: str,
    decode_mel: Callable[[Array], Array],
    decode: Callable[[Array], Array],
    mel: Callable[[Array], Array],
) -> Callable[[Array], Array]:
    """What shows an edit: vectors (n, D) to log-mels (n, M, F), of their sound where it asks for harmony.

    Dimensions of harmony move notes inside the bands of the decoded mel, which looks the same.
    """
    return (lambda vectors: mel(decode(vectors))) if asked == "harmony" else decode_mel


def mix_waves(a: Array, b: Array, weight: float) -> Array:
    """The baseline of an edit: waves (..., T) added in proportion; 0 and 1 give `a` and `b` exactly."""
    if weight == 0 or weight == 1:
        return (b if weight else a).astype(np.float32)
    return ((1 - weight) * a.astype(np.float64) + weight * b.astype(np.float64)).astype(np.float32)


def mix_mels(a: Array, b: Array, weight: float) -> Array:
    """As `mix_waves`, for log-mels (..., M, F) in dB: the fade that a picture would make."""
    return mix_waves(a, b, weight)
