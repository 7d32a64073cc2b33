"""One project of Compose for the session, built and brought up; nothing runs where no engine answers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.settings import PREFIX
from tests.containers.site import WORKER, Site, why_not
from tests.containers.table import Table
from tests.containers.training import Training

AWAY = float(os.environ.get("AWAY", "120"))  # seconds that a server is away
TABLE = os.environ.get("FAULT_TABLE", "")  # the document that a run's table goes into
STAY = os.environ.get("STAY", "")  # a folder: what is up there is used, not built anew, and stays up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session", autouse=True)
def _engine() -> None:
    reason = why_not()
    if reason:
        pytest.skip(f"no containers can be run: {reason}")


@pytest.fixture(scope="session")
def site(_engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Built, up and healthy; gone with its volumes after the session."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    if STAY:
        site = Site(Path(STAY))
        site.up()
        yield site
        return
    site = Site(tmp_path_factory.mktemp("containers"))
    site.compose("down", "--volumes", "--remove-orphans", timeout=300)  # of a session that was killed
    try:
        site.compose("build", WORKER, "mlflow", timeout=1500)
        site.up()
        yield site
    finally:
        site.compose("--profile", "small", "down", "--volumes", "--remove-orphans", timeout=300)


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    table = Table(TABLE)
    yield table
    print("\n" + "\n".join(table.lines()))


@pytest.fixture(scope="session")
def calm(site: Site) -> str:
    """The weights of a training that nothing disturbs."""
    training = Training(site, 0).submit()
    training.done()
    return training.weights()
