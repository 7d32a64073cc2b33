"""How a source of music becomes a dataset: everything that decides its bytes, and nothing else."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DatasetConfig(BaseModel):
    """Options of `prepare`. The defaults are those of the evaluation protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    clip_seconds: float = Field(5.0, gt=0, le=60, description="length of a clip, s")
    sample_rate: int = Field(22_050, ge=4_000, le=96_000, description="sample rate of the clips, Hz")
    clips_per_track: int | None = Field(
        None, ge=1, description="clips taken from a track, evenly spread; all that fit if not given"
    )
    genres: list[str] | None = Field(None, min_length=1, description="only these genres; all if not given")
    valid_fraction: float = Field(0.15, ge=0, lt=1, description="share of each genre's tracks for validation")
    test_fraction: float = Field(0.15, ge=0, lt=1, description="share of each genre's tracks for test")
    seed: int = Field(0, ge=0, description="seed of the split, where the source brings none")

    @model_validator(mode="after")
    def _leave_some_to_train(self) -> "DatasetConfig":
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction and test_fraction must leave tracks to train on")
        return self

    @property
    def clip_samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_seconds * self.sample_rate)
