"""What can be read from a vector by a simple reader: the genre, and measured attributes.

Every probe is fitted on train, its one setting is chosen on valid, and it is judged on test, whatever
it is given. Weak probes are meant: what a linear map finds is in the vectors, not in the probe.

Sources: Alain & Bengio 2016 (linear probes); Hewitt & Liang 2019 (why a probe needs a control task,
here shuffled labels); Hoerl & Kennard 1970 (ridge); Breiman 2001 (permutation importance).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surco.errors import InputError

Array = NDArray[Any]
PENALTIES = tuple(10.0**p for p in range(-3, 5))  # of ridge, times the mean square of a number


@dataclass(frozen=True)
class Splits:
    """Indices of the training, validation and test clips."""

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    test: NDArray[np.int64]

    @classmethod
    def of(cls, splits: Sequence[str]) -> "Splits":
        """From one of "train", "valid" and "test" a clip; an `InputError` if one of them has no clip."""
        names = np.asarray(splits)
        parts = [np.flatnonzero(names == s) for s in ("train", "valid", "test")]
        for name, part in zip(("train", "valid", "test"), parts, strict=True):
            if not len(part):
                raise InputError(f"The data set has no {name} clips; prepare it with all three splits.")
        return cls(*parts)


@dataclass(frozen=True)
class GenreProbe:
    """A fitted reader of genres: its setting, chosen on valid, and what it says of the test clips."""

    kind: str
    setting: float
    valid_accuracy: float
    predicted: NDArray[np.str_]  # (test,)
    correct: NDArray[np.float64]  # (test,) 1 where right
    majority: NDArray[np.float64]  # (test,) 1 where the commonest training genre is right


def standardise(x: Array, train: NDArray[np.int64]) -> Array:
    """`x` (N, D) with the mean and spread of its training rows taken out; constant dimensions become 0."""
    rows = x[train].astype(np.float64)
    spread = rows.std(0)
    return (x - rows.mean(0)) / np.where(spread > 1e-9 * (1 + np.abs(rows.mean(0))), spread, np.inf)


def genre_probe(
    x: Array,
    genres: Sequence[str],
    splits: Splits,
    *,
    kind: Literal["logistic", "k-nn"] = "logistic",
    seed: int = 0,
) -> GenreProbe:
    """Read genres from vectors (N, D) by logistic regression or by a vote of nearest training clips."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    y = np.asarray(genres)
    if len(set(y[splits.train])) < 2:
        raise InputError(
            f"All training clips are of genre {y[splits.train][0]}; a genre probe needs two genres."
        )
    z = standardise(x, splits.train)
    settings: Sequence[float]
    if kind == "logistic":
        settings = (0.0003, 0.003, 0.03, 0.3)
    else:
        settings = [k for k in (1, 3, 5, 9, 15, 25) if k <= len(splits.train)]
    best: tuple[float, float, Any] = (-1.0, 0.0, None)
    for setting in settings:
        model: Any
        if kind == "logistic":
            model = LogisticRegression(C=setting, max_iter=300, tol=1e-3, random_state=seed)
        else:
            model = KNeighborsClassifier(int(setting))
        model.fit(z[splits.train], y[splits.train])
        accuracy = float((model.predict(z[splits.valid]) == y[splits.valid]).mean())
        if accuracy > best[0]:
            best = (accuracy, float(setting), model)
    predicted = best[2].predict(z[splits.test])
    names, counts = np.unique(y[splits.train], return_counts=True)
    truth = y[splits.test]
    correct = (predicted == truth).astype(float)
    return GenreProbe(
        kind, best[1], best[0], predicted, correct, (truth == names[counts.argmax()]).astype(float)
    )


@dataclass(frozen=True)
class AttributeProbe:
    """A ridge reading of one attribute, and which dimensions carry it."""

    penalty: float
    valid_r2: float
    weights: NDArray[np.float64]  # (D,) on standardised dimensions, attribute in its own unit
    importance: NDArray[np.float64]  # (D,) loss of R² on valid when that dimension is shuffled over the clips
    predicted: NDArray[np.float64]  # (test,)
    truth: NDArray[np.float64]  # (test,)
    baseline: float  # mean of the attribute over the training clips

    def r2(self, index: NDArray[np.int64] | None = None) -> float:
        """R² on test clips, against the training mean; `index` picks and repeats clips (for a bootstrap)."""
        chosen = slice(None) if index is None else index
        return r2(self.truth[chosen], self.predicted[chosen])


def r2(truth: Array, predicted: Array) -> float:
    """1 - squared error / squared spread; NaN for a constant truth."""
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread if spread > 0 else float("nan")


def attribute_probes(
    x: Array, attributes: dict[str, Array], splits: Splits, *, seed: int = 0
) -> dict[str, AttributeProbe]:
    """Ridge readings of attributes (N,) from vectors (N, D); one decomposition serves all of them.

    Clips whose attribute is NaN (no tempo in silence) are left out of that attribute's judgement.
    """
    z = standardise(x, splits.train)
    found = {}
    decompositions: dict[bytes, Any] = {}
    for name, values in attributes.items():
        y = np.asarray(values, dtype=np.float64)
        train, valid, test = (
            part[np.isfinite(y[part])] for part in (splits.train, splits.valid, splits.test)
        )
        if min(len(train), len(valid), len(test)) < 2 or np.ptp(y[train]) == 0:
            raise InputError(
                f"The attribute {name} has no two values in some split; give more, or more varied, clips."
            )
        key = train.tobytes()
        if key not in decompositions:
            decompositions[key] = np.linalg.svd(z[train], full_matrices=False)
        u, s, vt = decompositions[key]  # (n, r), (r,), (r, D)
        mean = float(y[train].mean())
        inside = u.T @ (y[train] - mean)  # (r,)
        scores = []
        for penalty in PENALTIES:
            weights = vt.T @ (s / (s**2 + penalty * len(train)) * inside)  # (D,)
            scores.append((r2(y[valid], mean + z[valid] @ weights), penalty, weights))
        valid_r2, penalty, weights = max(scores, key=lambda item: item[0])
        importance = _shuffle_importance(z[valid], y[valid] - mean, weights, seed)
        predicted = mean + z[test] @ weights
        found[name] = AttributeProbe(penalty, valid_r2, weights, importance, predicted, y[test], mean)
    return found


def _shuffle_importance(z: Array, y: Array, weights: Array, seed: int) -> Array:
    """Loss of R² (D,) when each dimension of `z` (N, D) is shuffled over the clips."""
    error = y - z @ weights  # (N,)
    shuffled = np.random.default_rng(seed).permuted(z, axis=0)
    changed = error[:, None] + (z - shuffled) * weights  # (N, D)
    spread = max(float(((y - y.mean()) ** 2).sum()), 1e-300)
    return ((changed**2).sum(0) - (error**2).sum()) / spread
