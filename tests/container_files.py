"""The container files as data, for the tests that hold them against the repo."""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
import yaml

from services.cli import application

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\}")
SECRETS = {
    "REDIS_PASSWORD", "POSTGRES_PASSWORD", "S3_ROOT_USER", "S3_ROOT_PASSWORD", "S3_ACCESS_KEY",
    "S3_SECRET_KEY", "MLFLOW_PASSWORD", "MLFLOW_SECRET",
}  # fmt: skip
OURS = {"surco-worker:cpu", "surco-worker:gpu", "surco-mlflow"}


@cache
def compose() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@cache
def services() -> dict[str, dict[str, Any]]:
    return compose()["services"]


@cache
def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@cache
def manifests() -> list[dict[str, Any]]:
    root = ROOT / "infra" / "kubernetes"
    files = [*sorted((root / "base").glob("*.yaml")), root / "overlays" / "gpu" / "worker-gpu.yaml"]
    found = [m for f in files for m in yaml.safe_load_all(f.read_text())]
    return [m for m in found if m["kind"] != "Kustomization"]


def filled(text: str, values: dict[str, str]) -> str:
    """Interpolate as Compose does: ${A}, ${A:-default}, ${A:?message}."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match["name"], "")
        return found or (match["rest"] if match["how"] == "-" else "") or ""

    return VARIABLE.sub(value, text)


def words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else command


def parses_as_surco(arguments: list[str]) -> dict[str, Any]:
    """The options the CLI reads from these arguments; a usage error fails the test."""
    group = typer.main.get_command(application())
    name, command, rest = group.resolve_command(group.make_context("surco", arguments), arguments)
    return command.make_context(name, rest).params


def stages(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Instructions of a Dockerfile by stage, those before the first FROM under ''."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    stage = ""
    text = re.sub(r"\\\n\s*", " ", path.read_text())
    for line in (line for line in text.splitlines() if line and not line.startswith("#")):
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            stage = rest.split(" AS ")[1] if " AS " in rest else rest
            found[stage] = []
        found[stage].append((word, rest))
    return found


def containers(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return manifest.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
