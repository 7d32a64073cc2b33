"""Object storage: the S3 API through the `minio` SDK, on SeaweedFS and MinIO alike."""

import io
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import urllib3
from minio import Minio
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3.exceptions import HTTPError

from services.errors import ServerDown
from services.settings import Settings

_T = TypeVar("_T")
_ABSENT = {"NoSuchKey", "NoSuchObject", "NotFound"}
_REFUSED = {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}
_BUSY = {"InternalError", "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "RequestTimeout",
         "XMinioStorageFull"}  # fmt: skip
_CHUNK = 1 << 20
_CHECK_KEYS = "check SURCO_S3_ACCESS_KEY and SURCO_S3_SECRET_KEY"


@dataclass(frozen=True)
class Stored:
    """An object as a listing tells of it: bytes, and when it was written in s since the epoch."""

    key: str
    size: int
    modified: float


class S3Store:
    """Whole objects under slash-separated keys of one bucket.

    Parameters
    ----------
    settings : Settings
        Endpoint, credentials, bucket and region.
    attempts : int
        How often a request is tried before `ServerDown` is raised.
    connect_s, read_s : float
        Seconds to wait for a connection and between two bytes of an answer.
    """

    def __init__(
        self, settings: Settings, *, attempts: int = 4, connect_s: float = 2.0, read_s: float = 20.0
    ) -> None:
        self.bucket = settings.s3_bucket
        self.address = settings.s3_endpoint
        self._region = settings.s3_region
        self._attempts = attempts
        # Retries are ours (`_try`): urllib3's would repeat a conditional write blindly.
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=connect_s, read=read_s), retries=False, maxsize=8
        )
        self._client = Minio(
            settings.s3_endpoint,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            secure=settings.s3_secure,
            region=settings.s3_region,
            http_client=self._http,
        )

    def ensure_bucket(self) -> None:
        """Create the bucket where it does not exist yet."""

        def create() -> None:
            if self._client.bucket_exists(self.bucket):
                return
            try:
                self._client.make_bucket(self.bucket, self._region)
            except S3Error as error:
                if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                    raise

        self._try(create)

    def put(self, key: str, path: Path) -> None:
        """Upload a file."""
        self._try(lambda: self._client.fput_object(self.bucket, key, str(path)))

    def put_bytes(self, key: str, data: bytes, *, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent`, False and nothing written where the key is taken."""
        if if_absent:
            return self._put_if_absent(key, data)
        self._try(lambda: self._client.put_object(self.bucket, key, io.BytesIO(data), len(data)))
        return True

    def get(self, key: str, path: Path) -> None:
        """Download an object; the file appears whole or not at all.

        Raises `FileNotFoundError` where there is no such object.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")

        def download() -> None:
            response = self._client.get_object(self.bucket, key)
            try:
                with part.open("wb") as file:
                    for chunk in response.stream(_CHUNK):
                        file.write(chunk)
            finally:
                response.close()
                response.release_conn()

        try:
            self._try(download)
            os.replace(part, path)
        except S3Error as error:
            raise _absent(error, self.bucket, key) from None
        finally:
            part.unlink(missing_ok=True)

    def get_bytes(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is none."""

        def read() -> bytes:
            response = self._client.get_object(self.bucket, key)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

        try:
            return self._try(read)
        except S3Error as error:
            if error.code in _ABSENT:
                return None
            raise

    def exists(self, key: str) -> bool:
        try:
            self._try(lambda: self._client.stat_object(self.bucket, key))
        except S3Error as error:
            if error.code in _ABSENT:
                return False
            raise
        return True

    def keys(self, prefix: str) -> list[str]:
        """Keys that start with `prefix`, sorted."""

        def names() -> list[str]:
            found = self._client.list_objects(self.bucket, prefix=prefix, recursive=True)
            return sorted(item.object_name for item in found if item.object_name and not item.is_dir)

        return self._try(names)

    def objects(self, prefix: str) -> list[Stored]:
        """What `keys` lists, with sizes and times."""

        def found() -> list[Stored]:
            listed = self._client.list_objects(self.bucket, prefix=prefix, recursive=True)
            return [
                Stored(item.object_name, item.size or 0, item.last_modified.timestamp())
                for item in listed
                if item.object_name and item.last_modified and not item.is_dir
            ]

        return self._try(found)

    def delete(self, key: str) -> None:
        """Delete an object; no matter if there is none."""
        self._try(lambda: self._client.remove_object(self.bucket, key))

    def url(self, key: str, *, hours: float = 1.0) -> str:
        """An address from which anyone may read the object for some hours."""
        return self._client.presigned_get_object(self.bucket, key, expires=timedelta(hours=hours))

    def _put_if_absent(self, key: str, data: bytes) -> bool:
        """A presigned PUT with `If-None-Match: *`: the SDK has no conditional write of its own.

        A refusal (412 taken, 409 another write under way) is asked about: what is there decides.
        """
        tried = 0

        def write() -> int:
            nonlocal tried
            tried += 1
            url = self._client.get_presigned_url("PUT", self.bucket, key, expires=timedelta(minutes=5))
            response = self._http.request("PUT", url, body=data, headers={"If-None-Match": "*"})
            if response.status >= 500:
                raise ServerError(f"status {response.status}", response.status)
            return response.status

        for turn in range(self._attempts):
            if turn:
                time.sleep(min(0.1 * 3**turn, 2.0))
            status = self._try(write)
            if status == 200:
                return True
            if status not in (409, 412):
                problem = (
                    "refuses the credentials" if status in (401, 403) else f"answered {status} to a write"
                )
                raise ServerDown("S3", self.address, problem, remedy=_CHECK_KEYS)
            found = self.get_bytes(key)
            if found is not None:
                # An earlier try may have been written and its answer lost: then the object is ours.
                return tried > 1 and found == data
        raise ServerDown("S3", self.address, f"refuses to write {key}, which is not there")

    def _try(self, request: Callable[[], _T]) -> _T:
        """Run a request, again after a short pause while the server is away or busy."""
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(min(0.1 * 3**attempt, 2.0))
            try:
                return request()
            except S3Error as error:
                if error.code in _REFUSED:
                    problem = f"refuses the credentials ({error.code})"
                    raise ServerDown("S3", self.address, problem, remedy=_CHECK_KEYS) from None
                if error.code == "NoSuchBucket":
                    raise ServerDown(
                        "S3", self.address, f"has no bucket {self.bucket}", remedy="`surco doctor` says more"
                    ) from None
                if error.code not in _BUSY:
                    raise
                last: Exception = error
            except (HTTPError, ServerError, InvalidResponseError, ConnectionError) as error:
                last = error
        raise ServerDown("S3", self.address) from last


def _absent(error: S3Error, bucket: str, key: str) -> Exception:
    if error.code in _ABSENT:
        return FileNotFoundError(f"S3 holds no object {key} in bucket {bucket}.")
    return error
