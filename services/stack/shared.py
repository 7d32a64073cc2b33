"""What the embedded servers share with those in containers: one file each in `infra/`."""

from pathlib import Path

_INFRA = Path(__file__).resolve().parents[2] / "infra"


def redis_conf() -> str:
    """How Redis keeps what it is given, as lines of its configuration."""
    return (_INFRA / "redis.conf").read_text(encoding="utf-8")


def environment(server: str) -> dict[str, str]:
    """The variables that every `server` (mlflow or worker) runs under."""
    lines = (_INFRA / f"{server}.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
