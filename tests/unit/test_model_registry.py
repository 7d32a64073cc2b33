"""The model registry: one version a codec, a champion by the rule, and a model that loads without Surco."""

import json
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.tracking import model_registry
from services.tracking.model_registry import RULE, crown, register, requirements
from surco.codec import Codec
from tests.mlflow_store import FaultyClient

pytestmark = pytest.mark.slow

NAME = "codec"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyClient:
    monkeypatch.chdir(tmp_path)
    return FaultyClient(tmp_path)


def version(client: FaultyClient, **facts: Any) -> str:
    """A version with these facts, which stands for a registered codec; the rule reads nothing else."""
    from mlflow.exceptions import MlflowException

    try:
        client.real.create_registered_model(NAME)
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS"
    tags = {k: str(v) for k, v in facts.items()}
    return str(client.real.create_model_version(NAME, "runs:/x/codec", tags=tags).version)


def champion(client: FaultyClient) -> str:
    return str(client.real.get_model_version_by_alias(NAME, "champion").version)


def test_the_champion_is_the_best_by_the_rule_and_not_the_newest(client: FaultyClient) -> None:
    version(client)  # of an older Surco, which told nothing
    loose = version(client, keeps_bounds=False, size=32, score=0.99)
    assert crown(client, NAME) == loose
    small = version(client, keeps_bounds=True, size=256, score=0.6)
    assert crown(client, NAME) == small
    version(client, keeps_bounds=True, size=512, score=0.9)  # larger
    version(client, keeps_bounds=True, size=256, score=0.5)  # of the same size, but worse
    version(client, keeps_bounds=False, size=16, score=1.0)  # misses a bound
    version(client, keeps_bounds=True, size=8, score=float("nan"))
    assert crown(client, NAME) == small == champion(client)
    equal = version(client, keeps_bounds=True, size=256, score=0.6)
    assert crown(client, NAME) == equal
    better = version(client, keeps_bounds=True, size=128, score=0.55)
    assert crown(client, NAME) == better == champion(client)


def test_two_senders_that_register_at_once_agree_on_the_better(client: FaultyClient) -> None:
    """Forced: the better version comes, and is crowned, between the other's look and its move."""
    version(client, keeps_bounds=True, size=256, score=0.6)

    def other() -> None:
        version(client, keeps_bounds=True, size=64, score=0.7)
        crown(client, NAME)

    client.meanwhile("set_registered_model_alias", other)
    assert crown(client, NAME) == "2" == champion(client)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "codec.safetensors"
    Codec.load().truncated(32).save(path)
    return path


def a_run(client: FaultyClient) -> str:
    found = client.real.get_experiment_by_name("surco")
    experiment = found.experiment_id if found else client.real.create_experiment("surco")
    return str(client.real.create_run(experiment).info.run_id)


FACTS = {"size": 32, "score": 0.5, "keeps_bounds": True}


@pytest.mark.parametrize(
    "method", ["create_registered_model", "create_model_version", "set_registered_model_alias"]
)
def test_a_registration_cut_short_is_finished_and_makes_nothing_twice(
    client: FaultyClient, weights: Path, method: str
) -> None:
    run = a_run(client)
    client.lose_answer(method)
    with pytest.raises(Exception, match="API request failed"):
        register(client, run, weights, NAME, FACTS)
    assert register(client, run, weights, NAME, FACTS) == "1"
    (found,) = client.real.search_model_versions(f"name = '{NAME}'")
    assert found.tags["champion_rule"] == RULE and found.tags["run"] == run
    assert found.tags["champion_value"] == "keeps every bound, 32 dimensions, score 0.5"
    experiment = client.real.get_run(run).info.experiment_id
    assert len(client.real.search_logged_models([experiment])) == 1
    assert champion(client) == "1"


def test_the_model_loads_with_its_requirements_alone(client: FaultyClient, weights: Path) -> None:
    """In a process that knows neither Surco nor any package but those that the model names."""
    register(client, a_run(client), weights, NAME, FACTS)
    (folder,) = (p.parent for p in Path.cwd().rglob("MLmodel"))
    named = {line.strip().split("==")[0] for line in (folder / "requirements.txt").read_text().splitlines()}
    assert named == {"mlflow", *model_registry.REQUIREMENTS}
    assert all("+" not in line and "==" in line for line in requirements())
    wave = np.sin(np.arange(110_250) / 20).astype(np.float32)[None] * 0.3
    np.save("wave.npy", wave)
    done = subprocess.run(
        [sys.executable, "-P", "-c", ALONE, str(folder), json.dumps(sorted(closure(named)))],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {
        "home": str(folder / "code" / "surco" / "__init__.py"),
        "vector": [1, 32],
        "sound": [1, 110_250],
    }
    import torch

    expected = Codec.load(weights).encode(torch.from_numpy(wave)).detach().numpy()
    np.testing.assert_allclose(np.load("vector.npy"), expected, atol=1e-3)


def closure(names: set[str]) -> set[str]:
    """These distributions and all that they need, extras left out."""
    import re

    from packaging.requirements import Requirement

    found, open_ = set(), set(names)
    while open_:
        name = re.sub(r"[-_.]+", "-", open_.pop()).lower()
        if name in found:
            continue
        found.add(name)
        try:
            needs = [Requirement(text) for text in requires(name) or []]
        except Exception:  # not installed: a need of another platform
            continue
        open_ |= {need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})}
    return found


ALONE = """
import json, re, sys
from importlib.metadata import packages_distributions

folder, allowed = sys.argv[1], set(json.loads(sys.argv[2]))
plain = lambda name: re.sub(r"[-_.]+", "-", name).lower()
homes = packages_distributions()
forbidden = {top for top, names in homes.items() if not allowed & {plain(n) for n in names}}
forbidden = (forbidden | {"jobs", "services"}) - {"surco"}

class Fence:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in forbidden:
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)

sys.meta_path.insert(0, Fence())
import numpy as np
import mlflow
model = mlflow.pyfunc.load_model(folder)
import surco
vector = model.predict(np.load("wave.npy"))
sound = model.predict(vector, params={"decode": True})
np.save("vector.npy", vector)
print(json.dumps({"home": surco.__file__, "vector": list(vector.shape), "sound": list(sound.shape)}))
"""
