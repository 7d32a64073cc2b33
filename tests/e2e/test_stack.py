"""The embedded stack: what it owns, what it refuses, and what it leaves behind, which is nothing."""

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
    secrets = [value for value in vars(plan).values() if isinstance(value, str)]
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
    os.kill(own.supervisor() or 0, signal.SIGKILL)
    until(lambda: not own.running())
    assert processes_under(own.folder) == []


def reapers(folder: Path) -> list[int]:
    """Process numbers of the reapers of a stack."""
    pids = processes_under(folder)
    return [pid for pid in pids if any("reaper.py" in word for word in psutil.Process(pid).cmdline())]


def test_a_killed_reaper_is_replaced_and_the_new_one_knows_the_groups(own: Stack) -> None:
    own.up(("redis",))
    (first,) = reapers(own.folder)
    os.kill(first, signal.SIGKILL)
    until(lambda: (found := reapers(own.folder)) and found != [first])
    own.kill_server("redis")  # what the pipe is told of
    own.wait(("redis",))
    supervisor = own.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not own.running())
    assert processes_under(own.folder) == []


def test_servers_that_outlived_supervisor_and_reaper_are_ended_by_the_next_stack(own: Stack) -> None:
    own.up(("redis", "s3"))
    S3Store(own.settings()).put_bytes("kept", b"yes")
    orphans = [own.status()[name]["pid"] for name in ("redis", "s3")]
    supervisor = own.supervisor()
    assert supervisor is not None
    os.kill(supervisor, signal.SIGSTOP)  # it must not start another reaper
    for pid in (*reapers(own.folder), supervisor):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not own.running())
    assert all(psutil.pid_exists(pid) for pid in orphans)
    own.up(("redis", "s3"))
    assert not any(pid in processes_under(own.folder) for pid in orphans)
    assert {own.status()[name]["restarts"] for name in ("redis", "s3")} == {0}
    assert S3Store(own.settings()).get_bytes("kept") == b"yes"


@pytest.mark.parametrize("late", ["redis", "reaper"])
def test_up_during_a_shutdown_waits_for_its_end_and_starts_anew(own: Stack, late: str) -> None:
    own.up(("redis",))
    first = own.supervisor()
    assert first is not None
    held = own.status()["redis"]["pid"] if late == "redis" else reapers(own.folder)[0]
    os.kill(held, signal.SIGSTOP)
    os.kill(first, signal.SIGTERM)
    if late == "redis":
        until(lambda: own._state().get("ending"))
    else:
        until(lambda: own.supervisor() is None)
    assert own.running()
    with pytest.raises(ServerDown, match="does not stop"):
        own.up(("redis",), timeout=0.1)
    with ThreadPoolExecutor(1) as pool:
        up = pool.submit(own.up, ("redis",), exist_ok=True, timeout=60)
        os.kill(held, signal.SIGCONT)
        assert up.result()["redis"]["state"] == "ready"
    assert own.supervisor() not in (first, None)


def test_waiting_for_a_stack_that_goes_down_ends_with_it(own: Stack) -> None:
    own.up(("redis",))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(own.wait, ("s3",), timeout=300)
        own.down()
        with pytest.raises(ServerDown, match="is being stopped"):
            waiting.result(timeout=60)


def test_a_damaged_append_only_file_is_told_and_mended(own: Stack) -> None:
    own.up(("redis",))
    with redis.Redis.from_url(own.settings().redis_url) as client:
        for number in range(50):
            client.set(f"key:{number}", "x" * 100)
    with pytest.raises(InputError, match="stack is up"):
        own.repair()
    own.down()
    assert own.repair().kept is None
    (path,) = (own.folder / "redis" / "appendonlydir").glob("*.incr.aof")
    whole = path.read_bytes()
    place = whole.index(b"*3\r\n", 3000)
    path.write_bytes(whole[:place] + bytes(4) + whole[place + 4 :])
    with pytest.raises(ServerDown, match=r"append-only file is damaged; .*`surco stack repair`") as told:
        own.up(("redis",))
    assert len(str(told.value)) < 300 and not own.running()
    found = own.repair()
    assert found.kept is not None and (found.kept / path.name).stat().st_size == len(whole)
    assert not found.emptied and found.cut[path.name] == (place, len(whole))
    own.up(("redis",))
    with redis.Redis.from_url(own.settings().redis_url) as client:
        kept = client.dbsize()
        assert 10 < kept < 30 and client.get("key:0") == b"x" * 100


def test_a_damaged_base_is_set_aside(own: Stack) -> None:
    own.up(("redis",))
    with redis.Redis.from_url(own.settings().redis_url) as client:
        client.set("key", "x" * 4000)
        client.bgrewriteaof()
        until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
        until(lambda: client.info("persistence")["aof_base_size"] > 100)
    own.down()
    (path,) = (own.folder / "redis" / "appendonlydir").glob("*.base.rdb")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"#" * 8 + whole[len(whole) // 2 + 8 :])
    found = own.repair()
    assert found.emptied and found.kept is not None and (found.kept / path.name).exists()
    own.up(("redis",))
    with redis.Redis.from_url(own.settings().redis_url) as client:
        assert client.dbsize() == 0


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
    listed = f"{settings.mlflow_url}/api/2.0/mlflow-artifacts/artifacts?path=test"
    assert urllib3.request("GET", listed, timeout=30).json()["files"][0]["path"] == "hello.txt"
    assert urllib3.request("DELETE", artifact, timeout=30).status in (200, 204)
    assert S3Store(settings).get_bytes("mlflow/test/hello.txt") is None
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


def test_inner_ports_of_the_store_turn_strangers_away(stack: Stack) -> None:
    plan = Plan.load(stack.folder / "stack.json")
    assert plan is not None
    S3Store(stack.settings()).put_bytes("inner", b"ours")
    strange = urllib3.PoolManager(retries=False, timeout=10)
    asked = [
        (plan.filer_port, "GET", "/buckets/surco/inner"), (plan.filer_port, "PUT", "/buckets/surco/evil"),
        (plan.filer_port, "DELETE", "/buckets/surco/inner"), (plan.master_port, "GET", "/dir/assign"),
        (plan.master_port, "GET", "/vol/status"), (plan.volume_port, "GET", "/1,01637037d6"),
        (plan.volume_port, "PUT", "/1,01637037d6"), (plan.volume_port, "DELETE", "/1,01637037d6"),
    ]  # fmt: skip
    for port, method, path in asked:
        body = b"theirs" if method == "PUT" else None
        answer = strange.request(method, f"http://127.0.0.1:{port}{path}", body=body)
        assert answer.status in (401, 403, 404), f"{method} {path} is answered with {answer.status}"
        # A file that is not there is 404 as well: the volume says that it is the token that is missing.
        assert port != plan.volume_port or answer.status == 401
    assert S3Store(stack.settings()).get_bytes("inner") == b"ours"
    assert S3Store(stack.settings()).get_bytes("evil") is None
    for port in (plan.master_port, plan.volume_port, plan.filer_port, plan.s3_port):
        with socket.create_connection(("127.0.0.1", port + 10000), timeout=10) as plain:
            plain.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            assert plain.recv(1024)[:1] in (b"", b"\x15"), "gRPC is answered without TLS"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", port + 10000), timeout=10) as plain,
            pytest.raises((ssl.SSLError, ConnectionError)),
            context.wrap_socket(plain) as nobody,
        ):
            nobody.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            while nobody.recv(1024):
                pass
            raise ConnectionError("closed")


def test_the_workers_key_is_good_for_the_bucket_alone(stack: Stack) -> None:
    plan = Plan.load(stack.folder / "stack.json")
    assert plan is not None
    settings = stack.settings()
    assert plan.root_access_key not in settings.model_dump_json()
    root = {"s3_access_key": plan.root_access_key, "s3_secret_key": plan.root_secret_key}
    other = S3Store(stack.settings(s3_bucket="other", **root))
    other.ensure_bucket()
    other.put_bytes("secret", b"x")
    ours = stack.settings(s3_bucket="other")
    for use in (
        lambda: S3Store(ours).get_bytes("secret"),
        lambda: S3Store(ours).put_bytes("evil", b"x"),
        lambda: S3Store(ours).keys(""),
        lambda: S3Store(stack.settings(s3_bucket="third")).ensure_bucket(),
    ):
        with pytest.raises(ServerDown, match="refuses the credentials"):
            use()
    mine = S3Store(settings)
    mine.ensure_bucket()  # it is there, and may be looked at
    mine.put_bytes("a/b", b"x")
    assert mine.keys("a/") == ["a/b"]
    mlflow = {"s3_access_key": plan.mlflow_access_key, "s3_secret_key": plan.mlflow_secret_key}
    with pytest.raises(ServerDown, match="refuses the credentials"):
        S3Store(stack.settings(**mlflow)).get_bytes("a/b")
