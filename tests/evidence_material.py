"""Evidence with planted findings, written by the functions that write it in a run."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from surco.edits.assess import Assessment, Possible
from surco.edits.edit_report import EditStudy, Exactness, JudgedEdit, Moved
from surco.edits.judgement import Answer, Judged
from surco.latents import outside as judged_outside
from surco.latents.outside_report import Music, Outside, Side, StressSound
from surco.latents.study import (
    Ablated,
    Agreement,
    AttributeReading,
    Carrier,
    Chosen,
    Clustering,
    GenreReading,
    HubnessRow,
    Likeness,
    Map,
    Neighbourhood,
    Nulls,
    OtherSize,
    Prefix,
    Scanned,
    Shape,
    Stability,
    Study,
    Switched,
)
from surco.latents.study_readings import READERS
from surco.metrics.aggregate import Estimate, by_track, ratio_by_track
from surco.metrics.choice import choose_smallest
from surco.metrics.judge import Opinion
from surco.metrics.scores import Scores
from surco.prior.memorisation import Match
from surco.prior.prior_report import (
    AgainstGaussian,
    Coherence,
    Comparison,
    Counts,
    Curve,
    Measure,
    Table,
    Training,
    Tuning,
)
from surco.prior.settings import Settings
from surco.prior.song_report import MadeSong
from surco.report.evidence import Evidence, Job

TRACKS = [f"t{i}" for i in range(20)]
CLIPS = [{"id": f"clip.{i:05d}", "track": t, "genre": ("jazz", "rock")[i % 2]} for i, t in enumerate(TRACKS)]
CLEAR = Estimate(0.5, 0.4, 0.6, 20, 0)


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
    jobs = [
        Job("train", "a" * 64, 64, True, state="done"),
        Job("generate", "b" * 64, 64, False, reason="no room", state="dead"),
    ]
    fields: dict[str, Any] = {
        "name": "test", "id": "0" * 64, "sizes": [64, 512], "scores": found,
        "smallest": choose_smallest(found), "manifest": manifest(), "jobs": jobs,
        "genres": {c["id"]: c["genre"] for c in CLIPS}, "versions": {"surco": "0.1.0"}, "seed": 7,
    }  # fmt: skip
    return Evidence(**{**fields, **given})


def study(
    size: int,
    *,
    labels: Sequence[int] | None = None,
    genre_map: Estimate = CLEAR,
    track_map: Estimate = CLEAR,
    accuracy: float = 0.8,
    others: Sequence[int] = (),
) -> Study:
    """A study of the clips in which vectors lie by `labels` (none: no clusters) and genres are found."""
    n = len(CLIPS)
    sure = Estimate(accuracy, accuracy - 0.1, accuracy + 0.1, 20, 0)
    chance = Estimate(0.5, 0.4, 0.6, 20, 0)
    apart = {"silhouette": 0.4, "calinski_harabasz": 9.0, "davies_bouldin": 0.9, "noise": 0.0}
    scan = [Scanned(k=k, found=k, inertia=5.0 / k, **{**apart, "silhouette": np.nan}) for k in (2, 3)]
    names = ("homogeneity", "completeness", "v_measure", "ami", "ari")
    chosen = labels and Chosen(
        k=2,
        elbow=None,
        test=Agreement(**apart, **dict.fromkeys(names, sure)),
        null=Nulls(
            ami_shuffled_genres=0.0,
            ami_shuffled_genres_high=0.1,
            ami_p=0.01,
            silhouette_without_relations=0.1,
        ),
        stability=Stability(ari=0.9, low=0.8, high=1.0),
        labels=list(labels),
    )
    hubs = HubnessRow(skewness=2.5, skewness_gaussian=0.5, orphans=0.1, largest=9, hub=CLIPS[3]["id"])
    carriers = [Carrier(dimension=j, loss_of_r2=0.1, weight=1.0) for j in (1, 5)]
    like = Likeness(
        cka=sure,
        cka_shuffled=0.0,
        mantel=0.7,
        mantel_p=0.02,
        neighbour_overlap=sure,
        neighbour_overlap_chance=0.5,
    )
    moved = Switched(k=2, share=0.1, share_other_seed=0.05, clips=[CLIPS[2]["id"]])
    return Study(
        size=size,
        codec="c" * 16,
        dataset="d" * 64,
        seed=0,
        clips=[c["id"] for c in CLIPS],
        clusters=[
            Clustering(description="raw", method="k-means", scan=scan, reason="so", chosen=chosen or None),
            Clustering(description="raw", method="ward", scan=scan, reason="none", chosen=None),
        ],
        neighbours=[
            Neighbourhood(
                description=name,
                dimensions=size,
                genre_precision={1: sure},
                genre_map=genre_map,
                genre_chance=0.3,
                genre_map_shuffled=0.3,
                genre_map_p=0.01,
                track_precision={},
                track_map=track_map,
                track_chance=np.nan,
                hubness=hubs,
            )
            for name in ("raw", "Linear")
        ],
        genre_probes=[
            GenreReading(
                description=name,
                reader=reader,
                setting=0.03,
                valid_accuracy=accuracy,
                accuracy=sure,
                majority=chance,
                shuffled=chance,
                by_genre={"jazz": accuracy, "rock": accuracy},
            )
            for name in ("raw", "standardised")
            for reader in READERS
        ],
        attribute_probes=[
            AttributeReading(
                description="standardised",
                attribute=name,
                penalty=1.0,
                valid_r2=mean,
                r2=Estimate(mean, mean - 0.1, mean + 0.1, 20, 0),
                shuffled_r2=-0.1,
                carriers=carriers,
            )
            for name, mean in (("loudness", 0.95), ("tempo", 0.05))
        ],
        prefixes=[Prefix(dimensions=d, accuracy=sure, r2={"loudness": sure}) for d in (8, size)],
        geometry=[
            Shape(
                description="raw",
                dimensions=size,
                axes_for={0.9: 5},
                participation=4.0,
                axes=[0.6, 0.4],
                variance=[0.5, 0.5],
                two_nn=Estimate(6.0, 5.0, 7.0, 20, 0),
                two_nn_gaussian=9.0,
                mle=Estimate(6.0, 5.0, 7.0, 20, 0),
                mle_gaussian=9.0,
            )
        ],
        maps={
            kind: Map(points=[(float(i), i * 0.5) for i in range(n)], trustworthiness=sure)
            for kind in ("PCA", "t-SNE", "random")
        },
        ablation=[Ablated(dimension=j, change=Estimate(1.0 / j, 0.5 / j, 1.5 / j, 5, 0)) for j in (1, 2, 4)],
        medoids=[],
        others=[
            OtherSize(job="e" * 64, size=other, codec="c" * 16, likeness=like, switched=moved)
            for other in others
        ],
    )


def outside(answer: Literal["yes", "partly", "no"]) -> Outside:
    """A run outside with that verdict; one stress sound works, one is told apart, one is not."""

    def around(mean: float, spread: float) -> Estimate:
        return Estimate(mean, mean - spread, mean + spread, 6, 0)

    compared = judged_outside.Comparison(
        test=3.0, outside=4.5, difference=around(1.5, 0.5), effect=around(1.2, 0.4), styles=["rock"]
    )
    stress = [
        StressSound(
            name=name, clips=1, mel_error_db=error, mel_error_db_low=error, mel_error_db_high=error,
            same_clips_unaltered_db=None, test_band_db=(2.0, 5.0), zimtohrli=3.0, zimtohrli_test_low=np.nan,
            works=error <= 5, distance=1.0, distance_test_high=2.0, recognised=known,
        )
        for name, error, known in (("sine", 2.5, True), ("click", 9.0, True), ("white noise", 7.0, False))
    ]  # fmt: skip
    music = Music(
        side=Side(clips=12, tracks=6, measures={"mel_error_db": around(4.5, 0.5)}),
        comparisons={"mel_error_db": compared},
        bands={"neighbours": judged_outside.Band(low=1.0, high=2.0, outside=around(0.4, 0.2))},
        verdict=judged_outside.Verdict(answer=answer, sentence=""),
    )
    test = Side(clips=12, tracks=6, measures={"mel_error_db": around(3.0, 0.5)})
    return Outside(size=512, codec="c" * 16, seed=0, test=test, music=music, stress=stress)


def move(name: str, gain: float, answer: Literal["yes", "no better than mixing", "no"]) -> Moved:
    """An edit along means or probes, with that gain beside a mixture's of 0.2."""

    def measured(mean: float) -> Assessment:
        return Assessment(
            weights=[0.0, 1.0],
            asked=[0.0, mean],
            gain=Estimate(mean, mean - 0.05, mean + 0.05, 8, 0),
            per_step=Estimate(mean, mean - 0.05, mean + 0.05, 8, 0),
            roughness=Estimate(1.2, 1.0, 1.5, 8, 0),
            audio_per_latent=None,
            realism=[1.0, 3.0],
            realism_loss=Estimate(2.0, 1.0, 3.0, 8, 0),
            nearest=[1.0, 0.9],
        )

    return Moved(
        edit=name,
        asked="style",
        measured=measured(gain),
        baselines={"waves": measured(0.2), "mels": measured(0.1)},
        possible=Possible(answer=answer, sentence=""),
    )


def judged(name: str, answer: Answer) -> JudgedEdit:
    """An edit that was judged by what it does."""
    one = Estimate(1.0, 0.9, 1.1, 40, 0)
    side = Judged(asked=one, kept={"chroma": one}, like_decode={}, real=one, reached=one, style=one)
    return JudgedEdit(
        edit=name,
        unit="dB",
        amounts=[-6, 6],
        tracks=40,
        systems={"edit": side, "waves, encoded": side},
        exactness=Exactness(ratio=one, decibel=one) if name == "brightness" else None,
        broken_db=None,
        answer=answer,
        reason="",
        old=Possible(answer="no better than mixing", sentence=""),
    )


def edits(moves: Sequence[Moved] = (), judged: Sequence[JudgedEdit] = ()) -> EditStudy:
    """A study of these edits."""
    return EditStudy(
        size=512, codec="c" * 16, dataset="d" * 64, seed=0, songs=8, tracks=40,
        moves=list(moves), judged=list(judged),
    )  # fmt: skip


def song(name: str, *, sources: Sequence[str] = (), size: int = 512, **given: Any) -> MadeSong:
    """A song of jazz that was drawn, or edited from `sources`; it is heard as jazz and copies nothing."""
    fields: dict[str, Any] = {
        "name": name, "title": name.title(), "genre": "jazz", "told": "so", "seed": 1, "size": size,
        "recipe": "interpolate" if sources else "sampled", "sources": list(sources), "seconds": 0.5,
        "model": "m" * 16, "files": [f"songs/{name}.wav"], "copies": [], "starts": [0.0],
        "nearest": Match("clip.00001", 9.0, 0.8, False), "style": Opinion("jazz", 0.9, 0.9, True),
    }  # fmt: skip
    return MadeSong(**{**fields, **given})


def prior(*, kad_difference: float, p: float, copies: float, reads_real: float = 1.0) -> Training:
    """What train_prior tells, with these figures for the flow."""

    def row(share: float) -> dict[Measure, Estimate]:
        names: tuple[Measure, ...] = (
            "precision", "recall", "density", "coverage", "style_accuracy", "diversity", "nearest",
        )  # fmt: skip
        one = Estimate(share, max(0.0, share - 0.1), min(1.0, share + 0.1), 8, 0)
        return {
            **dict.fromkeys(names, one),
            "kad": Estimate(10.0, 8.0, 12.0, 8, 0),
            "copies": Estimate(copies, 0.0, 0.1, 8, 0),
        }

    table = Table(
        space="sound",
        clips=Counts(new=16, test=8, valid=8),
        copy_threshold=0.2,
        systems={
            "flow": row(0.9),
            "Gaussian": row(0.6),
            "unseen real clips": {
                **row(1.0),
                "style_accuracy": Estimate(reads_real, reads_real - 0.1, reads_real + 0.1, 8, 0),
            },
        },
        copied={"flow": ["clip.00001"]},
        against_gaussian=AgainstGaussian(kad_difference=kad_difference, p=p, permutations=999),
    )
    settings = Settings(guidance=2.0, steps=4)
    near, apart = Estimate(0.5, 0.4, 0.6, 8, 0), Estimate(1.0, 0.9, 1.1, 8, 0)
    joined = Coherence(prior=near, apart=apart, real=None, real_neighbours="none")
    return Training(
        Comparison(neighbours="", settings=settings, coherence=joined, tables=[table]),
        Tuning(settings=settings, steps=[], grid=[]),
        Curve(step=[0, 100], train=[1.0, 0.9], valid=[1.0, 0.95], best_step=100),
    )
