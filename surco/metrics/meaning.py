"""Style agreement: does a listener who learned the styles on originals name decoded clips alike?"""

from collections.abc import Sequence

import numpy as np

from surco.errors import InputError


class GenreClassifier:
    """Logistic regression on musicnn's embeddings of original training clips.

    Args:
        embeddings: (N, E) of original training clips.
        styles: (N,) names, at least two different ones.
        seed: of the solver.
    """

    def __init__(self, embeddings: np.ndarray, styles: Sequence[str], *, seed: int = 0):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if len(set(styles)) < 2:
            raise InputError(
                f"A style classifier needs two styles, the training clips have {len(set(styles))}."
            )
        # strong shrinkage: a few hundred clips of a few hundred tracks against 200 dimensions
        self._model = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=0.02, max_iter=500, class_weight="balanced", random_state=seed),
        ).fit(embeddings, list(styles))
        self.styles: list[str] = [str(s) for s in self._model.classes_]

    def probabilities(self, embeddings: np.ndarray) -> np.ndarray:
        """Probability of each style, (N, S), for embeddings (N, E)."""
        return self._model.predict_proba(embeddings)

    def compare(
        self, original: np.ndarray, decoded: np.ndarray, styles: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Per-clip measures (N,) of decoded clips against their originals (both (N, E)).

        `style_accuracy`: 1 where the decoded clip gets its labelled style. `style_agreement`: 1 where it
        gets the style its original got. `style_kl`: KL(original || decoded) of the probabilities, in nats.
        """
        p, q = self.probabilities(original), self.probabilities(decoded)  # (N, S)
        named = np.asarray(self.styles)[q.argmax(1)]  # (N,)
        return {
            "style_accuracy": (named == np.asarray(styles)).astype(np.float64),
            "style_agreement": (p.argmax(1) == q.argmax(1)).astype(np.float64),
            "style_kl": (p * (np.log(p + 1e-12) - np.log(q + 1e-12))).sum(1),
        }
