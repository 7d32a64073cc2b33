"""The Dockerfiles, where no engine builds them: what they copy, run and name is there."""

import json
import re
from importlib.util import find_spec

import pytest
from container_files import OURS, ROOT, parses_as_surco, services, stages

from services.settings import Settings


def test_build_paths_and_targets_exist() -> None:
    for service in services().values():
        if build := service.get("build"):
            dockerfile = ROOT / build["context"] / build["dockerfile"]
            assert dockerfile.is_file()
            assert "target" not in build or build["target"] in stages(dockerfile)
            assert service["image"] in OURS


@pytest.mark.parametrize("path", ["Dockerfile.gpu", "infra/images/mlflow/Dockerfile"])
def test_copied_paths_exist_and_reach_the_builder(path: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "*" in ignored
    for instructions in stages(ROOT / path).values():
        for word, rest in instructions:
            if word == "COPY" and not rest.startswith("--from"):
                source = rest.split()[0]
                assert (ROOT / source).exists()
                assert source in kept or source.split("/")[0] in kept


def test_images_run_as_nobody_special_with_the_model_code_last() -> None:
    found = stages(ROOT / "Dockerfile.gpu")
    for target in ("gpu", "cpu"):
        instructions = found[target]
        assert ("USER", "10001") in instructions
        copies = [rest for word, rest in instructions if word == "COPY" and not rest.startswith("--from")]
        assert copies == ["surco surco", "jobs jobs", "services services"]
        runs = [
            rest for word, rest in instructions[instructions.index(("COPY", copies[0])) :] if word == "RUN"
        ]
        assert all("surco.warm" in run for run in runs)
        environment = " ".join(rest for word, rest in instructions if word == "ENV")
        assert "REMAP_SIGTERM=SIGQUIT" in environment
        known = {f"SURCO_{name.upper()}" for name in Settings.model_fields}
        assert set(re.findall(r"SURCO_\w+", environment)) <= known


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
