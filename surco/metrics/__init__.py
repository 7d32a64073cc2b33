"""How Surco is measured: one module a kind of measure, `score` for a clip, `aggregate` for many.

`docs/measures.md` says what each number means, and where it lies.
"""

from surco.metrics.aggregate import Estimate, by_track, ratio_by_track
from surco.metrics.embedder import embed
from surco.metrics.meaning import GenreClassifier
from surco.metrics.realism import kernel_audio_distance
from surco.metrics.score import Reference, score, score_all

__all__ = [
    "Estimate",
    "GenreClassifier",
    "Reference",
    "by_track",
    "embed",
    "kernel_audio_distance",
    "ratio_by_track",
    "score",
    "score_all",
]
