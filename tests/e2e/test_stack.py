"""The embedded stack: what it owns, what it refuses, and what it leaves behind, which is nothing."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import redis
import urllib3

from services.cli.doctor import check_mlflow, check_redis, check_s3
from services.errors import ServerDown
from services.settings import load_settings
from services.stack import Stack
from services.stack.plan import Plan
from services.storage.s3 import S3Store
from surco.errors import InputError


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Stack]:
    """A stack of this test's own, not yet up."""
    stack = Stack(tmp_path / "home" / "stack")
    yield stack
    stack.down()


def processes_under(folder: Path) -> list[int]:
    """Every living process that has this folder in its command line or as its working folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        place = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(folder) in word for word in place):
            found.append(process.pid)
    return found


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_redis_keeps_everything_and_asks_for_the_password(stack: Stack) -> None:
    settings = stack.settings()
    with redis.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        config = client.config_get("*")
    assert config["appendonly"] == "yes"
    assert config["appendfsync"] == "everysec"
    assert config["maxmemory-policy"] == "noeviction"
    assert config["bind"] == "127.0.0.1"
    host, _, port = settings.redis_address.partition(":")
    with redis.Redis(host=host, port=int(port)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_only_loopback_and_only_the_planned_ports(stack: Stack) -> None:
    plan = Plan.load(stack.folder / "stack.json")
    assert plan is not None
    pids = [server["pid"] for server in stack.status().values() if server["pid"]]
    listening = [
        c.laddr
        for pid in pids
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))
        for c in process.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    ]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} <= set(plan.ports())


def test_no_secret_on_a_command_line(stack: Stack) -> None:
    plan = Plan.load(stack.folder / "stack.json")
    assert plan is not None
    secrets = (plan.redis_password, plan.s3_secret_key, plan.s3_access_key, plan.admin_password)
    for pid in processes_under(stack.folder):
        line = " ".join(psutil.Process(pid).cmdline())
        assert not any(secret in line for secret in secrets)


def test_second_stack_on_the_folder_is_refused(stack: Stack) -> None:
    before = stack.status()
    with pytest.raises(InputError, match=r"already up in .*`surco stack down`"):
        Stack(stack.folder).up()
    supervisor = [sys.executable, "-m", "services.stack.supervisor", str(stack.folder), "0", "redis"]
    assert subprocess.run(supervisor, cwd=Path(__file__).parents[2], timeout=60).returncode == 3
    after = stack.status()
    assert [s["pid"] for s in after.values()] == [s["pid"] for s in before.values()]
    assert all(after[name]["state"] == "ready" for name in ("redis", "s3"))


def test_up_again_on_a_running_stack_can_be_asked_for(stack: Stack) -> None:
    pid = stack.status()["redis"]["pid"]
    assert stack.up(("redis", "s3"), exist_ok=True)["redis"]["pid"] == pid


def test_killed_server_is_restarted_with_its_data(stack: Stack) -> None:
    with redis.Redis.from_url(stack.settings().redis_url) as client:
        client.set("kept", "yes")
        client.bgrewriteaof()
        until(lambda: client.info("persistence")["aof_last_write_status"] == "ok")
        time.sleep(1.1)  # appendfsync everysec
        before = stack.status()["redis"]["restarts"]
        stack.kill_server("redis")
        stack.wait(("redis",))
        assert stack.status()["redis"]["restarts"] == before + 1
        assert client.get("kept") == b"yes"


def test_settings_find_the_stack_and_the_environment_overrides_them(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURCO_HOME", str(stack.folder.parent))
    monkeypatch.setenv("SURCO_S3_BUCKET", "elsewhere")
    settings = load_settings()
    assert settings.redis_url == stack.settings().redis_url
    assert settings.s3_bucket == "elsewhere"


def test_nothing_outlives_down(own: Stack) -> None:
    own.up(("redis", "s3"))
    assert len(processes_under(own.folder)) >= 4  # supervisor, reaper, Valkey, SeaweedFS
    plan = Plan.load(own.folder / "stack.json")
    assert plan is not None
    assert own.down() and not own.running()
    assert processes_under(own.folder) == []
    assert {server["state"] for server in own.status().values()} == {"stopped"}
    left = {path.stem.rpartition("-")[2] for path in Path("/tmp").glob("seaweedfs-*.sock")}
    assert left.isdisjoint(str(port) for port in plan.ports())
    assert own.down() is False


def test_nothing_outlives_a_killed_supervisor(own: Stack) -> None:
    own.up(("redis", "s3"))
    os.kill(own._state()["pid"], signal.SIGKILL)
    until(lambda: not own.running())
    assert processes_under(own.folder) == []


def test_stack_ends_with_its_owner_and_comes_back_with_its_data(own: Stack) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    own.up(("redis", "s3"), owner=owner.pid)
    S3Store(own.settings()).put_bytes("kept", b"yes")
    secret = own.settings().s3_secret_key
    owner.kill()
    owner.wait()
    until(lambda: not own.running())
    assert processes_under(own.folder) == []
    own.up(("s3",))
    assert own.settings().s3_secret_key == secret
    assert S3Store(own.settings()).get_bytes("kept") == b"yes"


def test_taken_ports_are_left_to_others(own: Stack) -> None:
    own.folder.mkdir(parents=True)
    plan = Plan.draw()
    plan.save(own.folder / "stack.json")
    with socket.create_server(("127.0.0.1", plan.s3_port + 10000)):
        own.up(("redis",))
    now = Plan.load(own.folder / "stack.json")
    assert now is not None and now.s3_port != plan.s3_port
    assert now.s3_secret_key == plan.s3_secret_key
    assert stat.S_IMODE((own.folder / "stack.json").stat().st_mode) == 0o600


def test_server_that_cannot_start_is_named_and_nothing_is_left(own: Stack) -> None:
    (own.folder / "redis").mkdir(parents=True)
    (own.folder / "redis" / "appendonlydir").write_text("a file where Valkey wants a folder")
    with pytest.raises(ServerDown, match=r"redis at 127\.0\.0\.1:\d+ was not ready .*redis\.log"):
        own.up(("redis",), timeout=8)
    assert own._state()["servers"]["redis"]["restarts"] >= 1
    assert not own.running() and processes_under(own.folder) == []


def test_unknown_server_is_refused(own: Stack) -> None:
    with pytest.raises(InputError, match="no server postgres"):
        own.up(("postgres",))
    assert not own.folder.exists()


def test_mlflow_answers_and_keeps_its_artifacts_in_s3(mlflow_stack: Stack) -> None:
    settings = mlflow_stack.settings()
    assert check_mlflow(settings).ok
    artifact = f"{settings.mlflow_url}/api/2.0/mlflow-artifacts/artifacts/test/hello.txt"
    assert urllib3.request("PUT", artifact, body=b"hola", timeout=30).status == 200
    assert S3Store(settings).get_bytes("mlflow/test/hello.txt") == b"hola"
    assert urllib3.request("GET", artifact, timeout=30).data == b"hola"
    search = f"{settings.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=1"
    assert urllib3.request("GET", search, timeout=30).status == 200
    assert urllib3.request("GET", search, headers={"Host": "evil.example"}, timeout=30).status == 403


def test_doctor_tells_a_sound_server_from_a_dead_one(stack: Stack) -> None:
    settings = stack.settings()
    assert check_redis(settings).ok and check_s3(settings).ok
    stack.stop_server("s3")
    try:
        found = check_s3(settings)
    finally:
        stack.start_server("s3")
    assert not found.ok
    assert settings.s3_endpoint in found.detail and "surco stack up" in found.remedy
    wrong = settings.model_copy(update={"redis_url": f"redis://:wrong@{settings.redis_address}/0"})
    assert not check_redis(wrong).ok and "password" in check_redis(wrong).remedy
