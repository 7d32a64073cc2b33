"""docker-compose.yml against its specification and the repo; tests/containers runs it."""

import json
import re
from importlib.util import find_spec
from pathlib import Path

import check_jsonschema
import pytest
from container_files import (
    OURS,
    ROOT,
    SECRETS,
    VARIABLE,
    compose,
    containers,
    example,
    filled,
    manifests,
    parses_as_surco,
    services,
    words,
)
from jsonschema import Draft202012Validator

from services.settings import Settings
from services.stack import mlflow, valkey, worker
from services.stack.plan import BUCKET, Plan
from services.stack.shared import environment, redis_conf
from services.worker.health import CHECK
from surco.studio.guard import HEALTH, is_loopback

SCHEMA = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor" / "compose-spec.json"


def test_compose_file_follows_the_specification() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    assert [e.message for e in validator.iter_errors(compose())] == []
    broken = json.loads(json.dumps(compose()))
    broken["services"]["redis"]["healthchek"] = {}
    assert list(validator.iter_errors(broken)), "the schema would let anything pass"


def test_every_variable_is_in_the_example_and_the_other_way_round() -> None:
    used = {m["name"] for m in VARIABLE.finditer((ROOT / "docker-compose.yml").read_text())}
    assert used == set(example())


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for match in VARIABLE.finditer(text):
        if match["name"] in SECRETS:
            assert match["how"] == "?" and match["rest"], f"{match[0]} starts without a secret"
        else:
            assert match["how"] == "-" and match["rest"] == example()[match["name"]]
    assert {name for name, value in example().items() if not value} == SECRETS


def test_ports_are_published_on_loopback_alone() -> None:
    published = {name: s["ports"] for name, s in services().items() if "ports" in s}
    assert set(published) == {"redis", "minio", "mlflow", "studio"}
    for ports in published.values():
        for port in ports:
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", filled(port, example()))


def test_gpu_worker_waits_for_its_profile_and_reserves_gpus() -> None:
    assert services()["worker-gpu"]["profiles"] == ["gpu"]
    assert {n: s["profiles"] for n, s in services().items() if "profiles" in s} == {
        "worker-gpu": ["gpu"],
        "studio": ["studio"],
    }
    (device,) = services()["worker-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia" and device["capabilities"] == ["gpu"]


@pytest.mark.parametrize(
    ("name", "values", "queues"),
    [
        ("worker-gpu", {}, ["gpu"]),
        ("worker-cpu", {}, ["cpu", "gpu"]),
        ("worker-cpu", {"CPU_WORKER_QUEUES": "--queue cpu"}, ["cpu"]),
    ],
)
def test_worker_commands_exist(name: str, values: dict[str, str], queues: list[str]) -> None:
    command = words(filled(services()[name]["command"], values))
    assert list(parses_as_surco(command)["queue"]) == queues


def test_worker_settings_are_ones_that_surco_knows() -> None:
    values = {name: "s3cret" for name in SECRETS}
    for name in ("worker-cpu", "worker-gpu", "bucket", "studio"):
        given = {
            key.removeprefix("SURCO_").lower(): filled(value, values)
            for key, value in services()[name]["environment"].items()
            if key.startswith("SURCO_")
        }
        assert set(given) <= set(Settings.model_fields)
        settings = Settings(**given)
        assert settings.redis_address == "redis:6379"
        assert settings.s3_endpoint == "minio:9000"
        assert settings.mlflow_url == "http://mlflow:5000"


def test_redis_keeps_everywhere_what_one_file_says(tmp_path: Path) -> None:
    def parsed(text: str) -> dict[str, str]:
        lines = (line.split(maxsplit=1) for line in text.splitlines() if line and line[0] != "#")
        apart = {"port", "bind", "dir", "requirepass", "daemonize", "logfile", "set-proc-title"}
        return {key: value for key, value in lines if key not in apart}

    shared = parsed(redis_conf())
    assert shared["appendfsync"] == "everysec" and shared["maxmemory-policy"] == "noeviction"
    valkey.prepare(tmp_path, Plan.draw())
    assert parsed((tmp_path / "redis.conf").read_text()) == shared
    (config,) = (m for m in manifests() if m["metadata"]["name"] == "redis" and m["kind"] == "ConfigMap")
    assert parsed(config["data"]["redis.conf"]) == shared
    configs = compose()["configs"]
    targets = {c["source"]: c["target"] for c in services()["redis"]["configs"]}
    assert parsed(configs["redis"]["content"]) == {"include": targets["redis-shared"]}
    assert redis_conf() == (ROOT / configs["redis-shared"]["file"]).read_text()
    assert "requirepass ${REDIS_PASSWORD:?" in configs["redis"]["content"]
    assert services()["redis"]["command"][-1] == targets["redis"]


def test_mlflow_and_workers_run_everywhere_under_what_one_file_says(tmp_path: Path) -> None:
    for name, server in (("mlflow", "mlflow"), ("worker-cpu", "worker"), ("worker-gpu", "worker")):
        assert services()[name]["env_file"] == [f"infra/{server}.env"]
        shared = environment(server)
        assert shared.keys().isdisjoint(services()[name]["environment"])
        (copy,) = (c["env"] for m in manifests() if m["metadata"]["name"] == name for c in containers(m))
        assert shared.items() <= {e["name"]: e.get("value") for e in copy}.items()
    plan = Plan.draw()
    assert environment("mlflow").items() <= mlflow.prepare(tmp_path, plan).env.items()
    assert environment("worker").items() <= worker.prepare(tmp_path, plan).env.items()
    assert environment("mlflow")["MLFLOW_ARTIFACTS_DESTINATION"] == f"s3://{BUCKET}/mlflow"


def test_mlflow_takes_options_and_variables_that_exist(tmp_path: Path) -> None:
    ours = mlflow.prepare(tmp_path, Plan.draw())
    proven = {word for word in ours.argv if word.startswith("--")}
    container = next(c for m in manifests() for c in containers(m) if c["name"] == "mlflow")
    for command in (services()["mlflow"]["command"], container["args"]):
        options = {name: value for name, _, value in (word.partition("=") for word in command)}
        assert set(options) <= {*proven, "--app-name"}
        assert {"mlflow:5000", "localhost:5000"} <= set(filled(options["--allowed-hosts"], {}).split(","))
    package = Path(str(find_spec("mlflow").origin)).parent
    known = (package / "environment_variables.py").read_text() + (package / "cli" / "__init__.py").read_text()
    known += (package / "utils" / "cli_args.py").read_text()
    for name in (*services()["mlflow"]["environment"], *environment("mlflow")):
        assert not name.startswith("MLFLOW_") or f'"{name}"' in known


def test_images_are_pinned() -> None:
    for service in services().values():
        image = filled(service["image"], {})
        assert image in OURS or re.search(r":[\w.-]*\d+[.-]\d+", image), f"{image} may change under us"
    assert filled(services()["minio"]["image"], {}).startswith("docker.io/pgsty/minio:RELEASE.")


def test_workers_are_asked_for_the_sign_of_life_that_they_give() -> None:
    for name in ("worker-cpu", "worker-gpu"):
        how, check = services()[name]["healthcheck"]["test"]
        assert (how, check.replace("$$", "$")) == ("CMD-SHELL", CHECK)
    for manifest in manifests():
        if manifest["metadata"]["name"].startswith("worker-"):
            for container in containers(manifest):
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    assert container[probe]["exec"]["command"] == ["sh", "-c", CHECK]


def test_the_root_of_minio_is_given_to_nobody_but_minio_and_the_job_that_makes_its_user() -> None:
    told = {name for name, one in services().items() if "S3_ROOT" in str(one)}
    assert told == {"minio", "bucket"}
    told = {m["metadata"]["name"] for m in manifests() if "S3_ROOT" in str(m)}
    assert told == {"minio", "bucket"}


def test_the_studio_listens_with_a_token_and_only_watches() -> None:
    container = next(c for m in manifests() for c in containers(m) if c["name"] == "studio")
    for command in (words(filled(services()["studio"]["command"], {})), container["args"]):
        given = parses_as_surco(command)
        assert given["read_only"] and not given["browser"] and given["port"] == 8360
        assert not is_loopback(given["host"]), "nobody reaches it from outside its container"
        assert given["mlflow"] == "http://localhost:5000"
    assert services()["studio"]["ports"][0].endswith(":8360")
    checked = services()["studio"]["healthcheck"]["test"][-1]
    assert f"http://localhost:8360{HEALTH}" in checked
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": HEALTH, "port": "http"}
    songs = [t for t in services()["studio"]["tmpfs"] if t.startswith("/tmp:")]
    assert songs, "what is opened would have nowhere to lie"
