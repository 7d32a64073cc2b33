"""Where the servers are: one settings file, overridden by environment variables.

In order of precedence: arguments, `SURCO_*` variables, `<home>/settings.toml`, then what the
chosen servers left behind - `<home>/stack/stack.json` of the embedded stack, or the `.env` of the
compose file when `servers = "compose"`. Keys nobody knows are refused by name.
"""

import difflib
import json
import os
import tomllib
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError
from urllib3.util import make_headers

from surco.errors import InputError, middle_out, quoted
from surco.files import regular_file

PREFIX = "SURCO_"
FILE = "settings.toml"
STACK_FILE = "stack/stack.json"
_MOST = 1_000_000  # bytes of a settings file

HOW = (
    "start the embedded ones with `surco stack up`, or give SURCO_REDIS_URL, SURCO_S3_ENDPOINT, "
    "SURCO_S3_ACCESS_KEY, SURCO_S3_SECRET_KEY and SURCO_MLFLOW_URL"
)


class Settings(BaseSettings):
    """Addresses and secrets of the three servers, and the folder of everything local."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    home: Path = Field(Path(".surco"), description="folder of everything Surco keeps on this machine")
    servers: Literal["embedded", "compose"] = Field("embedded", description="which servers to look for")
    redis_url: str = Field("", repr=False, description="redis://:password@host:port/db")
    s3_endpoint: str = Field("", description="host:port of the S3 API, without a scheme")
    s3_access_key: str = Field("", description="S3 access key")
    s3_secret_key: SecretStr = Field(SecretStr(""), description="S3 secret key")
    s3_bucket: str = Field("surco", pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    s3_region: str = Field("us-east-1", min_length=1)
    s3_secure: bool = Field(False, description="speak https to S3")
    mlflow_url: str = Field("", description="http://host:port of the MLflow server")
    mlflow_username: str = Field("", description="login at the MLflow server, where it asks for one")
    mlflow_password: SecretStr = Field(SecretStr(""), description="password of that login")
    lease_seconds: float = Field(60.0, ge=1, description="how long a silent worker keeps its job, s")
    reconcile_seconds: float = Field(10.0, gt=0, description="pause between two looks of the reconciler, s")
    worker_processes: int = Field(
        0, ge=0, description="jobs at a time; 0: one a GPU, else one a core up to 4"
    )
    notify: str = Field(
        "", description="command or http(s) address told, in JSON, of an ended sweep and of a dead job"
    )
    mlflow_experiment: str = Field("surco", min_length=1, description="experiment that holds every run")

    @field_validator("home")
    @classmethod
    def _home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        return _checked_url(value, ("redis", "rediss"), "redis://:password@127.0.0.1:6379/0")

    @field_validator("mlflow_url")
    @classmethod
    def _mlflow(cls, value: str) -> str:
        return _checked_url(value, ("http", "https"), "http://127.0.0.1:5000").rstrip("/")

    @field_validator("s3_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if "://" in value or "/" in value:
            raise ValueError("give host:port without a scheme or path, such as 127.0.0.1:9000")
        if value:
            _checked_url(f"s3://{value}", ("s3",), "127.0.0.1:9000")
        return value

    def log_in_to_mlflow(self) -> None:
        """Put the login where MLflow's client looks for it: its environment variables alone."""
        if self.mlflow_username:
            os.environ["MLFLOW_TRACKING_USERNAME"] = self.mlflow_username
            os.environ["MLFLOW_TRACKING_PASSWORD"] = self.mlflow_password.get_secret_value()

    @property
    def mlflow_headers(self) -> dict[str, str]:
        """HTTP headers of a request to MLflow that does not go through its client."""
        if not self.mlflow_username:
            return {}
        login = f"{self.mlflow_username}:{self.mlflow_password.get_secret_value()}"
        return dict(make_headers(basic_auth=login))

    @property
    def redis_address(self) -> str:
        """host:port of Redis, fit for a message: no password."""
        parts = urlsplit(self.redis_url)
        return f"{parts.hostname}:{parts.port or 6379}"

    @property
    def s3_url(self) -> str:
        return f"{'https' if self.s3_secure else 'http'}://{self.s3_endpoint}"

    @property
    def stack(self) -> Path:
        """Folder of the embedded servers: secrets, data, logs."""
        return self.home / "stack"

    @property
    def cache(self) -> Path:
        """Artifacts fetched from S3."""
        return self.home / "cache"

    @property
    def outbox(self) -> Path:
        """Metrics not yet taken by MLflow."""
        return self.home / "outbox"

    @property
    def logs(self) -> Path:
        """Logs of the workers and of the jobs they ran."""
        return self.home / "logs"

    @property
    def work(self) -> Path:
        """Scratch folders of running jobs."""
        return self.home / "work"


def load_settings(*, servers: bool = True, **given: Any) -> Settings:
    """The settings of this process; `given` overrides every other source.

    With `servers`, an address that no source gives is refused here, before anything is asked.
    """
    names = Settings.model_fields
    _refuse_unknown(given, names, "argument {}")
    _refuse_unknown(
        [key for key in os.environ if key.startswith(PREFIX)],
        [PREFIX + name.upper() for name in names],
        "environment variable {}",
    )
    top = {**_from_env("home"), **_from_env("servers"), **given}
    home = _home_of(top.get("home"))
    filed = _from_file(home / FILE, names)
    if "home" in filed:
        raise InputError(f"{home / FILE} cannot move home, where it lies itself; set SURCO_HOME instead.")
    kind = top.get("servers") or filed.get("servers", "embedded")
    found = _from_compose(Path.cwd() / ".env") if kind == "compose" else _from_stack(home / STACK_FILE)
    # The environment is read by pydantic itself; what comes from files must stand below it.
    below = {
        key: value
        for key, value in {**found, **filed}.items()
        if PREFIX + key.upper() not in os.environ and key not in given
    }
    try:
        settings = Settings(**{**below, **given, "home": home})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        reason = middle_out(first["msg"].removeprefix("Value error, "), 120)
        raise InputError(f"Setting {name} ({_source(name, given, home)}) is not valid: {reason}.") from None
    except SettingsError as error:
        raise InputError(f"The settings cannot be read ({error}); correct the SURCO_ variables.") from None
    if servers:
        missing = [n for n in ("redis_url", "s3_endpoint", "mlflow_url") if not getattr(settings, n)]
        if missing:
            raise InputError(f"No address is set for {', '.join(missing)}: {HOW}.")
        settings.log_in_to_mlflow()
    return settings


def _home_of(given: object) -> Path:
    """The folder of everything local, if a path can be made of what was given."""
    if given and not isinstance(given, str | Path):
        raise InputError(f"The home {quoted(given)} is no path; set SURCO_HOME to a folder.")
    try:
        home = Path(str(given or ".surco")).expanduser().absolute()
        home.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"SURCO_HOME {quoted(str(given))} cannot be used ({reason}); set another.") from None
    return home


def _read_text(path: Path) -> str:
    """A settings file's text, of at most 1 MB."""
    try:
        with regular_file(path).open("rb") as file:
            data = file.read(_MOST + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); correct or delete it.") from None
    if len(data) > _MOST:
        raise InputError(f"{path} has over a million bytes, which settings never have; correct it.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text in UTF-8; save it as such.") from None


def _there(path: Path) -> bool:
    return os.path.lexists(path)


def _checked_url(value: str, schemes: tuple[str, ...], example: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        valid = parts.scheme in schemes and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"give an address such as {example}")
    return value


def _refuse_unknown(keys: Any, known: Any, what: str) -> None:
    for key in keys:
        if key not in known:
            close = difflib.get_close_matches(key, list(known), 1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}."
            raise InputError(f"Unknown {what.format(quoted(key)[1:-1])}{hint}")


def _from_env(name: str) -> dict[str, str]:
    value = os.environ.get(PREFIX + name.upper())
    return {name: value} if value else {}


def _from_file(path: Path, names: Any) -> dict[str, Any]:
    if not _there(path):
        return {}
    try:
        values = tomllib.loads(_read_text(path))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number of thousands of digits
        raise InputError(f"{path} is not valid TOML ({error}); correct it or delete it.") from None
    _refuse_unknown(values, names, f"key {{}} in {path}")
    return values


def _from_stack(path: Path) -> dict[str, Any]:
    """What `surco stack up` wrote; the stack's own code is not needed to read it."""
    if not _there(path):
        return {}
    try:
        found = dict(json.loads(_read_text(path))["settings"])
        if found.keys() <= Settings.model_fields.keys():
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InputError(f"{path} is damaged; stop the stack and delete it.")


def _from_compose(path: Path) -> dict[str, Any]:
    """The addresses and secrets of docker-compose.yml, from the `.env` it reads itself.

    A server listens on this machine, unless the file names another one: see docs/deploy.md.
    """
    if not _there(path):
        raise InputError(f"{path} does not exist; copy .env.example there and fill it, or set servers.")
    env: dict[str, str] = {}
    for line in _read_text(path).splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            env[key.strip()] = value.strip().strip("\"'")
    here = env.get("LISTEN_ADDRESS") or "127.0.0.1"
    here = "127.0.0.1" if here == "0.0.0.0" else here

    def address(server: str, inside: str, port: str) -> str:
        given = env.get(f"{server}_ADDRESS") or inside
        return f"{here}:{env.get(f'{server}_PORT') or port}" if given == inside else given

    try:
        password = quote(env["REDIS_PASSWORD"], safe="")
        return {
            "redis_url": f"redis://:{password}@{address('REDIS', 'redis:6379', '6379')}/0",
            "s3_endpoint": address("S3", "minio:9000", "9000"),
            "s3_access_key": env["S3_ACCESS_KEY"],
            "s3_secret_key": env["S3_SECRET_KEY"],
            "mlflow_url": f"http://{address('MLFLOW', 'mlflow:5000', '5000')}",
            "mlflow_username": "surco",
            "mlflow_password": env["MLFLOW_PASSWORD"],
        }
    except KeyError as error:
        raise InputError(f"{path} has no {error.args[0]}; fill it in as .env.example shows.") from None


def _source(name: str, given: dict[str, Any], home: Path) -> str:
    if name in given:
        return "argument"
    if PREFIX + name.upper() in os.environ:
        return PREFIX + name.upper()
    return f"from {home / FILE} or the servers' own file"
