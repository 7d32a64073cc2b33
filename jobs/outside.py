"""Take the codec outside: a folder of other music, and a stress set made in the run.

Artifacts: `outside.json` (its schema is in docs/study.md), `figures/outside.png`,
`listening/<group>/<clip>/{original,decoded}.wav` for the best and the worst clips and the stress set.
"""

from typing import Any, Literal

from pydantic import Field

from jobs.context import Context
from jobs.inputs import read_json
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec

MEASURES = ("log_mel_db", "zimtohrli", "chroma", "onset")


class Spec(JobSpec):
    """Which codec to test on which music, against which data set's test clips."""

    codec: JobId | Literal["shipped"] = Field("shipped", description="train job, or the shipped codec")
    vectors: JobId = Field(description="embed job of the data set, by the same codec")
    dataset: JobId = Field(description="prepare job of the data set whose test clips are the reference")
    audio: JobId | None = Field(
        None, description="prepare job of the outside folder; stress set only if None"
    )
    scored: int = Field(24, ge=2, description="clips a side that are decoded to sound and scored in full")
    altered: int = Field(
        3, ge=1, description="test clips that are reversed, shifted and slowed for the stress set"
    )


def run(spec: Spec, context: Context) -> dict[str, Any]:
    """Encode and decode what is outside, compare it with the test clips, and give the verdict."""
    from jobs.inputs import load_codec, load_vectors
    from surco.bench import Bench
    from surco.datasets import MusicDataset
    from surco.latents import study_figures
    from surco.latents.outside import OutOfDistribution
    from surco.latents.tables import plain, write_json
    from surco.plots import theme

    codec = load_codec(context, spec.codec)
    data, vectors = load_vectors(context, spec.vectors, spec.dataset)
    vectors.require(codec=codec.fingerprint)
    folder = None
    if spec.audio is not None:
        folder = MusicDataset(context.folder(spec.audio))
        _check_format(folder, data)
    strange = OutOfDistribution(vectors.take(split="train").vectors)
    listener = _Groups(Bench(codec, vectors.size), strange, context, spec)

    test = listener.study("test", MusicDataset(context.folder(spec.dataset), split="test"))
    report: dict[str, Any] = {
        "size": vectors.size,
        "codec": vectors.codec,
        "seed": spec.seed,
        "test": test.summary(spec.seed),
        "outside": None,
        "verdict": None,
    }
    groups = {"test": test}
    if folder is not None:
        groups["outside"] = listener.study("outside", folder)
        report |= _compared(test, groups["outside"], spec.seed)
        listener.write_best_and_worst(groups["outside"])
    report["stress"] = listener.stress(data, test, spec)
    report = plain(report)
    write_json(context.out / "outside.json", report)
    picture = study_figures.outside({name: g.points() for name, g in groups.items()}, report["stress"])
    context.tracker.artifact(theme.save(picture, context.out / "figures" / "outside.png"), "figures")
    context.tracker.artifact(context.out / "outside.json")
    result = {
        "size": vectors.size,
        "answer": report["verdict"]["answer"] if report["verdict"] else None,
        "verdict": report["verdict"]["sentence"] if report["verdict"] else None,
        "test_log_mel_db": report["test"]["mel_error_db"]["mean"],
        "stress_fails": [r["name"] for r in report["stress"] if not r["works"]],
    }
    if report["outside"]:
        result["outside_log_mel_db"] = report["outside"]["mel_error_db"]["mean"]
        result["outside_of_band"] = report["bands"]["neighbours"]["outside"]["mean"]
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "verdict": result["verdict"]})
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result


class _Group:
    """What was measured on one group of clips."""

    def __init__(self, clips: list[Any]):
        self.clips = clips
        self.tracks = [c.track for c in clips]
        self.styles = [c.genre for c in clips]
        self.waves: Any = None  # (N, T)
        self.vectors: Any = None  # (N, D)
        self.values: dict[str, Any] = {}  # measure to (N,), NaN where a clip was not scored

    def summary(self, seed: int) -> dict[str, Any]:
        from surco.metrics.aggregate import by_track

        means = {k: by_track(v, self.tracks, seed=seed).to_json() for k, v in self.values.items()}
        return {"clips": len(self.clips), "tracks": len(set(self.tracks)), **means}

    def points(self) -> dict[str, Any]:
        return {"distance": self.values["neighbours"], "error": self.values["mel_error_db"]}


def _compared(test: _Group, outside: _Group, seed: int) -> dict[str, Any]:
    """Comparisons of outside with test, the bands, and the verdict."""
    import numpy as np

    from surco.latents.outside import compare, outside_band, verdict

    comparisons = {}
    for name in test.values:
        a, b = test.values[name], outside.values[name]
        if np.isfinite(a).any() and np.isfinite(b).any():
            comparisons[name] = compare(
                a, test.tracks, test.styles, b, outside.tracks, outside.styles, seed=seed
            )
    bands = {
        name: outside_band(test.values[name], outside.values[name], outside.tracks, seed=seed)
        for name in ("neighbours", "mahalanobis")
    }
    return {
        "outside": outside.summary(seed),
        "comparisons": comparisons,
        "bands": bands,
        "verdict": verdict(comparisons["mel_error_db"], bands["neighbours"]),
    }


class _Groups:
    """Measures groups of clips on one bench."""

    def __init__(self, bench: Any, strange: Any, context: Context, spec: Spec):
        self.bench, self.strange, self.context, self.spec = bench, strange, context, spec

    def study(self, name: str, data: Any) -> _Group:
        """Mel error and distances of all clips; listening measures of some, spread over tracks."""
        import numpy as np

        from surco.datasets.sampling import spread

        group = _Group(data.clips)
        group.waves = data.waves().numpy()
        group.vectors, error, floor = self.mel_errors(group.waves, name)
        group.values = {
            "mel_error_db": error,
            "floor_db": floor,
            "neighbours": self.strange.neighbours(group.vectors),
            "mahalanobis": self.strange.mahalanobis(group.vectors),
        }
        chosen = spread(group.tracks, self.spec.scored, seed=self.spec.seed)
        scored = {m: np.full(len(group.clips), np.nan) for m in MEASURES}
        for done, i in enumerate(chosen):
            self.context.progress(done, len(chosen), f"{name} clips scored")
            for measure, value in self.score(group.waves[i], group.vectors[i])[1].items():
                if measure in scored:
                    scored[measure][i] = value
        group.values |= scored
        return group

    def mel_errors(self, waves: Any, name: str, batch_size: int = 16) -> tuple[Any, Any, Any]:
        """Vectors (N, D), log-mel L1 (N,) of the decoded mel, and that of another clip's mel."""
        import numpy as np

        vectors, errors, floors = [], [], []
        for start in range(0, len(waves), batch_size):
            self.context.progress(start, len(waves), f"{name} clips encoded")
            batch = waves[start : start + batch_size]  # (B, T)
            vectors.append(self.bench.encode(batch))  # (B, D)
            mel = self.bench.mel(batch)  # (B, M, F)
            errors.append(np.abs(self.bench.decode_mel(vectors[-1]) - mel).mean((1, 2)))
            other = np.roll(mel, len(mel) // 2, 0)  # half a batch away: most often another track
            floors.append(np.abs(other - mel).mean((1, 2)))
        return np.concatenate(vectors), np.concatenate(errors), np.concatenate(floors)

    def score(self, wave: Any, vector: Any) -> tuple[Any, dict[str, float]]:
        """The decoded sound (T,) of a vector (D,), and its measures against the original (T,)."""
        from surco.metrics.score import score

        decoded = self.bench.decode(vector[None])[0]  # (T,)
        return decoded, score(wave, decoded[: len(wave)], self.bench.rate, quick=True)

    def write_best_and_worst(self, group: _Group, count: int = 3) -> None:
        """The clips with the least and the largest mel error, one a track, to hear."""
        import numpy as np

        order = np.argsort(group.values["mel_error_db"], kind="stable")
        for name, rows in (("best", order), ("worst", order[::-1])):
            tracks: list[str] = []
            for i in rows:
                if group.tracks[i] not in tracks and len(tracks) < count:
                    tracks.append(group.tracks[i])
                    label = f"{name}-{len(tracks)}-{group.clips[i].id}"
                    self.listen(label, group.waves[i], self.score(group.waves[i], group.vectors[i])[0])

    def listen(self, label: str, original: Any, decoded: Any) -> None:
        from surco.audio.io import write_wav

        folder = self.context.out / "listening" / label.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for name, wave in (("original", original), ("decoded", decoded)):
            write_wav(folder / f"{name}.wav", wave, self.bench.rate)
            self.context.tracker.artifact(folder / f"{name}.wav", f"listening/{folder.name}")

    def stress(self, data: Any, test: _Group, spec: Spec) -> list[dict[str, Any]]:
        """One row a stress sound: its error and strangeness beside the test clips' bands."""
        import numpy as np

        from surco.datasets.sampling import spread
        from surco.latents import stress

        rate, samples = data.sample_rate, test.waves.shape[1]
        sounds = {
            n: [stress.synthetic(n, samples=samples, sample_rate=rate, seed=spec.seed)]
            for n in stress.SYNTHETIC
        }
        chosen = spread(test.tracks, spec.altered, seed=spec.seed)
        for name in stress.ALTERED:
            sounds[name] = [stress.altered(name, test.waves[i], sample_rate=rate) for i in chosen]
        rows = []
        low, high = np.percentile(test.values["mel_error_db"], [2.5, 97.5])
        far = np.percentile(test.values["neighbours"], 97.5)
        heard = float(np.nanpercentile(test.values["zimtohrli"], 2.5))
        for done, (name, waves) in enumerate(sounds.items()):
            self.context.progress(done, len(sounds), f"stress: {name}")
            vectors, error, _ = self.mel_errors(np.stack(waves), name)
            scored = [self.score(w, v) for w, v in zip(waves, vectors, strict=True)]
            self.listen(f"stress-{name}", waves[0], scored[0][0])
            zimtohrli = float(np.nanmean([measures["zimtohrli"] for _, measures in scored]))
            distance = self.strange.neighbours(vectors)
            unaltered = test.values["mel_error_db"][chosen].mean() if name in stress.ALTERED else None
            rows.append(
                {
                    "name": name,
                    "clips": len(waves),
                    "mel_error_db": error.mean(),
                    "mel_error_db_low": error.min(),
                    "mel_error_db_high": error.max(),
                    "same_clips_unaltered_db": unaltered,
                    "test_band_db": [low, high],
                    "zimtohrli": zimtohrli,
                    "zimtohrli_test_low": heard,
                    "works": bool(error.mean() <= high and zimtohrli >= heard),
                    "distance": distance.mean(),
                    "distance_test_high": far,
                    "recognised": bool(distance.mean() <= far),
                }
            )
        return rows


def _check_format(outside: Any, data: Any) -> None:
    from surco.errors import InputError

    a, b = outside.manifest.config, data.manifest.config
    if not len(outside):
        raise InputError("The outside folder holds no clips; give a folder with sound files of 5 s or more.")
    if (a.sample_rate, a.clip_samples) != (b.sample_rate, b.clip_samples):
        raise InputError(
            f"The outside clips are {a.clip_seconds} s at {a.sample_rate} Hz, the data set's are "
            f"{b.clip_seconds} s at {b.sample_rate} Hz; prepare the folder with the data set's options."
        )


KIND = JobKind(
    name="outside",
    spec=Spec,
    run=run,
    queue="cpu",
    artifacts=("outside.json", "figures/outside.png", "listening/<group>/<clip>/*.wav"),
    sweep=(
        SweepPart(
            per_size=True,
            round=2,
            inputs={
                "dataset": Input("data"),
                "codec": Input("train"),
                "vectors": Input("embed"),
                "audio": Input("music from outside"),
            },
            wanted=lambda sweep: sweep.stress or sweep.outside is not None,
        ),
    ),
    evidence=(Evidence("outside", lambda context, job: read_json(context, job, "outside.json")),),
)
