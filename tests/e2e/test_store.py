"""The object store against real SeaweedFS."""

import os
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretStr

from services.errors import ServerDown
from services.settings import Settings
from services.stack import Stack
from services.stack.plan import PLAN, Plan
from services.storage.bucket import make_user
from services.storage.s3 import S3Store
from surco.errors import InputError
from tests.e2e.limited_store import limited_store

GIVEN = os.environ.get("SURCO_TEST_S3", "")  # http://key:secret@host:port/bucket


def _given(settings: Settings) -> Settings:
    parts = urlsplit(GIVEN)
    return settings.model_copy(
        update={
            "s3_endpoint": f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}",
            "s3_secure": parts.scheme == "https",
            "s3_access_key": unquote(parts.username or ""),
            "s3_secret_key": SecretStr(unquote(parts.password or "")),
            "s3_bucket": parts.path.strip("/") or "surco-test",
        }
    )


@pytest.fixture(scope="module")
def limited(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with limited_store(tmp_path_factory.mktemp("limited"), stack.settings()) as found:
        yield found


@pytest.fixture(scope="module")
def cleared(stack: Stack) -> None:
    """The given store without what an earlier run left in it."""
    found = S3Store(_given(stack.settings()))
    found.ensure_bucket()
    for key in [*found.keys("store/"), *found.keys("listed/")]:
        found.delete(key)


@pytest.fixture(params=["embedded", "limited", "given"])
def store(request: pytest.FixtureRequest, settings: Settings) -> S3Store:
    """The embedded store, a user held to one bucket by our policy, and what SURCO_TEST_S3 names."""
    if request.param == "embedded":
        return S3Store(settings)
    if request.param == "limited":
        return S3Store(request.getfixturevalue("limited"))
    if not GIVEN:
        pytest.skip("SURCO_TEST_S3 names no other S3 server: http://key:secret@host:port/bucket")
    request.getfixturevalue("cleared")
    return S3Store(_given(settings))


def test_bytes_come_back(store: S3Store) -> None:
    for data in (b"", b"x", bytes(range(256)) * 9000):  # the last beyond one chunk of SeaweedFS
        assert store.put_bytes("store/bytes/one", data)
        assert store.get_bytes("store/bytes/one") == data


def test_awkward_keys_come_back(store: S3Store) -> None:
    keys = ["store/odd/a b+c%2F.json", "store/odd/canción ñ.wav", "store/odd/x=y&z?#"]
    for key in keys:
        store.put_bytes(key, key.encode())
        assert store.put_bytes(key, b"other", if_absent=True) is False
        assert store.get_bytes(key) == key.encode()
    assert store.keys("store/odd/") == sorted(keys)


def test_missing_object(store: S3Store, tmp_path: Path) -> None:
    assert store.get_bytes("store/none") is None
    assert not store.exists("store/none")
    store.delete("store/none")
    with pytest.raises(FileNotFoundError, match="store/none"):
        store.get("store/none", tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_file_is_replaced_whole(store: S3Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "deep" / "target"
    source.write_bytes(b"new" * 1_000_000)
    store.put("store/file", source)
    target.parent.mkdir()
    target.write_bytes(b"old")
    store.get("store/file", target)
    assert target.read_bytes() == source.read_bytes()
    assert [p.name for p in target.parent.iterdir()] == ["target"]


def test_keys_list_more_than_a_page(store: S3Store) -> None:
    wanted = [f"store/many/{i:04d}" for i in range(1050)]
    for part in range(0, len(wanted), 350):
        threads = [
            threading.Thread(target=lambda keys=keys: [store.put_bytes(k, b"") for k in keys])
            for keys in (wanted[part : part + 175], wanted[part + 175 : part + 350])
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert store.keys("store/many/") == wanted
    assert store.keys("store/many/000") == wanted[:10]
    assert store.keys("store/nothing/") == []


def test_delete(store: S3Store) -> None:
    store.put_bytes("store/gone", b"1")
    store.delete("store/gone")
    assert store.get_bytes("store/gone") is None
    assert store.put_bytes("store/gone", b"2", if_absent=True)


def test_one_of_many_conditional_writers_wins(store: S3Store) -> None:
    for race in range(5):
        key, won = f"store/race/{race}", []
        start = threading.Barrier(12)

        def write(
            name: bytes, key: str = key, won: list[bytes] = won, start: threading.Barrier = start
        ) -> None:
            start.wait()
            if store.put_bytes(key, name, if_absent=True):
                won.append(name)

        threads = [threading.Thread(target=write, args=(b"%d" % i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.get_bytes(key) == won[0]


def test_conditional_write_whose_answer_was_lost_is_still_ours(store: S3Store) -> None:
    real, answers = store._http.request, []

    def lose_first_answer(*args: object, **kwargs: object) -> object:
        answer = real(*args, **kwargs)
        answers.append(answer)
        if len(answers) == 1:
            raise ConnectionResetError("the answer was lost")
        return answer

    store._http.request = lose_first_answer
    assert store.put_bytes("store/lost", b"mine", if_absent=True)
    assert len(answers) == 2 and answers[1].status == 412
    store._http.request = real
    assert not store.put_bytes("store/lost", b"mine", if_absent=True)


def test_a_large_file_travels_in_parts(store: S3Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(1 << 20) * 24)  # beyond the SDK's part size, and SeaweedFS's chunk
    store.put("store/large", source)
    store.get("store/large", target)
    assert target.read_bytes() == source.read_bytes()


def test_presigned_url_is_open_to_anyone_and_the_plain_one_is_not(store: S3Store, settings: Settings) -> None:
    store.put_bytes("store/shared", b"listen")
    with urllib.request.urlopen(store.url("store/shared"), timeout=10) as answer:
        assert answer.read() == b"listen"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(store.url("store/shared").partition("?")[0], timeout=10)
    assert refused.value.code == 403


def test_wrong_credentials_are_named(settings: Settings) -> None:
    wrong = S3Store(settings.model_copy(update={"s3_secret_key": SecretStr("not the secret")}))
    for write in (
        lambda: wrong.put_bytes("store/no", b""),
        lambda: wrong.put_bytes("store/no", b"", if_absent=True),
    ):
        with pytest.raises(ServerDown, match=r"refuses the credentials.*SURCO_S3_SECRET_KEY"):
            write()


def test_dead_server_is_named_with_address_and_remedy(settings: Settings) -> None:
    nobody = S3Store(settings.model_copy(update={"s3_endpoint": "127.0.0.1:9"}), attempts=2)
    with pytest.raises(ServerDown, match=r"S3 at 127\.0\.0\.1:9 does not answer; .*`surco stack up`"):
        nobody.get_bytes("store/any")


def test_objects_outlive_a_stop_and_a_crash(stack: Stack, settings: Settings) -> None:
    store = S3Store(settings)
    store.put_bytes("store/kept", b"still here")
    stack.stop_server("s3")
    with pytest.raises(ServerDown):
        store.get_bytes("store/kept")
    stack.start_server("s3")
    assert store.get_bytes("store/kept") == b"still here"
    stack.kill_server("s3")
    stack.wait(("s3",))
    assert store.get_bytes("store/kept") == b"still here"


def test_secrets_are_the_owners_alone(stack: Stack) -> None:
    for name in ("stack.json", "s3.json", "s3.options", "redis.conf"):
        assert stat.S_IMODE((stack.folder / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.folder.stat().st_mode) == 0o700


def test_one_shot_job_creates_the_bucket(stack: Stack, settings: Settings) -> None:
    root = Path(__file__).resolve().parents[2]
    plan = Plan.load(stack.folder / PLAN)  # the key of workers is held to its own bucket
    assert plan is not None
    settings = settings.model_copy(
        update={"s3_access_key": plan.root_access_key, "s3_secret_key": SecretStr(plan.root_secret_key)}
    )
    env = {
        **os.environ,
        "SURCO_S3_ENDPOINT": settings.s3_endpoint,
        "SURCO_S3_ACCESS_KEY": settings.s3_access_key,
        "SURCO_S3_SECRET_KEY": settings.s3_secret_key.get_secret_value(),
        "SURCO_S3_BUCKET": "one-shot",
        "SURCO_HOME": str(settings.home),
    }
    for _ in range(2):  # again is no fault
        subprocess.run(
            [sys.executable, "-m", "services.storage.bucket"], env=env, cwd=root, check=True, timeout=120
        )
    made = S3Store(settings.model_copy(update={"s3_bucket": "one-shot"}))
    assert made.put_bytes("x", b"x", if_absent=True)


def test_objects_are_listed_with_size_and_time(store: S3Store) -> None:
    for n in range(3):
        store.put_bytes(f"listed/{n}/a.bin", bytes(100 * n + 1))
    found = store.objects("listed/")
    assert [o.key for o in found] == store.keys("listed/")
    assert [o.size for o in found] == [1, 101, 201]
    assert all(o.modified > 1.7e9 for o in found)  # seconds since the epoch


def test_the_policy_lets_nobody_out_of_the_bucket(limited: Settings) -> None:
    other = S3Store(limited.model_copy(update={"s3_bucket": "other"}), attempts=1)
    for refused in (
        lambda: other.get_bytes("secret"),
        lambda: other.put_bytes("mine", b"x"),
        lambda: other.keys(""),
        lambda: other.delete("secret"),
        S3Store(limited.model_copy(update={"s3_bucket": "third"}), attempts=1).ensure_bucket,
    ):
        with pytest.raises(ServerDown, match="refuses"):
            refused()


def test_a_store_without_minios_users_is_named_with_the_remedy(limited: Settings) -> None:
    with pytest.raises(InputError, match=r"made no user worker: .*S3_ROOT_USER is then S3_ACCESS_KEY"):
        make_user(limited, "worker", "a-secret-of-its-own")
