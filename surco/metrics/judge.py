"""A listener for new songs: which style does it hear, having learned the styles on real training clips?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from surco.metrics.embedder import embed
from surco.metrics.meaning import GenreClassifier

Listen = Callable[[np.ndarray], np.ndarray]  # waves (N, T) -> embeddings (N, E)


def listen(waves: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """Embeddings (N, 200) of waves (N, T)."""
    return embed(torch.from_numpy(np.asarray(waves, np.float32)), device=device).numpy()


@dataclass(frozen=True)
class Opinion:
    """What the classifier calls a song, and how sure it is of that and of the genre asked for."""

    style: str
    probability: float
    asked: float
    agrees: bool


class GenreJudge:
    """Style classifier over embeddings (N, E) of real training clips and their styles (N,)."""

    def __init__(self, embeddings: np.ndarray, styles: Sequence[str], *, seed: int = 0):
        self.classifier = GenreClassifier(embeddings, styles, seed=seed)

    def named(self, embeddings: np.ndarray) -> np.ndarray:
        """The style heard in each clip (N,)."""
        return np.array(self.classifier.styles)[self.classifier.probabilities(embeddings).argmax(1)]

    def opinion(self, embeddings: np.ndarray, genre: str) -> Opinion:
        """Of a song whose clips have embeddings (n, E)."""
        p = self.classifier.probabilities(embeddings).mean(0)  # (S,)
        best = int(p.argmax())
        style = self.classifier.styles[best]
        asked = float(p[self.classifier.styles.index(genre)]) if genre in self.classifier.styles else 0.0
        return Opinion(style, float(p[best]), asked, style == genre)
