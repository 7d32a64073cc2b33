"""What the doctor says of things that are not well."""

from pathlib import Path

from services.cli import doctor
from services.settings import Settings


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
