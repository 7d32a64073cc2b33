"""What the doctor says of things that are not well."""

from pathlib import Path

import pytest
import redis

from services.cli import doctor, explain
from services.cli.disk import duration
from services.queue.broker import Notifier
from services.queue.ledger import Ledger
from services.settings import Settings
from surco.errors import InputError
from tests.private_valkey import PrivateValkey


def nowhere(home: Path) -> Settings:
    """Settings of servers on a port where nothing ever listens."""
    return Settings(
        home=home,
        redis_url="redis://:topsecret@127.0.0.1:9/0",
        s3_endpoint="127.0.0.1:9",
        s3_access_key="key",
        s3_secret_key="hidden",
        mlflow_url="http://127.0.0.1:9",
    )


def test_dead_servers_are_named_with_address_and_remedy(tmp_path: Path) -> None:
    settings = nowhere(tmp_path)
    for check in (doctor.check_redis(settings), doctor.check_s3(settings), doctor.check_mlflow(settings)):
        assert not check.ok
        assert "127.0.0.1:9" in check.detail and "surco stack up" in check.remedy
        assert "topsecret" not in str(check) and "hidden" not in str(check)


def test_missing_settings_are_told_before_anything_is_asked(tmp_path: Path) -> None:
    empty = Settings(home=tmp_path)
    for check, variable in (
        (doctor.check_redis(empty), "SURCO_REDIS_URL"),
        (doctor.check_s3(empty), "SURCO_S3_ENDPOINT"),
        (doctor.check_mlflow(empty), "SURCO_MLFLOW_URL"),
    ):
        assert not check.ok and variable in check.remedy
    half = Settings(home=tmp_path, s3_endpoint="127.0.0.1:9")
    assert "SURCO_S3_SECRET_KEY" in doctor.check_s3(half).remedy


def test_secrets_that_others_can_read_are_told(tmp_path: Path) -> None:
    settings = nowhere(tmp_path)
    assert doctor.check_secrets(settings).ok
    path = tmp_path / "settings.toml"
    path.write_text('s3_secret_key = "x"\n')
    path.chmod(0o644)
    found = doctor.check_secrets(settings)
    assert not found.ok and f"chmod 600 {path}" in found.remedy
    path.chmod(0o600)
    assert doctor.check_secrets(settings).ok


def test_every_check_reports_and_the_remedy_stands_where_something_is_wrong(tmp_path: Path) -> None:
    checks = doctor.examine(nowhere(tmp_path / "not" / "yet" / "there"))
    names = [check.name for check in checks]
    assert names == ["redis", "s3", "mlflow", "workers", "reconciler", "quarantine", "python", "torch", "gpu",
                     "libsndfile", "disk", "secrets"]  # fmt: skip
    assert all(bool(check.remedy) != check.ok and check.detail for check in checks)
    assert all(check.ok for check in checks if check.name in ("python", "torch", "libsndfile"))


def test_redis_near_its_limit_is_told_and_a_full_one_takes_a_sentence(tmp_path: Path) -> None:
    with PrivateValkey("--appendonly", "yes") as server, server.client() as client:
        settings = server.settings(home=tmp_path)
        assert doctor.check_redis(settings).ok
        client.set("filling", "x" * 4_000_000)
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used / 0.7))
        sound = doctor.check_redis(settings)
        assert sound.ok and "70 % of" in sound.detail
        client.config_set("maxmemory", int(used / 0.9))
        near = doctor.check_redis(settings)
        assert not near.ok and "90 % of" in near.detail and "surco gc" in near.remedy
        client.config_set("maxmemory", used // 2)
        ledger = Ledger(client, Notifier(client).many)
        with pytest.raises(redis.exceptions.OutOfMemoryError) as refused:
            ledger.add("0" * 64, kind="noop", queue="cpu", spec={}, required=[], optional=[])
    sentence = explain(refused.value)
    assert sentence is not None and "memory limit" in sentence and "surco gc" in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("0d", 0)])
def test_durations_are_read(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "12", "d", "-1d", "1.5d", "9" * 5000 + "d", "1d2h", "[bold]1d"])
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="such as 12h") as refused:
        duration(text)
    assert len(str(refused.value)) < 300
