"""Handing in on the real servers: a sweep whose jobs have not run is refused, with every part named."""

from pathlib import Path

import pytest

from jobs.graph import parse_sweep
from services.queue.client import Client
from services.results.hand_in import deliver
from services.settings import Settings
from surco.errors import InputError


def test_what_is_missing_is_named(settings: Settings, tmp_path: Path) -> None:
    client = Client.open(settings)
    asked = parse_sweep({"name": "handin", "sizes": [64], "study": [64], "prior": False})
    sweep = client.sweep(client.submit_sweep(asked))
    with pytest.raises(InputError) as refused:
        deliver(client, sweep, group="01", lang="es", out=tmp_path / "out")
    for part in ("the data", "the summary", "the listening page", "the report in 'es'", "a generated song"):
        assert part in str(refused.value)
    assert not (tmp_path / "out").exists()
