"""The job graph of a sweep: which jobs it is made of, and which reads which."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from jobs.kinds import EVERY, Input, SweepPart, ask_spec, explain, middle, sweep_parts
from jobs.spec import JobSpec, canonical, job_id
from jobs.yaml_text import read_yaml
from surco.errors import InputError, quoted

Section = dict[str, Any]
SWEEPS = Path(__file__).resolve().parents[1] / "sweeps"


class SweepSpec(BaseModel):
    """Vector sizes over one data set; each section holds fields of that job's own spec.

    In a file the sections stand beside the other keys: `train: {steps: 500}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("sweep", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    dataset: Literal["demo", "gtzan", "folder"] = Field("demo", description="kind of source")
    path: str | None = Field(None, description="folder or archive of the source")
    sizes: tuple[int, ...] = Field((64, 256, 1024), min_length=1, description="dimensions of each vector")
    study: tuple[int, ...] | None = Field(
        None,
        min_length=1,
        description="sizes of the second round; the smallest found, half and double if not given",
    )
    seed: int = Field(0, ge=0)
    outside: str | None = Field(
        None, description="folder of music from outside the data set, or demo-outside"
    )
    stress: bool = Field(True, description="without such a folder, meet the made-up stress set all the same")
    prior: bool = Field(True, description="train a network that generates vectors, for each size")
    sections: dict[str, Section] = Field(
        default_factory=dict, description="by section, fields of the specs of its jobs"
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_sections(cls, data: Any) -> Any:
        """Move the keys that are names of sections into `sections`."""
        if not isinstance(data, dict):
            return data
        names = {part.section for _, _, part in sweep_parts() if part.section}
        beside = {key: value for key, value in data.items() if key in names}
        rest = {key: value for key, value in data.items() if key not in names}
        known = rest.get("sections", {})
        if beside and isinstance(known, dict):
            rest["sections"] = {**known, **{k: {} if v is None else v for k, v in beside.items()}}
        return rest

    @field_validator("sections")
    @classmethod
    def _known_sections(cls, value: dict[str, Section]) -> dict[str, Section]:
        names = {part.section for _, _, part in sweep_parts()}
        for name in value:
            if name not in names:
                raise ValueError(f"{name!r} is not a known section")
        return value

    @field_validator("sizes", "study")
    @classmethod
    def _sizes(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        for size in value or ():
            if not 2 <= size <= 2048:
                raise ValueError(f"size {size} is not between 2 and 2048 dimensions")
        return None if value is None else tuple(sorted(set(value)))


@dataclass(frozen=True)
class Node:
    """A job of the sweep; `label` is what people read."""

    kind: str
    spec: JobSpec
    label: str

    @property
    def id(self) -> str:
        return job_id(self.kind, self.spec)


def parse_sweep(data: dict[str, Any]) -> SweepSpec:
    """A validated sweep; unknown keys are refused by name."""
    try:
        return SweepSpec.model_validate(data)
    except ValidationError as error:
        sections = [part.section for _, _, part in sweep_parts() if part.section]
        known = [*SweepSpec.model_fields, *sections]
        raise InputError(explain("the sweep", error, known=known)) from None


def named(name: str) -> Path:
    """The file of a sweep that comes with the project, by its name."""
    return SWEEPS / f"{name}.yaml"


def read_sweep(path: Path) -> SweepSpec:
    """The sweep of a YAML file, or of one in `sweeps/` by its name alone."""
    if path.name == str(path) and not os.path.exists(path) and os.path.isfile(named(path.name)):
        path = named(path.name)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no mapping of sweep keys; see `docs/architecture.md` for an example.")
    return parse_sweep(data)


# By part of the sweep and vector size, the id of its job; the size is "" for a part made once.
Made = dict[str, dict[str, str]]


def plan(sweep: SweepSpec, study: Sequence[int] | None = None) -> list[Node]:
    """The sweep's jobs of both rounds, each after those it reads.

    The second round is made at the sizes `study`; where none are given, at those that the sweep itself fixes,
    or else at those asked for.
    """
    nodes, made = first_round(sweep)
    return nodes + second_round(sweep, made, study or sweep.study or sweep.sizes)[0]


def first_round(sweep: SweepSpec) -> tuple[list[Node], Made]:
    """The jobs that make and measure a codec at each size asked for, and what was made of each part."""
    made: Made = {}
    return _grown(sweep, made, 1, sweep.sizes), made


def second_round(sweep: SweepSpec, made: Made, study: Sequence[int]) -> tuple[list[Node], Made]:
    """The jobs that study the vectors at the sizes `study`, and those that sum the sweep up.

    `made` is of the first round, and stays as it is. A size that was not asked for gets the jobs of the first
    round, too. The same arguments give the same jobs, whoever asks and however often.
    """
    made = {part: dict(of) for part, of in made.items()}
    both = sweep.model_copy(update={"sizes": tuple(sorted({*sweep.sizes, *study})), "study": tuple(study)})
    nodes = _grown(both, made, 1, [size for size in study if size not in sweep.sizes], once=False)
    return nodes + _grown(both, made, 2, study), made


def check_genres(sweep: SweepSpec) -> None:
    """Refuse styles that the source has not, where its names tell which it has.

    Raises InputError with the styles that there are.
    """
    from jobs.prepare import source_of
    from surco.datasets.sources import source_genres

    for section in ("prepare", "generate"):
        asked = sweep.sections.get(section, {}).get("genres")
        if not isinstance(asked, list) or not asked:
            continue
        has = source_genres(source_of(sweep.dataset, sweep.path))
        if has is not None and (missing := [g for g in asked if g not in has]):
            raise InputError(unknown_genre(missing[0], has))


def unknown_genre(asked: object, has: Sequence[str]) -> str:
    """The sentence for a style that the data have not."""
    from difflib import get_close_matches

    near = get_close_matches(str(asked), has, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(has)}."
    return f"The data have no style {quoted(asked)}; {hint}"


def sweep_id(sweep: SweepSpec, nodes: list[Node]) -> str:
    """16 hexadecimal digits over the sweep's name and its jobs."""
    return hashlib.sha256(canonical([sweep.name, [node.id for node in nodes]])).hexdigest()[:16]


def _grown(
    sweep: SweepSpec, made: Made, number: int, sizes: Sequence[int], *, once: bool = True
) -> list[Node]:
    """The jobs of a round at these sizes, entered into `made`; without those made `once`, if so asked."""
    nodes: list[Node] = []
    once_a_size = {name for _, name, part in sweep_parts() if part.per_size}
    for kind, name, part in sweep_parts():
        if part.round != number or not (part.per_size or once) or not part.wanted(sweep):
            continue
        for size in _sizes_of(part, sizes):
            given: Section = {"seed": sweep.seed, **part.values(sweep, size)}
            for key, source in part.inputs.items():
                if (value := _filled(source, made, once_a_size, sweep.sizes, size)) is not None:
                    given[key] = value
            spec = ask_spec(kind, {**given, **sweep.sections.get(part.section, {})})
            nodes.append(Node(kind, spec, f"{size}" if part.per_size else part.label or name))
            made.setdefault(name, {})[f"{size or ''}"] = nodes[-1].id
    return nodes


def _sizes_of(part: SweepPart, sizes: Sequence[int]) -> Sequence[int | None]:
    """The sizes at which a part of a round at `sizes` is made; None for one that has no size."""
    if not part.per_size:
        return (None,)
    return [middle(sizes)] if part.middle and sizes else sizes


def _filled(source: Input, made: Made, once_a_size: set[str], sizes: Sequence[int], size: int | None) -> Any:
    """What a field that reads `source` holds in the job of a size; None where nothing was made."""
    if source == EVERY:
        return {name: [of.get(f"{s}") for s in sizes] for name, of in made.items() if name in once_a_size}
    of = made.get(source.part, {})
    if source.sizes == "same":
        return of.get(f"{size or ''}") or of.get("")
    others = [of[f"{s}"] for s in sizes if f"{s}" in of and (source.sizes == "all" or s != size)]
    return others if of else None
