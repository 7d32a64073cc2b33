"""Every edit tried on the same unseen songs and judged, beside mixing and beside signal processing.

Baselines: the song mixed with another as waves (as they are, and encoded) and as mels, up to equal
parts; the same edit made by signal processing on the decoded sound, heard as it is and after it was encoded
again (a vector is asked for).
Exactness is how much farther from the edited original an edit of the vector lies than encoding that edited
original does: 1 is as close as a vector of that size gets.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.bench import Bench
from surco.codec.pose import IDENTITY, Pose
from surco.edits.assess import Assessment, Possible, Steps, assess, mix_mels, mix_waves, possible
from surco.edits.edit_report import Exactness, JudgedEdit, System
from surco.edits.hearing import Heard, hear, stayed
from surco.edits.judgement import Judged, Realism, answer, estimate, ratio, slopes
from surco.edits.study import Material
from surco.edits.tried import Context, Tried, edits, rubber_band
from surco.metrics.aggregate import Estimate
from surco.metrics.structure import chromagrams

Array = NDArray[Any]
SAMPLES = 110_250  # of a clip
MEASURES = ("chroma", "onset", "self-similarity")
MIXTURES: tuple[System, ...] = ("waves", "mels", "waves, encoded")
MIXED = (0.25, 0.5)  # shares of the other song in a mixture


@dataclass(frozen=True)
class Sounds:
    """n sounds and what is heard of them: analyses, embeddings (n, E), probability (n,) of the style."""

    waves: list[Array]
    heard: list[Heard]
    embeddings: Array
    style: Array

    @property
    def length(self) -> int:
        """Samples of the middle one that were embedded."""
        return int(np.median([min(SAMPLES, len(w)) for w in self.waves]))


@dataclass(frozen=True)
class Sample:
    """The first song as it is decoded, edited by the largest amount, and by the baseline: waves (T,)."""

    unedited: Array
    edited: Array
    baseline: Array


class Trial:
    """The songs of a study on a bench, with what is heard of them before any edit."""

    def __init__(self, bench: Bench, m: Material, *, seed: int = 0):
        self.bench, self.m, self.seed = bench, m, seed
        self.unedited = self._listen(bench.decode(m.vectors))
        self.originals = self._hear(list(m.waves))
        self._lengths: dict[int, Array] = {SAMPLES: self.unedited.embeddings}
        self._mixtures: dict[tuple[str, float], Sounds] = {}
        self.realism = Realism(self.unedited.embeddings, m.tracks)
        self.like_original = [stayed(o, d) for o, d in zip(self.originals, self.unedited.heard, strict=True)]

    def row(self, tried: Tried) -> tuple[JudgedEdit, Sample]:
        """All that is told of one edit, and how it sounds at the largest amount."""
        others = None if tried.others is None else self._listen(self.bench.decode(tried.others))
        contexts = self._contexts(others, tried.references)
        poses = {x: tried.make(x).poses for x in tried.amounts}
        ours = {x: self._listen(self._play(tried, x)) for x in tried.amounts}
        top = max(tried.amounts)
        mixed = {how: {top * w / MIXED[-1]: self._mix(how, w) for w in MIXED} for how in MIXTURES}

        def judged(sounds: dict[float, Sounds], posed: bool = True) -> Judged:
            return self._judge(tried, contexts, others, sounds, poses if posed else {})

        systems: dict[System, Judged] = {"edit": judged(ours)}
        if tried.operator is not None:
            again = {x: self._listen(self.bench.decode(tried.operator(x))) for x in tried.amounts}
            systems["re-encoded"] = judged(again)
        processed = self._processed(tried)
        systems |= {name: judged(sounds) for name, sounds in processed.items()}
        systems |= {how: judged(sounds, posed=False) for how, sounds in mixed.items()}
        found, reason = answer(systems["edit"], systems)
        row = JudgedEdit(
            edit=tried.name,
            unit=tried.unit,
            amounts=list(tried.amounts),
            tracks=systems["edit"].asked.tracks,
            systems=systems,
            exactness=None if tried.truth is None else self._exactness(tried, ours),
            broken_db=None if tried.broken is None else self._broken(tried),
            answer=found,
            reason=reason,
            old=self._old(tried, contexts, ours[top], mixed["waves"][top]),
        )
        baseline = {**processed, **mixed}[row.rival][top]
        return row, Sample(self.unedited.waves[0], ours[top].waves[0], baseline.waves[0])

    # -- sounds ------------------------------------------------------------------------------------

    def _play(self, tried: Tried, amount: float) -> list[Array]:
        played = tried.make(amount)
        groups: dict[Pose, list[int]] = {}
        for i, pose in enumerate(played.poses):
            groups.setdefault(pose, []).append(i)
        waves: list[Array] = [np.zeros(0)] * len(played.vectors)
        for pose, index in groups.items():
            for i, wave in zip(index, self.bench.decode(played.vectors[index], pose), strict=True):
                waves[i] = wave
        return waves

    def _mix(self, how: System, share: float) -> Sounds:
        if (how, share) not in self._mixtures:
            one, two = self.m.waves, self.m.partner_waves["genre"]
            if how == "waves":
                waves = mix_waves(one, two, share)
            elif how == "waves, encoded":
                waves = self.bench.decode(self.bench.encode(mix_waves(one, two, share)))
            else:
                waves = self.bench.vocode(mix_mels(self.bench.mel(one), self.bench.mel(two), share))
            self._mixtures[how, share] = self._listen(waves)
        return self._mixtures[how, share]

    def _processed(self, tried: Tried) -> dict[System, dict[float, Sounds]]:
        """The same edit on the decoded sound, and that encoded again, at each amount."""
        if tried.process is None:
            return {}
        process = tried.process
        found: dict[System, dict[float, Sounds]] = {}
        made = {x: [process(w, i, x) for i, w in enumerate(self.unedited.waves)] for x in tried.amounts}
        posed = any(tried.pose_of(x) for x in tried.amounts)
        if posed:
            found["librosa"] = {x: self._listen(waves) for x, waves in made.items()}
            better = {
                x: [rubber_band(w, tried.pose_of(x), self.bench.rate) for w in self.unedited.waves]
                for x in tried.amounts
            }
            known = {x: [w for w in waves if w is not None] for x, waves in better.items()}
            if known == better:
                found["Rubber Band"] = {x: self._listen(waves) for x, waves in known.items()}
        again = {x: self._listen([self._coded(w) for w in waves]) for x, waves in made.items()}
        found["librosa, encoded" if posed else "filter, encoded"] = again
        return found

    def _coded(self, wave: Array) -> Array:
        """The first 5 s of a wave, through a vector and back; no longer than it was."""
        return self.bench.decode(self.bench.encode(wave[None, :SAMPLES]))[0][: len(wave)]

    # -- hearing -----------------------------------------------------------------------------------

    def _hear(self, waves: list[Array]) -> list[Heard]:
        rate = self.bench.rate
        known = zip(waves, chromagrams(waves, rate), strict=True)
        return [hear(w, self.bench.mel(w[None])[0], rate, chromagram) for w, chromagram in known]

    def _listen(self, waves: Iterable[Array]) -> Sounds:
        waves = list(waves)
        embeddings = np.concatenate([self.bench.embed(w[None, :SAMPLES]) for w in waves])
        style = self.bench.style(embeddings, self.m.targets)
        return Sounds(waves, self._hear(waves), embeddings, style)

    def _reference(self, length: int) -> Array:
        """Embeddings (n, E) of the unedited clips, as heard over so many samples."""
        if length not in self._lengths:
            self._lengths[length] = self.bench.embed(np.stack([w[:length] for w in self.unedited.waves]))
        return self._lengths[length]

    def _contexts(self, others: Sounds | None, references: Array | None) -> list[Context]:
        gains = self.bench.codec.mel.loudness_db - self.m.vectors[:, 0]
        found = zip(gains, self.unedited.heard, self.unedited.waves, self.unedited.embeddings, strict=True)
        contexts = [Context(i, float(g), h, w, e) for i, (g, h, w, e) in enumerate(found)]
        if others is None:
            return contexts
        heard = others.heard if references is None else self._hear(list(references))
        return [
            replace(c, other=heard[c.index], other_embedding=others.embeddings[c.index]) for c in contexts
        ]

    def _measure(self, tried: Tried, contexts: list[Context], sounds: Sounds, amount: float) -> Array:
        """What is measured (n,) of sounds that were made at an amount, in its unit."""
        rows = zip(contexts, sounds.waves, sounds.heard, sounds.embeddings, strict=True)
        return np.array([tried.measure(c, w, h, e, amount) for c, w, h, e in rows])

    def _judge(
        self,
        tried: Tried,
        contexts: list[Context],
        others: Sounds | None,
        sounds: dict[float, Sounds],
        poses: dict[float, Sequence[Pose]],
    ) -> Judged:
        """Of what a system made at each amount."""
        m, amounts = self.m, list(sounds)
        raw = np.stack([self._measure(tried, contexts, s, x) for x, s in sounds.items()])  # (A, n)
        measured = raw
        if tried.shares and others is not None:  # as shares of how far the other songs lie beyond
            zero = self._measure(tried, contexts, self.unedited, 0.0)
            beyond = float(np.nanmean(self._measure(tried, contexts, others, 1.0) - zero))
            measured = (raw - zero) / max(beyond, 1e-9)

        def alike(references: list[Heard]) -> dict[str, Array]:
            """Likeness (n,) to other sounds once the pose is undone, mean over amounts."""
            found = []
            for x, s in sounds.items():
                undo = poses.get(x) if tried.kept else None
                rows = zip(references, s.heard, undo or [IDENTITY] * len(references), strict=True)
                found.append([stayed(r, h, p) for r, h, p in rows])
            return {k: np.array([[c[k] for c in row] for row in found]).mean(0) for k in MEASURES}

        kept, like = alike(self.originals), alike(self.unedited.heard)
        usual = {k: np.array([c[k] for c in self.like_original]) for k in MEASURES}
        reals = [self.realism.rise(s.embeddings, self._reference(s.length)) for s in sounds.values()]
        last = int(np.argmax(amounts))
        return Judged(
            asked=estimate(slopes(amounts, measured), m.tracks, seed=self.seed),
            kept={k: ratio(kept[k], usual[k], m.tracks, seed=self.seed) for k in tried.kept},
            like_decode={k: estimate(like[k], m.tracks, seed=self.seed) for k in MEASURES},
            real=max(reals, key=lambda r: r.mean),
            reached=estimate(raw[last], m.tracks, seed=self.seed),
            style=estimate(sounds[amounts[last]].style - self.unedited.style, m.tracks, seed=self.seed),
        )

    # -- exactness and the old rule ----------------------------------------------------------------

    def _exactness(self, tried: Tried, ours: dict[float, Sounds]) -> Exactness:
        """Distance of the edit to the edited original, in dB, over that of the encoded edited original."""
        assert tried.truth is not None
        far, near = [], []
        for x, sounds in ours.items():
            for i, (wave, original) in enumerate(zip(sounds.waves, self.m.waves, strict=True)):
                truth = tried.truth(original, i, x)[:SAMPLES]
                far.append(self._distance(truth, wave))
                near.append(self._distance(truth, self._coded(truth)))
        tracks = list(self.m.tracks) * len(ours)
        return Exactness(
            ratio=ratio(np.array(far), np.array(near), tracks, seed=self.seed),
            decibel=estimate(np.array(far), tracks, seed=self.seed),
        )

    def _broken(self, tried: Tried) -> Estimate:
        """How far the decoded mel lies from the unedited one with the curve added: network and floor."""
        assert tried.broken is not None
        values = np.mean([tried.broken(x) for x in tried.amounts], axis=0)  # (n,)
        return estimate(values, self.m.tracks, seed=self.seed)

    def _distance(self, truth: Array, wave: Array) -> float:
        """Log-mel L1 in dB, both at the level that brings the first to the fixed loudness."""
        import torch

        n = min(len(truth), len(wave))
        rms = max(float(np.sqrt(np.mean(np.square(truth[:n], dtype=np.float64)))), 1e-4)
        level = 10 ** (self.bench.codec.mel.loudness_db / 20) / rms
        both = torch.from_numpy(np.stack([truth[:n], wave[:n]]).astype(np.float32)) * level
        one, two = self.bench.codec.log_mel(both).numpy()
        return float(np.abs(one - two).mean())

    def _old(self, tried: Tried, contexts: list[Context], edit: Sounds, mixed: Sounds) -> Possible:
        """The verdict of the rule that was used before: gain against mixing's, and what realism it costs."""
        m, top = self.m, max(tried.amounts)

        def judged(end: Sounds) -> Assessment:
            both = (self.unedited, end)
            frames = min(h.mel.shape[1] for s in both for h in s.heard)
            steps = Steps(
                weights=(0.0, 1.0),
                asked=np.nan_to_num(np.stack([self._measure(tried, contexts, s, top) for s in both])),
                embeddings=np.stack([s.embeddings for s in both]),
                vectors=np.stack([[self.bench.encode(w[None, :SAMPLES])[0] for w in s.waves] for s in both]),
                fine=(0.0, 1.0),
                mels=np.stack([[h.mel[:, :frames] for h in s.heard] for s in both]),
                travelled=None,
                tracks=m.tracks,
            )
            return assess(steps, real=m.real, train=m.train, reference=m.reference, seed=self.seed)

        return possible(tried.name, judged(edit), judged(mixed), asked=f"what was asked ({tried.unit})")


def try_edits(
    bench: Bench,
    m: Material,
    *,
    seed: int = 0,
    only: Collection[str] = (),
    known: Collection[str] = (),
    progress: Callable[[str], None] = lambda note: None,
    each: Callable[[JudgedEdit, Sample], None] = lambda row, sample: None,
) -> tuple[list[JudgedEdit], dict[str, Sample]]:
    """A row an edit, and how each sounds at its largest amount; `each` is told row by row.

    `only` these edits are tried, and none of those whose rows are `known` already.
    """
    trial = Trial(bench, m, seed=seed)
    rows: list[JudgedEdit] = []
    samples: dict[str, Sample] = {}
    for tried in edits(bench, m):
        if (only and tried.name not in only) or tried.name in known:
            continue
        row, samples[tried.name] = trial.row(tried)
        rows.append(row)
        each(row, samples[tried.name])
        progress(f"edit: {tried.name}")
    return rows, samples
