"""The job graph of a sweep: which jobs it is made of, and which reads which."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from jobs.kinds import explain, parse_spec
from jobs.spec import JobSpec, canonical, code_version, job_id
from surco.errors import InputError

Section = dict[str, Any]


class SweepSpec(BaseModel):
    """Vector sizes over one data set; each section holds fields of that job's own spec."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("sweep", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    dataset: Literal["demo", "gtzan", "folder"] = Field("demo", description="kind of source")
    path: str | None = Field(None, description="folder or archive of the source")
    sizes: tuple[int, ...] = Field((64, 256, 1024), min_length=1, description="floats of each vector")
    seed: int = Field(0, ge=0)
    outside: str | None = Field(None, description="folder of music from outside the data set")
    stress: bool = Field(True, description="without such a folder, meet the made-up stress set all the same")
    prior: bool = Field(True, description="train a network that generates vectors, for each size")
    prepare: Section = Field(default_factory=dict)
    train: Section = Field(default_factory=dict)
    evaluate: Section = Field(default_factory=dict)
    embed: Section = Field(default_factory=dict)
    cluster: Section = Field(default_factory=dict)
    edits: Section = Field(default_factory=dict)
    train_prior: Section = Field(default_factory=dict)
    generate: Section = Field(default_factory=dict)
    report: Section = Field(default_factory=dict)

    @field_validator("sizes")
    @classmethod
    def _sizes(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        for size in value:
            if not 2 <= size <= 2048:
                raise ValueError(f"size {size} is not between 2 and 2048 floats")
        return tuple(sorted(set(value)))

    def id(self) -> str:
        """16 hexadecimal digits over the whole spec and the code version."""
        return hashlib.sha256(canonical([self.model_dump(mode="json"), code_version()])).hexdigest()[:16]


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
        raise InputError(explain("the sweep", error)) from None


def read_sweep(path: Path) -> SweepSpec:
    """The sweep of a YAML file."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); give the path of a sweep's YAML file."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no valid YAML ({str(error).splitlines()[0]}); correct it.") from None
    if not isinstance(data, dict):
        raise InputError(f"{path} holds no mapping of sweep keys; see `docs/architecture.md` for an example.")
    return parse_sweep(data)


def plan(sweep: SweepSpec) -> list[Node]:
    """The sweep's jobs, each after those it reads."""
    nodes: list[Node] = []

    def add(kind: str, label: str, section: Section, **fields: Any) -> str:
        spec = parse_spec(kind, {"seed": sweep.seed, **fields, **section})
        nodes.append(Node(kind, spec, label))
        return nodes[-1].id

    def source(label: str, dataset: str, path: str | None, section: Section) -> str:
        from jobs.prepare import Spec

        try:
            spec = Spec.of(dataset, path, **{"seed": sweep.seed, **section})
        except ValidationError as error:
            raise InputError(explain("the prepare spec", error)) from None
        nodes.append(Node("prepare", spec, label))
        return nodes[-1].id

    data = source("data", sweep.dataset, sweep.path, sweep.prepare)
    beyond = source("outside", "folder", sweep.outside, {}) if sweep.outside else None
    ids: dict[str, list[str]] = {
        k: [] for k in ("train", "evaluate", "embed", "cluster", "edits", "prior", "generate", "outside")
    }
    for size in sweep.sizes:
        codec = add("train", f"{size}", sweep.train, dataset=data, size=size)
        ids["train"].append(codec)
        ids["evaluate"].append(
            add("evaluate", f"{size}", sweep.evaluate, dataset=data, codec=codec, size=size)
        )
        ids["embed"].append(add("embed", f"{size}", sweep.embed, dataset=data, codec=codec, size=size))
    for size, codec, vectors in zip(sweep.sizes, ids["train"], ids["embed"], strict=True):
        others = [v for v in ids["embed"] if v != vectors]
        ids["cluster"].append(
            add("cluster", f"{size}", sweep.cluster, dataset=data, vectors=vectors, others=others)
        )
        ids["edits"].append(add("edits", f"{size}", sweep.edits, dataset=data, vectors=vectors))
        fields: Section = {"vectors": vectors, "codec": codec, "dataset": data}
        if sweep.prior:
            ids["prior"].append(
                add("train_prior", f"{size}", sweep.train_prior, vectors=vectors, codec=codec, dataset=data)
            )
            fields["prior"] = ids["prior"][-1]
        ids["generate"].append(
            add(
                "generate",
                f"{size}",
                {**fields, **sweep.generate},
                collection=f"{sweep.name}-{sweep.id()[:8]}",
            )
        )
        if beyond or sweep.stress:
            ids["outside"].append(
                add("outside", f"{size}", {}, codec=codec, vectors=vectors, dataset=data, audio=beyond)
            )
    every = {k: v for k, v in ids.items() if v}
    named: Section = {"name": sweep.name, "sizes": list(sweep.sizes), "dataset": data}
    summary = add("summary", "summary", {}, **named, **every)
    heard = {k: v for k, v in every.items() if k in ("evaluate", "embed", "cluster", "generate")}
    add("listen", "page", {}, name=sweep.name, dataset=data, **heard)
    told = {k: v for k, v in every.items() if k != "embed"}
    add("report", "report", sweep.report, **named, summary=summary, **told)
    return nodes
