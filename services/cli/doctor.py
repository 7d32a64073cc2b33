"""`surco doctor`: what each server, the machine and the installation say, and what to do about it."""

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import redis
import urllib3

from services.cli.check import Check
from services.cli.doctor_queue import check_quarantine, check_reconciler, check_workers
from services.errors import ServerDown
from services.settings import Settings
from services.storage.s3 import S3Store

_LEAST_FREE = 5 << 30  # a sweep over a thousand clips leaves about 2 GB
_LEAST_TORCH = (2, 11)
_FULL = 0.8  # of Redis' memory limit
_START = "start the embedded servers with `surco stack up`, or correct {}"


def examine(settings: Settings) -> list[Check]:
    """Look at everything a sweep needs; no check waits more than a few seconds or raises."""
    checks: list[tuple[str, Callable[[], Check]]] = [
        ("redis", lambda: check_redis(settings)),
        ("s3", lambda: check_s3(settings)),
        ("mlflow", lambda: check_mlflow(settings)),
        ("workers", lambda: check_workers(settings)),
        ("reconciler", lambda: check_reconciler(settings)),
        ("quarantine", lambda: check_quarantine(settings)),
        ("python", check_python),
        ("torch", check_torch),
        ("gpu", check_gpu),
        ("libsndfile", check_libsndfile),
        ("disk", lambda: check_disk(settings.home)),
        ("secrets", lambda: check_secrets(settings)),
    ]
    found = []
    for name, check in checks:
        try:
            found.append(check())
        except Exception as error:
            found.append(Check(name, False, f"{type(error).__name__}: {error}", "this is a bug; report it"))
    return found


def check_redis(settings: Settings) -> Check:
    """Answers, takes the password, and keeps what it is given."""
    remedy = _START.format("SURCO_REDIS_URL")
    if not settings.redis_url:
        return Check("redis", False, "no address is set", remedy)
    try:
        with redis.Redis.from_url(
            settings.redis_url, socket_connect_timeout=2, socket_timeout=3, decode_responses=True
        ) as client:
            client.ping()
            server, persistence = client.info("server"), client.info("persistence")
            memory = client.info("memory")
            policy = memory.get("maxmemory_policy", "unknown")
    except redis.AuthenticationError as error:
        return Check(
            "redis", False, f"{settings.redis_address}: {error}", "correct the password in SURCO_REDIS_URL"
        )
    except redis.RedisError as error:
        return Check("redis", False, f"{settings.redis_address}: {error}", remedy)
    name = (
        "Valkey " + server["valkey_version"]
        if "valkey_version" in server
        else f"Redis {server['redis_version']}"
    )
    if policy != "noeviction":
        return Check(
            "redis", False, f"{name} evicts ({policy})", "set maxmemory-policy noeviction, or jobs get lost"
        )
    if not int(persistence.get("aof_enabled", 0)):
        return Check("redis", False, f"{name} keeps nothing on disk", "set appendonly yes")
    used, limit = int(memory.get("used_memory", 0)), int(memory.get("maxmemory", 0))
    full = used / limit if limit else 0.0
    room = f", {100 * full:.0f} % of {limit / 2**20:.0f} MiB used" if limit else ""
    if full >= _FULL:
        return Check(
            "redis", False, f"{name}{room}", "make room with `surco gc`, or raise maxmemory: at its limit "
            "Redis takes no jobs"
        )  # fmt: skip
    return Check("redis", True, f"{name} at {settings.redis_address}{room}")


def check_s3(settings: Settings) -> Check:
    """Answers, takes the credentials, has the bucket, and refuses a second conditional write."""
    remedy = _START.format("SURCO_S3_ENDPOINT")
    if not settings.s3_endpoint:
        return Check("s3", False, "no address is set", remedy)
    if not settings.s3_access_key or not settings.s3_secret_key.get_secret_value():
        return Check("s3", False, "no credentials are set", "set SURCO_S3_ACCESS_KEY and SURCO_S3_SECRET_KEY")
    store = S3Store(settings, attempts=1, connect_s=2.0, read_s=5.0)
    key = ".doctor"
    try:
        store.put_bytes(key, b"surco")
        conditional = not store.put_bytes(key, b"other", if_absent=True) and store.get_bytes(key) == b"surco"
        store.delete(key)
    except ServerDown as error:
        return Check("s3", False, f"{error.address} {error.problem}", error.remedy)
    if not conditional:
        return Check(
            "s3",
            False,
            f"{settings.s3_url} overwrites despite If-None-Match",
            "use SeaweedFS 4.48 or a newer MinIO",
        )
    return Check("s3", True, f"bucket {settings.s3_bucket} at {settings.s3_endpoint}")


def check_mlflow(settings: Settings) -> Check:
    """Answers, and to the name we call it by (it refuses unknown Host headers)."""
    remedy = _START.format("SURCO_MLFLOW_URL")
    if not settings.mlflow_url:
        return Check("mlflow", False, "no address is set", remedy)
    try:
        login = settings.mlflow_headers
        health = urllib3.request("GET", f"{settings.mlflow_url}/health", timeout=5.0, retries=False)
        served = urllib3.request(
            "GET", f"{settings.mlflow_url}/version", headers=login, timeout=5.0, retries=False
        )
        search = f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"
        asked = urllib3.request("GET", search, headers=login, timeout=10.0, retries=False)
    except urllib3.exceptions.HTTPError:
        return Check("mlflow", False, f"{settings.mlflow_url} does not answer", remedy)
    if asked.status == 403:
        return Check(
            "mlflow",
            False,
            f"{settings.mlflow_url} refuses this host name",
            "add it to the server's --allowed-hosts",
        )
    if asked.status == 401:
        return Check(
            "mlflow",
            False,
            f"{settings.mlflow_url} refuses the login",
            "give SURCO_MLFLOW_USERNAME and SURCO_MLFLOW_PASSWORD",
        )
    status = max(health.status, served.status, asked.status)
    if status != 200:
        return Check(
            "mlflow", False, f"{settings.mlflow_url} answers {status}", "see `surco stack logs mlflow`"
        )
    return Check("mlflow", True, f"MLflow {served.data.decode()[:20]} at {settings.mlflow_url}")


def check_python() -> Check:
    """Python 3.11 or newer."""
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, platform.python_version(), "" if ok else "install Python 3.11 or newer")


def check_torch() -> Check:
    """torch 2.11 or newer; only its metadata is read, importing takes seconds."""
    try:
        found = version("torch")
    except PackageNotFoundError:
        return Check("torch", False, "not installed", "run `make setup`")
    ok = tuple(int(part) for part in found.split("+")[0].split(".")[:2]) >= _LEAST_TORCH
    return Check("torch", ok, found, "" if ok else "run `make setup`; Surco needs torch 2.11 or newer")


def check_gpu() -> Check:
    """No GPU is no fault; one that torch cannot use is."""
    names = nvidia_gpus()
    if not names:
        return Check("gpu", True, "none; jobs run on the CPU")
    import torch

    if not torch.cuda.is_available():
        return Check(
            "gpu", False, f"{names[0]}, but torch {torch.__version__} cannot use it", "run `make clean setup`"
        )
    return Check("gpu", True, ", ".join(names))


def nvidia_gpus() -> list[str]:
    """Name and memory of each GPU that the driver knows."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def check_libsndfile() -> Check:
    """Can read what people have: wav, flac, mp3, ogg."""
    import soundfile

    missing = [kind for kind in ("WAV", "FLAC", "MP3", "OGG") if kind not in soundfile.available_formats()]
    found = soundfile.__libsndfile_version__
    if missing:
        return Check("libsndfile", False, f"{found} cannot read {', '.join(missing)}", "update soundfile")
    return Check("libsndfile", True, found)


def check_disk(folder: Path) -> Check:
    """Room where caches, outboxes and the embedded servers write."""
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(there).free
    detail = f"{free / 2**30:.1f} GiB free under {folder}"
    return Check(
        "disk", free >= _LEAST_FREE, detail, "" if free >= _LEAST_FREE else "free 5 GiB, or move SURCO_HOME"
    )


def check_secrets(settings: Settings) -> Check:
    """Files with secrets are read by nobody else."""
    open_to_others = [
        path
        for path in (settings.home / "settings.toml", settings.stack / "stack.json", Path(".env").absolute())
        if path.exists() and path.stat().st_mode & 0o077
    ]
    if open_to_others:
        names = " ".join(map(str, open_to_others))
        return Check("secrets", False, f"others can read {names}", f"chmod 600 {names}")
    return Check("secrets", True, "readable by you alone")
