"""The limits by which Surco judges, from `judgement.toml`, where each has its source or its reason."""

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

Levels = list[tuple[float, str]]  # [least, name], the highest first


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SmallestLimits(_Limits):
    """When a vector is large enough to stand for the music."""

    bounds: dict[str, float]  # by kind of measure, most definition that may be lost to the ceiling
    step: float  # most definition that either of the next two sizes may add


class OutsideLimits(_Limits):
    """When the codec works on other music; rises are shares of the log-mel error on test clips."""

    good: float
    bad: float
    mostly: float


class EditLimits(_Limits):
    """When an edit of a vector does what was asked, and when a move beats mixing."""

    mixing: float
    fewest: int
    slope: tuple[float, float]
    certain: float
    kept: float


class PriorLimits(_Limits):
    """When fewer steps of the sampler are as good as many."""

    tolerance: float


class EncodingLimits(_Limits):
    heard: Levels
    bits_lost: float
    structure_kept: float
    kind_apart: float
    failing: float
    blind_reference: float


class StudyLimits(_Limits):
    p: float
    ami: Levels
    stable: float
    r2: Levels
    overlap: Levels
    hubness: float


class GenerationLimits(_Limits):
    p: float
    precision: float
    coverage: float
    copies: float
    coherent: float
    reader: float
    style: float


class ReportLimits(_Limits):
    """Which sentence the report chooses."""

    encoding: EncodingLimits
    study: StudyLimits
    generation: GenerationLimits


class Judgement(_Limits):
    """All limits."""

    smallest: SmallestLimits
    outside: OutsideLimits
    edits: EditLimits
    prior: PriorLimits
    report: ReportLimits


@cache
def judgement() -> Judgement:
    """The limits as the file gives them."""
    text = Path(__file__).with_name("judgement.toml").read_text(encoding="utf-8")
    return Judgement.model_validate(tomllib.loads(text))
