"""Where settings come from, in which order, and how bad ones are told."""

import json
import os
from pathlib import Path

import pytest

from services.settings import PREFIX, Settings, load_settings
from surco.errors import InputError


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder and no SURCO_ variable."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def stack_file(home: Path) -> None:
    settings = {
        "redis_url": "redis://:secret@127.0.0.1:7001/0",
        "s3_endpoint": "127.0.0.1:7002",
        "s3_access_key": "key",
        "s3_secret_key": "hidden",
        "s3_bucket": "surco",
        "mlflow_url": "http://127.0.0.1:7003",
    }
    write(home / "stack" / "stack.json", json.dumps({"settings": settings, "plan": {}}))


def test_no_servers_set_says_how_to_get_them() -> None:
    with pytest.raises(
        InputError, match=r"redis_url, s3_endpoint, mlflow_url.*`surco stack up`.*SURCO_REDIS_URL"
    ):
        load_settings()
    assert load_settings(servers=False).redis_url == ""


def test_embedded_stack_is_found_by_its_file(tmp_path: Path) -> None:
    stack_file(tmp_path / ".surco")
    settings = load_settings()
    assert settings.redis_url == "redis://:secret@127.0.0.1:7001/0"
    assert settings.s3_secret_key.get_secret_value() == "hidden"
    assert settings.home == tmp_path / ".surco"
    assert settings.stack == tmp_path / ".surco" / "stack"


def test_argument_over_environment_over_file_over_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack_file(tmp_path / ".surco")
    write(tmp_path / ".surco" / "settings.toml", 's3_bucket = "from-file"\nmlflow_experiment = "from-file"\n')
    monkeypatch.setenv("SURCO_S3_BUCKET", "from-env")
    monkeypatch.setenv("SURCO_MLFLOW_URL", "http://elsewhere:5000/")
    settings = load_settings()
    assert settings.s3_bucket == "from-env"
    assert settings.mlflow_experiment == "from-file"
    assert settings.mlflow_url == "http://elsewhere:5000"
    assert settings.redis_address == "127.0.0.1:7001"
    assert load_settings(s3_bucket="from-argument").s3_bucket == "from-argument"


def test_home_moves_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "elsewhere"
    stack_file(home)
    monkeypatch.setenv("SURCO_HOME", str(home))
    settings = load_settings()
    assert settings.s3_endpoint == "127.0.0.1:7002"
    places = {settings.stack, settings.cache, settings.outbox, settings.logs, settings.work}
    assert len(places) == 5 and {place.parent for place in places} == {home}


def test_compose_servers_are_read_from_its_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURCO_SERVERS", "compose")
    with pytest.raises(InputError, match=r"\.env does not exist; copy \.env\.example"):
        load_settings()
    write(tmp_path / ".env", "# a comment\nREDIS_PASSWORD=p@ss/word\nS3_ACCESS_KEY='key'\nS3_PORT=9123\n")
    with pytest.raises(InputError, match="has no S3_SECRET_KEY"):
        load_settings()
    with (tmp_path / ".env").open("a") as file:
        file.write("S3_SECRET_KEY=hidden=x\nMLFLOW_PASSWORD=login\n")
    settings = load_settings()
    assert settings.redis_url == "redis://:p%40ss%2Fword@127.0.0.1:6379/0"
    assert settings.redis_address == "127.0.0.1:6379"
    assert (settings.s3_endpoint, settings.s3_access_key) == ("127.0.0.1:9123", "key")
    assert settings.s3_secret_key.get_secret_value() == "hidden=x"
    assert settings.mlflow_url == "http://127.0.0.1:5000"


def test_compose_servers_of_another_machine_are_named_by_three_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURCO_SERVERS", "compose")
    lines = ["REDIS_PASSWORD=a", "S3_ACCESS_KEY=b", "S3_SECRET_KEY=c", "MLFLOW_PASSWORD=d", "REDIS_PORT=6400"]
    inside = ["REDIS_ADDRESS=redis:6379", "S3_ADDRESS=minio:9000", "MLFLOW_ADDRESS=mlflow:5000"]
    write(tmp_path / ".env", "\n".join([*lines, *inside, "LISTEN_ADDRESS=192.0.2.7"]))
    at_home = load_settings()
    assert at_home.redis_address == "192.0.2.7:6400"
    assert (at_home.s3_endpoint, at_home.mlflow_url) == ("192.0.2.7:9000", "http://192.0.2.7:5000")
    away = ["REDIS_ADDRESS=192.0.2.7:6400", "S3_ADDRESS=192.0.2.7:9000", "MLFLOW_ADDRESS=192.0.2.7:5000"]
    write(tmp_path / ".env", "\n".join([*lines, *away]))
    assert load_settings() == at_home
    write(tmp_path / ".env", "\n".join([*lines, *inside, "LISTEN_ADDRESS=0.0.0.0"]))
    assert load_settings().redis_address == "127.0.0.1:6400"


def test_compose_can_be_chosen_in_the_file(tmp_path: Path) -> None:
    stack_file(tmp_path / ".surco")
    write(tmp_path / ".surco" / "settings.toml", 'servers = "compose"\n')
    write(tmp_path / ".env", "REDIS_PASSWORD=a\nS3_ACCESS_KEY=b\nS3_SECRET_KEY=c\nMLFLOW_PASSWORD=d\n")
    assert load_settings().s3_endpoint == "127.0.0.1:9000"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        (
            "REDIS_URL",
            "localhost:6379",
            r"redis_url \(SURCO_REDIS_URL\) is not valid: give an address such as redis",
        ),
        ("REDIS_URL", "redis://127.0.0.1:notaport", "redis_url"),
        ("S3_ENDPOINT", "http://127.0.0.1:9000", "without a scheme"),
        ("S3_ENDPOINT", "127.0.0.1:99999", "such as 127"),
        ("S3_SECURE", "perhaps", "s3_secure"),
        ("S3_BUCKET", "No Such Bucket", "s3_bucket"),
        ("MLFLOW_URL", "127.0.0.1:5000", "such as http"),
        ("SERVERS", "swarm", "embedded"),
    ],
)
def test_bad_values_are_one_sentence_with_the_name(
    name: str, value: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SURCO_{name}", value)
    with pytest.raises(InputError, match=reason) as error:
        load_settings(servers=False)
    assert "\n" not in str(error.value)


def test_unknown_keys_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / ".surco" / "settings.toml", 's3_buckett = "x"\n')
    with pytest.raises(InputError, match=r"s3_buckett in .*settings\.toml; did you mean s3_bucket\?"):
        load_settings(servers=False)
    (tmp_path / ".surco" / "settings.toml").unlink()
    monkeypatch.setenv("SURCO_REDIS_ULR", "x")
    with pytest.raises(InputError, match=r"SURCO_REDIS_ULR; did you mean SURCO_REDIS_URL\?"):
        load_settings(servers=False)
    monkeypatch.delenv("SURCO_REDIS_ULR")
    with pytest.raises(InputError, match="argument nonsense"):
        load_settings(servers=False, nonsense=1)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    write(tmp_path / ".surco" / "settings.toml", "s3_bucket = ")
    with pytest.raises(InputError, match=r"settings\.toml is not valid TOML"):
        load_settings(servers=False)
    write(tmp_path / ".surco" / "settings.toml", 'home = "/elsewhere"\n')
    with pytest.raises(InputError, match="set SURCO_HOME"):
        load_settings(servers=False)
    (tmp_path / ".surco" / "settings.toml").unlink()
    write(tmp_path / ".surco" / "stack" / "stack.json", "{")
    with pytest.raises(InputError, match=r"stack\.json is damaged"):
        load_settings(servers=False)


def test_secrets_do_not_show() -> None:
    settings = Settings(redis_url="redis://:topsecret@127.0.0.1:1/0", s3_secret_key="hidden")
    assert "topsecret" not in repr(settings) and "hidden" not in repr(settings)
    assert "topsecret" not in settings.redis_address
