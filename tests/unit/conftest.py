"""What the unit tests share: a real Valkey of a module's own, emptied before each test."""

from collections.abc import Iterator

import pytest

from tests.private_valkey import PrivateValkey


@pytest.fixture(scope="module")
def _server() -> Iterator[PrivateValkey]:
    with PrivateValkey() as server:
        yield server


@pytest.fixture
def valkey(_server: PrivateValkey) -> PrivateValkey:
    """A running, empty Valkey."""
    with _server.client() as client:
        client.flushall()
    return _server
