"""Is the edit that these songs were made by possible with this method? Asked of the songs themselves.

`surco.edits.assess` judges; here the songs are brought to the form it reads: each edited by steps, with
a partner to mix with as the baseline that needs no vectors.
"""

from collections.abc import Sequence

import numpy as np

from surco.bench import Bench
from surco.edits.assess import Assessment, Steps, assess, looked_at, mix_waves, possible
from surco.edits.edit_report import EditAnswer
from surco.edits.recipe import Recipe
from surco.errors import InputError
from surco.latents.vectors import VectorSet
from surco.prior.memorisation import nearest

STEPS = (0.0, 0.5, 1.0)  # share of the way at which an edit is made to sound
FINE = 7  # steps of the finer path whose evenness is measured


def answer(
    recipes: Sequence[Recipe],
    bench: Bench,
    *,
    originals: np.ndarray,
    partners: np.ndarray,
    real: np.ndarray,
    train: VectorSet,
    unseen: VectorSet,
    seed: int = 0,
) -> EditAnswer:
    """The answer, its sentence, and the figures of the edit and of mixing the waves.

    originals, partners (n, T): sound of each recipe's first source, and of a training clip that has
    what is asked for. real (R, E): embeddings of real clips. unseen: real clips outside training.
    """
    if len(recipes) < 2:
        raise InputError("An edit is assessed on two songs at least; ask for more songs or genres.")
    edit = recipes[0].edit
    # Between two clips the other one whole is no edit, so the way is judged up to its middle.
    most = np.array(
        [r.full / 2 if edit in ("interpolate", "swap", "path") else r.full for r in recipes]
    )  # (n,)

    def asked(waves: np.ndarray, heard: np.ndarray) -> np.ndarray:
        if edit == "attribute":
            return bench.measure(waves)[recipes[0].target]
        if edit == "noise":
            return np.abs(bench.mel(waves) - bench.mel(originals)).mean((1, 2))
        if edit == "harmony":
            return bench.harmony(waves, partners)
        return bench.style(heard, [r.target for r in recipes])

    def judged(
        waves: np.ndarray, vectors: np.ndarray, mels: np.ndarray, travelled: np.ndarray | None
    ) -> Assessment:
        heard = np.stack([bench.embed(w) for w in waves])  # (S, n, E)
        values = np.stack([asked(w, h) for w, h in zip(waves, heard, strict=True)])  # (S, n)
        fine = np.linspace(0, 1, len(mels)).tolist()
        steps = Steps(STEPS, values, heard, vectors, fine, mels, travelled, [r.sources[0] for r in recipes])
        return assess(steps, real=real, train=train.vectors, reference=reference, seed=seed)

    def at(share: float) -> np.ndarray:
        return np.stack([r.at(float(share * m)) for r, m in zip(recipes, most, strict=True)])  # (n, D)

    _, far, _ = nearest(unseen.vectors, train.vectors, np.array(train.tracks))
    reference = float(far.mean())
    line = np.stack([at(s) for s in np.linspace(0, 1, FINE)])  # (P, n, D)
    travelled = np.linalg.norm(np.diff(line.astype(np.float64), axis=0), axis=-1).sum(0)  # (n,)
    vectors = np.stack([at(s) for s in STEPS])  # (S, n, D)
    waves = np.stack([bench.decode(v) for v in vectors])  # (S, n, T)
    look = looked_at(edit, bench.decode_mel, bench.decode, bench.mel)
    ours = judged(waves, vectors, np.stack([look(v) for v in line]), travelled)

    mixed = np.stack([mix_waves(originals, partners, s / 2) for s in STEPS])  # (S, n, T)
    mels = np.stack([bench.mel(mix_waves(originals, partners, s / 2)) for s in np.linspace(0, 1, FINE)])
    baseline = judged(mixed, np.stack([bench.encode(w) for w in mixed]), mels, None)
    what = {
        "attribute": f"{recipes[0].target} (measured)",
        "noise": "the distance in mel (dB)",
        "harmony": "the correlation with the other's chroma",
    }
    found = possible(edit, ours, baseline, asked=what.get(edit, "the probability of the style asked for"))
    return EditAnswer(edit=edit, answer=found.answer, sentence=found.sentence, measured=ours, mixing=baseline)
