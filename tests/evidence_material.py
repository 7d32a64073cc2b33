"""Evidence with planted findings, written by the functions that write it in a run."""

from typing import Any

import numpy as np

from surco.metrics.aggregate import by_track, ratio_by_track
from surco.metrics.choice import choose_smallest
from surco.metrics.scores import Scores
from surco.report.evidence import Evidence, Job

TRACKS = [f"t{i}" for i in range(20)]
CLIPS = [{"id": f"clip.{i:05d}", "track": t, "genre": ("jazz", "rock")[i % 2]} for i, t in enumerate(TRACKS)]


def scores(
    size: int,
    *,
    zimtohrli: float,
    structure: float,
    against: float,
    lost: float = 0.0,
    textured: float = 4.0,
) -> Scores:
    """Scores whose means are those given; `against` is the error over Linear's.

    `textured` is the second decoder's kernel audio distance; the first's is 9.
    """
    rng = np.random.default_rng(size)

    def around(mean: float, spread: float = 0.02) -> np.ndarray:
        return mean * (1 + spread * rng.standard_normal(len(CLIPS)))

    def system(z: float, s: float, mel: float, kl: float) -> dict[str, np.ndarray]:
        found = {"zimtohrli": around(z), "log_mel_db": around(mel), "style_kl": around(kl)}
        return {**found, **{m: around(s) for m in ("chroma", "onset", "self_similarity")}}

    systems = {
        "decoded": system(zimtohrli, structure, 3.0, 0.1),
        "ceiling": system(4.6, 0.95, 0.5, 0.02),
        "floor": system(1.7, 0.05, 15.0, 2.0),
        "linear": {"log_mel_db": around(3.0 / against, 0.01)},
        "textured": system(zimtohrli - 0.2, structure, 3.2, 0.1),
    }
    systems["decoded"] |= {"style_agreement": np.ones(len(CLIPS))}
    ratio = ratio_by_track(systems["decoded"]["log_mel_db"], systems["linear"]["log_mel_db"], TRACKS)
    return Scores(
        size=size,
        split="test",
        seed=0,
        battery="full",
        dataset="ab" * 32,
        codec="cd" * 32,
        codec_job="shipped",
        clips=CLIPS,
        systems={n: {m: v.tolist() for m, v in found.items()} for n, found in systems.items()},
        aggregate={n: {m: by_track(v, TRACKS) for m, v in found.items()} for n, found in systems.items()},
        sets={"decoded": {"kernel_audio_distance": 9.0}, "textured": {"kernel_audio_distance": textured}},
        against_linear={"log_mel_db": ratio},
        lost_at_8_bits={"log_mel_db": lost, "zimtohrli": lost},
    )


def manifest() -> dict[str, Any]:
    """A `manifest.json` with one skipped file."""
    splits = ("train", "train", "valid", "test")
    return {
        "source": "demo",
        "fingerprint": "ab" * 32,
        "config": {"clip_seconds": 5.0, "sample_rate": 22_050},
        "genres": ["jazz", "rock"],
        "clips": [{**c, "split": splits[i % 4], "start_s": 0.0} for i, c in enumerate(CLIPS)],
        "skipped": [{"name": "jazz.00054.wav", "reason": "does not decode"}],
    }


def evidence(**given: Any) -> Evidence:
    """Two sizes, the larger good and the smaller poor, and whatever is given."""
    found = {
        64: scores(64, zimtohrli=2.0, structure=0.4, against=1.3, lost=0.1),
        512: scores(512, zimtohrli=4.0, structure=0.9, against=0.7),
    }
    jobs = [Job("train", "a" * 64, 64, True), Job("generate", "b" * 64, 64, False, reason="no room")]
    fields: dict[str, Any] = {
        "name": "test", "id": "0" * 64, "sizes": [64, 512], "scores": found,
        "smallest": choose_smallest(found), "manifest": manifest(), "jobs": jobs,
        "genres": {c["id"]: c["genre"] for c in CLIPS}, "versions": {"surco": "0.1.0"}, "seed": 7,
    }  # fmt: skip
    return Evidence(**{**fields, **given})


def outside(answer: str) -> dict[str, Any]:
    """An `outside.json` with that verdict."""
    band = {"low": 1.0, "high": 2.0, "outside": {"mean": 0.4, "low": 0.2, "high": 0.6}}
    compared = {
        "test": 3.0, "outside": 4.5, "styles": ["rock"],
        "difference": {"mean": 1.5, "low": 1.0, "high": 2.0},
        "effect": {"mean": 1.2, "low": 0.8, "high": 1.6},
    }  # fmt: skip
    stress = [
        {
            "name": name, "mel_error_db": error, "test_band_db": [2.0, 5.0], "works": error <= 5,
            "recognised": known, "distance": 1.0, "distance_test_high": 2.0, "zimtohrli": 3.0,
            "same_clips_unaltered_db": None,
        }
        for name, error, known in (("sine", 2.5, True), ("click", 9.0, True), ("white noise", 7.0, False))
    ]  # fmt: skip
    return {
        "outside": {"clips": 12, "tracks": 6}, "verdict": {"answer": answer, "sentence": ""},
        "bands": {"neighbours": band}, "comparisons": {"mel_error_db": compared}, "stress": stress,
    }  # fmt: skip


def edit(name: str, gain: float, answer: str) -> dict[str, Any]:
    """A row on an edit of a `study.json`."""

    def measured(mean: float) -> dict[str, Any]:
        spread = {"mean": mean, "low": mean - 0.05, "high": mean + 0.05}
        even = {"mean": 1.2, "low": 1.0, "high": 1.5}
        return {
            "gain": spread,
            "realism_loss": {"mean": 2.0, "low": 1.0, "high": 3.0},
            "roughness": even,
            "nearest": [1.0, 0.9],
        }

    return {
        "edit": name, "asked": "style", "measured": measured(gain), "baselines": {"waves": measured(0.2)},
        "possible": {"answer": answer, "sentence": ""},
    }  # fmt: skip


def prior(*, kad_difference: float, p: float, copies: float) -> dict[str, Any]:
    """What train_prior writes, with these figures for the flow."""

    def row(share: float) -> dict[str, Any]:
        one = {"mean": share, "low": max(0.0, share - 0.1), "high": min(1.0, share + 0.1)}
        names = ("precision", "recall", "density", "coverage", "style_accuracy", "diversity", "nearest")
        return {
            "kad": {"mean": 10.0, "low": 8.0, "high": 12.0},
            **{n: one for n in names},
            "copies": {"mean": copies, "low": 0.0, "high": 0.1},
        }

    table = {
        "space": "sound", "clips": {"new": 16, "test": 8, "valid": 8},
        "systems": {"flow": row(0.9), "Gaussian": row(0.6), "unseen real clips": row(1.0)},
        "copied": {"flow": ["clip.00001"]},
        "against_gaussian": {"kad_difference": kad_difference, "p": p, "permutations": 999},
    }  # fmt: skip
    settings = {"guidance": 2.0, "steps": 4, "temperature": 1.0}
    joined = {
        "prior": {"mean": 0.5, "low": 0.4, "high": 0.6},
        "clips drawn apart": {"mean": 1.0, "low": 0.9, "high": 1.1},
    }
    return {
        "comparison": {"tables": [table], "settings": settings, "coherence": joined},
        "curve": {"step": [0, 100], "train": [1.0, 0.9], "valid": [1.0, 0.95], "best_step": 100},
    }  # fmt: skip
