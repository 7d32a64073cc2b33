"""Can two sets be told apart? A classifier two-sample test, cross-fitted over tracks and songs.

Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests" (ICLR 2017): where a classifier does no better
than chance on what it has not seen, the sets cannot be told apart by it. The classifier is linear, so
that a few hundred windows settle it; the figure is the area under its ROC curve, 0.5 at chance.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError
from surco.metrics.aggregate import Estimate

Array = NDArray[Any]
FOLDS = 5
DRAWS = 1000


@dataclass(frozen=True)
class TwoSample:
    """Area under the ROC curve with its interval, p of a permutation test, and how much it rests on."""

    auc: Estimate
    p: float
    real: int  # windows
    fake: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"auc": self.auc.to_json()}


def two_sample(
    real: Array,
    real_groups: Sequence[str],
    fake: Array,
    fake_groups: Sequence[str],
    *,
    seed: int = 0,
    permutations: int = 99,
) -> TwoSample:
    """Tell windows (N, F) of real tracks from windows (M, F) of drawn songs.

    Windows of one track or song stay in one fold. The interval draws tracks and songs again; the
    permutation test deals whole tracks and songs to the two sides at random.

    Raises InputError with fewer than five tracks or songs on a side.
    """
    for given, name in ((real_groups, "real tracks"), (fake_groups, "drawn songs")):
        if len(set(given)) < FOLDS:
            raise InputError(
                f"A two-sample test needs {FOLDS} {name} and got {len(set(given))}; give more of them."
            )
    x = np.nan_to_num(np.concatenate([real, fake]).astype(np.float64))  # (N + M, F)
    label = np.repeat([0, 1], [len(real), len(fake)])
    groups = np.array([f"r{g}" for g in real_groups] + [f"f{g}" for g in fake_groups])
    scores = _scores(x, label, groups, seed)
    seen = _auc(scores[label == 0], scores[label == 1])
    low, high = _interval(scores, label, groups, seed)
    names, which = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    side = np.array([int(n[0] == "f") for n in names])
    null = []
    for _ in range(permutations):
        dealt = rng.permutation(side)[which]
        found = _scores(x, dealt, groups, seed)
        null.append(_auc(found[dealt == 0], found[dealt == 1]))
    p = (1 + sum(n >= seen for n in null)) / (permutations + 1)
    return TwoSample(Estimate(seen, low, high, len(names), 0), p, len(real), len(fake))


def _scores(x: Array, label: Array, groups: Array, seed: int) -> Array:
    """What a classifier that has not seen a window's group says of it, (N,); more is more like drawn."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    out = np.zeros(len(x))
    for fold in _folds(label, groups, seed):
        model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced"))
        model.fit(x[~fold], label[~fold])
        out[fold] = model.decision_function(x[fold])
    return out


def _folds(label: Array, groups: Array, seed: int) -> list[Array]:
    """Masks (N,) of held-out windows: the groups of each side dealt to the folds in turn."""
    rng = np.random.default_rng(seed)
    home = {}
    for side in (0, 1):
        for i, name in enumerate(rng.permutation(np.unique(groups[label == side]))):
            home[name] = i % FOLDS
    at = np.array([home[g] for g in groups])
    return [at == k for k in range(FOLDS)]


def _auc(
    real: Array, fake: Array, real_weight: Array | None = None, fake_weight: Array | None = None
) -> float:
    """Probability that a drawn window scores higher than a real one; ties count half."""
    rw = np.ones(len(real)) if real_weight is None else real_weight
    fw = np.ones(len(fake)) if fake_weight is None else fake_weight
    order = np.argsort(real)
    below = np.concatenate([[0.0], np.cumsum(rw[order])])
    left = below[np.searchsorted(real[order], fake, "left")]
    right = below[np.searchsorted(real[order], fake, "right")]
    return float(((left + right) / 2 @ fw) / (rw.sum() * fw.sum()))


def _interval(scores: Array, label: Array, groups: Array, seed: int) -> tuple[float, float]:
    """95 % interval of the area under the curve over tracks and songs drawn again, each side by itself."""
    rng = np.random.default_rng(seed)
    sides = []
    for side in (0, 1):
        _, which = np.unique(groups[label == side], return_inverse=True)
        sides.append((scores[label == side], which, int(which.max()) + 1))
    draws = []
    for _ in range(DRAWS):
        weights = [np.bincount(rng.integers(0, n, n), minlength=n)[which] for _, which, n in sides]
        draws.append(_auc(sides[0][0], sides[1][0], weights[0].astype(float), weights[1].astype(float)))
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)
