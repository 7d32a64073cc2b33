"""Several systems heard on the same clips: every measure of each, averaged, and held against each other.

`Evaluation.heard()` is what goes into `scores.json`; docs/measures.md says what it means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch

from surco.errors import InputError
from surco.metrics.aggregate import Estimate, by_track, ratio_by_track
from surco.metrics.embedder import embed
from surco.metrics.listening import at_48k, visqol
from surco.metrics.meaning import GenreClassifier
from surco.metrics.realism import kernel_audio_distance
from surco.metrics.score import references, score_all, table
from surco.metrics.scores import Heard, ScoredClip, System

SCHEMA = "surco-scores-1"


@dataclass
class Evaluation:
    """Originals (N, T) with their clips' names, and what was measured on each system so far."""

    waves: np.ndarray
    clips: Sequence[str]
    tracks: Sequence[str]
    genres: Sequence[str]
    quick: bool = False
    threads: int = 1
    seed: int = 0
    classifier: GenreClassifier | None = None
    progress: Callable[[str, int], None] = lambda system, done: None
    systems: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)  # (N,) a measure
    sets: dict[str, dict[str, float]] = field(default_factory=dict)  # one number a measure

    def __post_init__(self) -> None:
        if not len(self.waves):
            raise InputError("There are no clips to evaluate; choose another split or prepare more music.")
        self._references = references(self.waves, quick=self.quick)
        self._real: np.ndarray | None = None

    @property
    def real(self) -> np.ndarray:
        """Embeddings (N, E) of the originals."""
        if self._real is None:
            self._real = embed(torch.from_numpy(self.waves)).numpy()
        return self._real

    def add(self, system: str, waves: np.ndarray, *, light: bool = False) -> dict[str, np.ndarray]:
        """Measure one system's waves (N, T); `light` by log-mel L1 and Zimtohrli alone."""
        heard = score_all(
            self._references,
            waves,
            light=light,
            threads=self.threads,
            progress=lambda done: self.progress(system, done),
        )
        self.systems[system] = table(heard)
        self.sets[system] = {}
        if not light:
            self._add_sets(system, embed(torch.from_numpy(np.ascontiguousarray(waves))).numpy())
        return self.systems[system]

    def add_visqol(self, system: str, waves: np.ndarray) -> None:
        """Add ViSQOL, the slow one, to a system measured quickly."""
        heard = [
            visqol(r.at_48k, at_48k(w * r.scale, r.sample_rate))
            for r, w in zip(self._references, waves, strict=True)
        ]
        self.systems[system]["visqol"] = np.array(heard)

    def add_floor(self, system: str = "floor", *, light: bool = False) -> list[int]:
        """The floor: each original answered by another track's clip. Returns which clip answered which."""
        answers = other_tracks(self.tracks)
        heard = score_all(self._references, self.waves[answers], light=light, threads=self.threads)
        self.systems[system], self.sets[system] = table(heard), {}
        if not light:
            self._add_styles(system, self.real[answers])  # as a set they are the originals: no distance
        return answers

    def _add_sets(self, system: str, embeddings: np.ndarray) -> None:
        if len(self.waves) > 2:
            self.sets[system]["kernel_audio_distance"] = kernel_audio_distance(
                self.real, embeddings, paired=True
            )
        self._add_styles(system, embeddings)

    def _add_styles(self, system: str, embeddings: np.ndarray) -> None:
        if self.classifier is not None:
            self.systems[system] |= self.classifier.compare(self.real, embeddings, self.genres)

    def estimate(self, system: str, measure: str) -> Estimate:
        """A system's mean over tracks, with its interval."""
        return by_track(self.systems[system][measure], self.tracks, seed=self.seed)

    def ratio(self, system: str, other: str, measure: str) -> Estimate:
        """A system's mean over another's, paired by track."""
        ours, theirs = self.systems[system][measure], self.systems[other][measure]
        return ratio_by_track(ours, theirs, self.tracks, seed=self.seed)

    def heard(self, split: str) -> Heard:
        """Every measure of every system, as the clips of a split."""
        return Heard(
            split=split,
            clips=[
                ScoredClip(id=c, track=t, genre=g)
                for c, t, g in zip(self.clips, self.tracks, self.genres, strict=True)
            ],
            systems={
                cast(System, name): {m: values.tolist() for m, values in measures.items()}
                for name, measures in self.systems.items()
            },
        )

    def aggregate(self) -> dict[System, dict[str, Estimate]]:
        """Means over tracks of every measure of every system."""
        return {
            cast(System, name): {measure: self.estimate(name, measure) for measure in measures}
            for name, measures in self.systems.items()
        }

    def to_json(self) -> dict[str, Any]:
        """All of it, NaN as null."""
        systems = {name: dict(measures) for name, measures in list(self.systems.items())}
        return {
            "schema": SCHEMA,
            "measures": "quick" if self.quick else "full",
            "seed": self.seed,
            "clips": [
                {"id": c, "track": t, "genre": g}
                for c, t, g in zip(self.clips, self.tracks, self.genres, strict=True)
            ],
            "systems": {
                name: {measure: _plain(values) for measure, values in measures.items()}
                for name, measures in systems.items()
            },
            "aggregate": {
                name: {measure: self.estimate(name, measure).to_json() for measure in measures}
                for name, measures in systems.items()
            },
            "sets": dict(self.sets),
        }


def other_tracks(tracks: Sequence[str]) -> list[int]:
    """For each clip, one of another track, each about equally often; itself where there is only one track."""
    half = len(tracks) // 2
    answers = []
    for i, track in enumerate(tracks):
        turns = [(i + half + step) % len(tracks) for step in range(len(tracks))]
        answers.append(next((j for j in turns if tracks[j] != track), i))
    return answers


def _plain(values: np.ndarray) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]
