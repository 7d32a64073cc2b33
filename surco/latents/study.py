"""`study.json`: what a study of the vectors of one size found. docs/study.md says how it is measured."""

from math import nan
from typing import Literal

from pydantic import Field

from surco.documents import Document, Number
from surco.metrics.aggregate import Estimate


class Separation(Document):
    """How well clusters lie apart, measured without genres."""

    silhouette: Number
    calinski_harabasz: Number
    davies_bouldin: Number
    noise: Number = Field(description="share of clips that belong to no cluster")


class Scanned(Separation):
    """One number of clusters that was tried: fitted on train, scored on valid."""

    k: int
    found: int = Field(description="clusters found; HDBSCAN may find others than asked for")
    inertia: Number
    homogeneity: Number = Field(nan, description="with genre, on test clips; k is not chosen by it")
    completeness: Number = Field(nan, description="the same")
    v_measure: Number = Field(nan, description="the same")


class Agreement(Separation):
    """Clusters of the test clips beside their genres."""

    homogeneity: Estimate
    completeness: Estimate
    v_measure: Estimate
    ami: Estimate
    ari: Estimate


class Nulls(Document):
    """What clusters show where there is nothing to show."""

    ami_shuffled_genres: float
    ami_shuffled_genres_high: float = Field(description="97.5 % point")
    ami_p: float
    silhouette_without_relations: Number


class Stability(Document):
    """Adjusted Rand index with clusterings of bootstrap draws of tracks, and where 95 % of it lie."""

    ari: Number
    low: Number
    high: Number


class Chosen(Document):
    """The clustering with the number of clusters that valid clips chose."""

    k: int
    elbow: int | None
    test: Agreement
    null: Nulls
    stability: Stability
    labels: list[int] = Field(description="cluster of every clip, -1 for noise")


class Clustering(Document):
    """A method on a description; `chosen` is None where no k gives two clusters on the valid clips."""

    description: str
    method: str
    scan: list[Scanned]
    reason: str
    chosen: Chosen | None


class HubnessRow(Document):
    """How unevenly clips are among the nearest of others."""

    skewness: Number
    skewness_gaussian: Number
    orphans: float = Field(description="share of clips that are nobody's neighbour")
    largest: int = Field(description="how often the greatest hub is a neighbour")
    hub: str = Field(description="clip that is the greatest hub")


class Neighbourhood(Document):
    """Retrieval of genre and of track by nearest neighbours, for test clips; precision by rank."""

    description: str
    dimensions: int
    genre_precision: dict[int, Estimate]
    genre_map: Estimate
    genre_chance: Number
    genre_map_shuffled: float
    genre_map_p: float
    track_precision: dict[int, Estimate]
    track_map: Estimate
    track_chance: Number
    hubness: HubnessRow

    @property
    def above_chance(self) -> bool:
        """The interval of the genre's mean average precision lies above chance."""
        return self.genre_map.low > self.genre_chance


Reader = Literal["logistic", "k-nn"]


class GenreReading(Document):
    """Accuracy of a reader of genres on test clips, beside the commonest genre and shuffled genres."""

    description: str
    reader: Reader
    setting: float
    valid_accuracy: float
    accuracy: Estimate
    majority: Estimate
    shuffled: Estimate
    by_genre: dict[str, Number]


class Carrier(Document):
    """A dimension that a reading of an attribute rests on."""

    dimension: int
    loss_of_r2: float = Field(description="on valid, when the dimension is shuffled over the clips")
    weight: float


class AttributeReading(Document):
    """R² of a ridge reading of an attribute on test clips."""

    description: str
    attribute: str
    penalty: float
    valid_r2: Number
    r2: Estimate
    shuffled_r2: Number
    carriers: list[Carrier]


class Prefix(Document):
    """What the first dimensions alone know."""

    dimensions: int
    accuracy: Estimate
    r2: dict[str, Estimate]


class Shape(Document):
    """Variance and intrinsic dimension of a description, beside a Gaussian of its covariance."""

    description: str
    dimensions: int
    axes_for: dict[float, int] = Field(description="by share of the variance, the principal axes needed")
    participation: float
    axes: list[float] = Field(description="share of the variance on the first principal axes")
    variance: list[float] = Field(description="share of the variance in the first dimensions")
    two_nn: Estimate
    two_nn_gaussian: Number
    mle: Estimate
    mle_gaussian: Number


class Map(Document):
    """A map in two dimensions, a point a clip."""

    points: list[tuple[float, float]]
    trustworthiness: Estimate


class Ablated(Document):
    """Change of the decoded mel, dB, when a dimension is set to its mean."""

    dimension: int
    change: Estimate


class Likeness(Document):
    """How alike two sets of vectors of the same clips are, each figure with what chance gives."""

    cka: Estimate
    cka_shuffled: Number
    mantel: Number
    mantel_p: float
    neighbour_overlap: Estimate
    neighbour_overlap_chance: float


class Switched(Document):
    """Clips that change cluster between two sizes, beside the share that changes with the seed alone."""

    k: int
    share: float
    share_other_seed: float
    clips: list[str]


class OtherSize(Document):
    """The vectors of another embed job, compared with those of the study."""

    job: str
    size: int
    codec: str
    likeness: Likeness
    switched: Switched


class Medoid(Document):
    """The clip at the heart of a cluster, and how many clips of each genre the cluster holds."""

    cluster: int
    file: str
    clip: str
    genre: str
    clips: int
    genres: dict[str, int]


class Study(Document):
    """The vectors of one size, studied; `labels` and `points` are in the order of `clips`."""

    format: Literal["surco-study-2"] = "surco-study-2"
    size: int
    codec: str
    dataset: str
    seed: int
    clips: list[str]
    clips_there: int = Field(0, description="clips of the data set, which those studied were taken from")
    clusters: list[Clustering]
    neighbours: list[Neighbourhood]
    genre_probes: list[GenreReading]
    attribute_probes: list[AttributeReading]
    prefixes: list[Prefix]
    geometry: list[Shape]
    maps: dict[str, Map]
    ablation: list[Ablated]
    medoids: list[Medoid]
    others: list[OtherSize]
    missing: list[str] = Field([], description="embed jobs of other sizes without results")

    def clustering(self, description: str = "raw", method: str = "k-means") -> Chosen | None:
        """The clusters of a method on a description, None where there are none."""
        rows = [r for r in self.clusters if r.description == description and r.method == method]
        return rows[0].chosen if rows else None

    def neighbourhood(self, description: str = "raw") -> Neighbourhood | None:
        return next((r for r in self.neighbours if r.description == description), None)

    def reading(self, description: str = "standardised", reader: Reader = "logistic") -> GenreReading | None:
        rows = (r for r in self.genre_probes if r.description == description and r.reader == reader)
        return next(rows, None)

    def attributes(self, description: str = "standardised") -> dict[str, AttributeReading]:
        """What ridge reads of each attribute."""
        return {r.attribute: r for r in self.attribute_probes if r.description == description}

    def shape(self, description: str = "raw") -> Shape | None:
        return next((r for r in self.geometry if r.description == description), None)
