"""Take the codec outside: a folder of other music, and a stress set made in the run.

Artifacts: `outside.json` (its schema is in docs/study.md), `figures/outside.png`,
`listening/<group>/<clip>/{original,decoded}.wav` for the best and the worst clips and the stress set.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from jobs.context import Context
from jobs.done import Result
from jobs.kinds import Evidence, Input, JobKind, SweepPart
from jobs.spec import JobId, JobSpec
from surco.documents import defined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from surco.bench import Bench
    from surco.datasets import MusicDataset
    from surco.latents.outside import OutOfDistribution
    from surco.latents.outside_report import Music, Outside, Side, StressSound

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


def run(spec: Spec, context: Context) -> Result:
    """Encode and decode what is outside, compare it with the test clips, and give the verdict."""
    from jobs.inputs import load_codec, load_vectors
    from surco.bench import Bench
    from surco.datasets import MusicDataset
    from surco.latents import study_figures
    from surco.latents.outside import OutOfDistribution
    from surco.latents.outside_report import Outside
    from surco.plots import theme

    codec = load_codec(context, spec.codec)
    data, vectors = load_vectors(context, spec.vectors, spec.dataset)
    vectors.require(codec=codec.fingerprint)
    folder = None
    if spec.audio is not None:
        folder = MusicDataset(context.folder(spec.audio))
        _check_format(folder, data)
    distances = OutOfDistribution(vectors.take(split="train").vectors)
    listener = _Listener(Bench(codec, vectors.size), distances, context, spec)

    test = listener.study("test", MusicDataset(context.folder(spec.dataset), split="test"))
    groups = {"test": test}
    music = None
    if folder is not None:
        groups["outside"] = listener.study("outside", folder)
        music = _compared(test, groups["outside"], spec.seed)
        listener.write_best_and_worst(groups["outside"])
    report = Outside(
        size=vectors.size,
        codec=vectors.codec,
        seed=spec.seed,
        test=test.side(spec.seed),
        music=music,
        stress=listener.stress(data.sample_rate, test),
    )
    report.save(context.out / "outside.json")
    points = {n: (g.values["neighbours"], g.values["mel_error_db"]) for n, g in groups.items()}
    picture = study_figures.outside(points, report.stress)
    context.tracker.artifact(theme.save(picture, context.out / "figures" / "outside.png"), "figures")
    context.tracker.artifact(context.out / "outside.json")
    result: Result = {
        "size": vectors.size,
        "answer": music.verdict.answer if music else None,
        "verdict": music.verdict.sentence if music else None,
        "test_log_mel_db": defined(report.test.measures["mel_error_db"].mean),
        "stress_fails": [sound.name for sound in report.stress if not sound.works],
    }
    if music:
        result["outside_log_mel_db"] = defined(music.side.measures["mel_error_db"].mean)
        result["outside_of_band"] = defined(music.bands["neighbours"].outside.mean)
    context.tracker.params({"size": vectors.size, "codec": vectors.codec, "verdict": result["verdict"]})
    context.tracker.metrics({k: float(v) for k, v in result.items() if isinstance(v, int | float)})
    return result


@dataclass
class _Group:
    """What was measured on one group of N clips: waves (N, T), vectors (N, D), and values (N,) by measure.

    A value is NaN where a clip was not scored.
    """

    clips: list[str]
    tracks: list[str]
    styles: list[str]
    waves: "NDArray[np.float32]"
    vectors: "NDArray[np.float32]"
    values: "dict[str, NDArray[np.float64]]"

    def side(self, seed: int) -> "Side":
        from surco.latents.outside_report import Side
        from surco.metrics.aggregate import by_track

        means = {k: by_track(v, self.tracks, seed=seed) for k, v in self.values.items()}
        return Side(clips=len(self.clips), tracks=len(set(self.tracks)), measures=means)


def _compared(test: _Group, outside: _Group, seed: int) -> "Music":
    """Comparisons of outside with test, the bands, and the verdict."""
    import numpy as np

    from surco.latents.outside import compare, outside_band, verdict
    from surco.latents.outside_report import Music

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
    return Music(
        side=outside.side(seed),
        comparisons=comparisons,
        bands=bands,
        verdict=verdict(comparisons["mel_error_db"], bands["neighbours"]),
    )


class _Listener:
    """Measures groups of clips on one bench."""

    def __init__(self, bench: "Bench", distances: "OutOfDistribution", context: Context, spec: Spec):
        self.bench, self.distances, self.context, self.spec = bench, distances, context, spec

    def study(self, name: str, data: "MusicDataset") -> _Group:
        """Mel error and distances of all clips; listening measures of some, spread over tracks."""
        import numpy as np

        from surco.datasets.sampling import spread

        waves = data.waves().numpy()
        vectors, error, floor = self.mel_errors(waves, name)
        values = {
            "mel_error_db": error,
            "floor_db": floor,
            "neighbours": self.distances.neighbours(vectors),
            "mahalanobis": self.distances.mahalanobis(vectors),
        }
        clips = data.clips
        group = _Group(
            [c.id for c in clips], [c.track for c in clips], [c.genre for c in clips], waves, vectors, values
        )
        chosen = spread(group.tracks, self.spec.scored, seed=self.spec.seed)
        scored = {m: np.full(len(group.clips), np.nan) for m in MEASURES}
        for done, i in enumerate(chosen):
            self.context.progress(done, len(chosen), f"{name} clips scored")
            for measure, value in self.score(group.waves[i], group.vectors[i])[1].items():
                if measure in scored:
                    scored[measure][i] = value
        group.values |= scored
        return group

    def mel_errors(
        self, waves: "NDArray[np.float32]", name: str, batch_size: int = 16
    ) -> "tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]":
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

    def score(
        self, wave: "NDArray[np.float32]", vector: "NDArray[np.float32]"
    ) -> "tuple[NDArray[np.float32], dict[str, float]]":
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
                    label = f"{name}-{len(tracks)}-{group.clips[i]}"
                    self.listen(label, group.waves[i], self.score(group.waves[i], group.vectors[i])[0])

    def listen(self, label: str, original: "NDArray[np.float32]", decoded: "NDArray[np.float32]") -> None:
        """Write and log the two sounds."""
        from surco.audio.io import write_wav

        folder = self.context.out / "listening" / label.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for name, wave in (("original", original), ("decoded", decoded)):
            write_wav(folder / f"{name}.wav", wave, self.bench.rate)
            self.context.tracker.artifact(folder / f"{name}.wav", f"listening/{folder.name}")

    def stress(self, rate: int, test: _Group) -> "list[StressSound]":
        """Every stress sound: its error and its distance beside the test clips' bands."""
        import numpy as np

        from surco.datasets.sampling import spread
        from surco.latents import stress
        from surco.latents.outside_report import StressSound

        samples, seed = test.waves.shape[1], self.spec.seed
        sounds = {
            n: [stress.synthetic(n, samples=samples, sample_rate=rate, seed=seed)] for n in stress.SYNTHETIC
        }
        chosen = spread(test.tracks, self.spec.altered, seed=seed)
        for name in stress.ALTERED:
            sounds[name] = [stress.altered(name, test.waves[i], sample_rate=rate) for i in chosen]
        rows = []
        low, high = (float(v) for v in np.percentile(test.values["mel_error_db"], [2.5, 97.5]))
        far = float(np.percentile(test.values["neighbours"], 97.5))
        heard = float(np.nanpercentile(test.values["zimtohrli"], 2.5))
        unaltered = float(test.values["mel_error_db"][chosen].mean())
        for done, (name, waves) in enumerate(sounds.items()):
            self.context.progress(done, len(sounds), f"stress: {name}")
            vectors, errors, _ = self.mel_errors(np.stack(waves), name)
            scored = [self.score(w, v) for w, v in zip(waves, vectors, strict=True)]
            self.listen(f"stress-{name}", waves[0], scored[0][0])
            error = float(errors.mean())
            zimtohrli = float(np.nanmean([measures["zimtohrli"] for _, measures in scored]))
            distance = float(self.distances.neighbours(vectors).mean())
            rows.append(
                StressSound(
                    name=name,
                    clips=len(waves),
                    mel_error_db=error,
                    mel_error_db_low=float(errors.min()),
                    mel_error_db_high=float(errors.max()),
                    same_clips_unaltered_db=unaltered if name in stress.ALTERED else None,
                    test_band_db=(low, high),
                    zimtohrli=zimtohrli,
                    zimtohrli_test_low=heard,
                    works=error <= high and zimtohrli >= heard,
                    distance=distance,
                    distance_test_high=far,
                    recognised=distance <= far,
                )
            )
        return rows


def _check_format(outside: "MusicDataset", data: "MusicDataset") -> None:
    """InputError where the folder has no clips, or clips that are not of the data set's form."""
    from surco.errors import InputError

    a, b = outside.manifest.config, data.manifest.config
    if not len(outside):
        raise InputError("The outside folder holds no clips; give a folder with sound files of 5 s or more.")
    if (a.sample_rate, a.clip_samples) != (b.sample_rate, b.clip_samples):
        raise InputError(
            f"The outside clips are {a.clip_seconds} s at {a.sample_rate} Hz, the data set's are "
            f"{b.clip_seconds} s at {b.sample_rate} Hz; prepare the folder with the data set's options."
        )


def read_outside(context: Context, job: str) -> "Outside":
    """What an outside job found."""
    from surco.latents.outside_report import Outside

    return Outside.load(context.artifact(job, "outside.json"))


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
    evidence=(Evidence("outside", read_outside),),
)
