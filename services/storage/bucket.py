"""`python -m services.storage.bucket`: makes the bucket and, on MinIO, the user who may use nothing else.

Compose and Kubernetes run it once, before workers start. `S3_ROOT_USER` and `S3_ROOT_PASSWORD`
are the root of MinIO, given to nobody else; the user made is that of `SURCO_S3_ACCESS_KEY`. Where both are
the same, or no root is named, as for a store that somebody else runs, the key must be there already.
"""

import json
import os
import sys
from typing import Any

import urllib3
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from services.errors import ServerDown
from services.settings import Settings, load_settings
from services.storage.s3 import S3Store
from surco.errors import InputError

ATTACHED = "XMinioAdminPolicyChangeAlreadyApplied"
ON_BUCKET = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
ON_OBJECTS = [
    "s3:GetObject", "s3:PutObject", "s3:DeleteObject",
    "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts",
]  # fmt: skip


def policy(bucket: str) -> dict[str, Any]:
    """What a worker, a command line and MLflow may do: read, write and list one bucket, in IAM's language."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ON_BUCKET, "Resource": [f"arn:aws:s3:::{bucket}"]},
            {"Effect": "Allow", "Action": ON_OBJECTS, "Resource": [f"arn:aws:s3:::{bucket}/*"]},
        ],
    }


def make_user(root: Settings, access: str, secret: str) -> None:
    """Make a user of MinIO who may use the settings' bucket alone; one who is there gets this secret.

    Parameters
    ----------
    root : Settings
        Address, bucket, and the keys of MinIO's root.
    access, secret : str
        The user's own keys.

    Raises
    ------
    InputError
        The store refuses, or has no users in MinIO's way.
    ServerDown
        It does not answer.
    """
    admin = MinioAdmin(
        endpoint=root.s3_endpoint,
        credentials=StaticProvider(root.s3_access_key, root.s3_secret_key.get_secret_value()),
        region=root.s3_region,
        secure=root.s3_secure,
        http_client=urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=30), retries=2),
    )
    name = f"{root.s3_bucket}-only"
    try:
        admin.policy_add(name, policy=policy(root.s3_bucket))
        admin.user_add(access, secret)
        admin.attach_policy([name], user=access)
    except MinioAdminException as error:
        if ATTACHED in str(error):
            return
        raise InputError(
            f"The store at {root.s3_endpoint} made no user {access[:40]}: {_said(error)}. On MinIO check "
            "S3_ROOT_USER; the key of another store is made there, and S3_ROOT_USER is then S3_ACCESS_KEY."
        ) from None
    except HTTPError as error:
        raise ServerDown("S3", root.s3_endpoint) from error


def _said(error: MinioAdminException) -> str:
    """The code in MinIO's answer, or the HTTP status of another server's."""
    try:
        return str(json.loads(error._body)["Code"])[:60]
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"HTTP {error._code}"


def main() -> int:
    ours = load_settings(servers=False)
    user = os.environ.get("S3_ROOT_USER") or ours.s3_access_key
    password = os.environ.get("S3_ROOT_PASSWORD") or ours.s3_secret_key.get_secret_value()
    root = ours.model_copy(update={"s3_access_key": user, "s3_secret_key": SecretStr(password)})
    S3Store(root, attempts=8).ensure_bucket()
    if user == ours.s3_access_key:
        return 0
    try:
        make_user(root, ours.s3_access_key, ours.s3_secret_key.get_secret_value())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
