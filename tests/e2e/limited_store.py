"""SeaweedFS that knows one user by the policy which Surco gives its user of MinIO."""

import io
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from minio import Minio
from minio.error import S3Error, ServerError
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from services.settings import Settings
from services.stack.seaweed import binary
from services.storage.bucket import policy

ROOT_KEYS, USER_KEYS = ("root", "root-of-the-store"), ("only", "only-one-bucket")
PORTS = ("master", "volume", "filer", "s3")


@contextmanager
def limited_store(folder: Path, settings: Settings) -> Iterator[Settings]:
    """Settings of the user's, whose bucket is there; a second bucket, `other`, holds one object."""
    name = f"{settings.s3_bucket}-only"
    identities = [
        _identity("root", *ROOT_KEYS, actions=["Admin", "Read", "Write", "List", "Tagging"]),
        _identity("only", *USER_KEYS, actions=[], policyNames=[name]),
    ]
    policies = [{"name": name, "content": json.dumps(policy(settings.s3_bucket))}]
    (folder / "s3.json").write_text(json.dumps({"identities": identities, "policies": policies}))
    ports = _free_ports()
    options = [f"{one}.port={ports[one]}" for one in PORTS]
    options += ["ip=127.0.0.1", "ip.bind=127.0.0.1", "s3.port.iceberg=0", "s3.port.lance=0", "webdav=false"]
    options += [f"s3.config={folder / 's3.json'}", "admin.ui=false", "admin.password=not-used-here"]
    (folder / "options").write_text("\n".join(options))
    (folder / "data").mkdir()
    command = [str(binary()), "-logtostderr=true", "mini", f"-dir={folder / 'data'}"]
    with (folder / "log").open("w") as log, subprocess.Popen(
        [*command, f"-options={folder / 'options'}"], stdout=log, stderr=log, start_new_session=True
    ) as server:  # fmt: skip
        try:
            address = f"127.0.0.1:{ports['s3']}"
            _make_buckets(address, settings.s3_bucket)
            yield settings.model_copy(
                update={
                    "s3_endpoint": address,
                    "s3_access_key": USER_KEYS[0],
                    "s3_secret_key": SecretStr(USER_KEYS[1]),
                }
            )
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def _identity(name: str, access: str, secret: str, **rights: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access, "secretKey": secret}], **rights}


def _free_ports() -> dict[str, int]:
    """Ports whose gRPC twins, 10,000 above, are free as well."""
    found: dict[str, int] = {}
    with ExitStack() as held:
        for name in PORTS:
            while name not in found:
                one, twin = (held.enter_context(socket.socket()) for _ in range(2))
                one.bind(("127.0.0.1", 0))
                port = int(one.getsockname()[1])
                try:
                    twin.bind(("127.0.0.1", port + 10_000))
                    found[name] = port
                except (OSError, OverflowError):
                    continue
    return found


def _make_buckets(address: str, bucket: str) -> None:
    client = Minio(address, access_key=ROOT_KEYS[0], secret_key=ROOT_KEYS[1], secure=False)
    end = time.monotonic() + 60
    while True:
        try:
            client.make_bucket(bucket)
            client.make_bucket("other")
            client.put_object("other", "secret", io.BytesIO(b"s"), 1)
            return
        except (OSError, HTTPError, S3Error, ServerError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
