"""Renew requirements/lock.txt: resolve pyproject.toml with pip beside the pinned torch.

Every name and version that pip would install is written, torch and what only its CUDA build needs
apart, so that `infra/install.py` can install without resolving.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from venv import EnvBuilder

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "lock.txt"
COMPILED = ROOT / "requirements" / "compiled.txt"
FROM_SOURCE = ("libsvm-official",)  # what has no wheel
BUILD = ["setuptools>=75", "wheel"]
# What other Pythons need than the one that resolves: redis and valkey before 3.11.3, audioread from 3.13 on.
OTHER_PYTHONS = (
    'async-timeout==5.0.1 ; python_full_version < "3.11.3"',
    'audioop-lts==0.2.2 ; python_version >= "3.13"',
    'standard-aifc==3.13.0 ; python_version >= "3.13"',
    'standard-chunk==3.13.0 ; python_version >= "3.13"',
    'standard-sunau==3.13.0 ; python_version >= "3.13"',
)
HEADERS = {
    LOCK: "# Every package Surco installs as a wheel, but torch; renewed by `make lock`.\n",
    COMPILED: "# What comes as source and needs a C++ compiler; renewed by `make lock`.\n",
}


def report(python: Path, *args: str) -> list[dict[str, str]]:
    """What pip would install, as name and version."""
    command = [
        str(python),
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--dry-run",
        "--quiet",
        "--report",
        "-",
        *args,
    ]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    return [item["metadata"] for item in json.loads(out)["install"]]


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"], *BUILD]
    torch = (ROOT / "requirements" / "torch.txt").read_text().split()
    # torchaudio's own requirement would bring a CUDA torch: it is pinned, and resolved apart.
    alone = [w for w in wanted if w.startswith("torchaudio")]
    rest = [w for w in wanted if not w.startswith(("torch>", "torchaudio"))]
    with tempfile.TemporaryDirectory() as folder:
        EnvBuilder(with_pip=True).create(folder)
        python = Path(folder) / "bin" / "python"
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *torch], check=True)
        own = json.loads(
            subprocess.run(
                [str(python), "-m", "pip", "list", "--format", "json"], check=True, stdout=subprocess.PIPE
            ).stdout
        )
        found = {m["name"].lower().replace("_", "-"): m["version"] for m in report(python, *rest)}
        found |= {m["name"].lower(): m["version"] for m in report(python, "--no-deps", *alone)}
    found |= {o["name"].lower(): o["version"] for o in own if o["name"].lower() not in ("torch", "pip")}
    others = {line.partition("==")[0] for line in OTHER_PYTHONS}
    wheels = [f"{n}=={v}" for n, v in found.items() if n not in others and n not in FROM_SOURCE]
    for path, lines in (
        (LOCK, [*wheels, *OTHER_PYTHONS]),
        (COMPILED, [f"{n}=={found[n]}" for n in FROM_SOURCE]),
    ):
        path.write_text(HEADERS[path] + "".join(f"{line}\n" for line in sorted(lines)))
    print(f"{len(found)} packages in {LOCK.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
