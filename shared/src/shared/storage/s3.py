"""The object store over S3, through the minio client on threads of its own."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from shared.errors import ObjectNotFoundError, StorageError
from shared.settings import StorageSettings
from shared.storage.object_store import ObjectInfo

_T = TypeVar("_T")
_CHUNK_BYTES = 256 * 1024
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_METADATA_PREFIX = "x-amz-meta-"


class S3ObjectStore:
    """One bucket of an S3-compatible server. Implements `ObjectStore`.

    Args:
        settings: endpoint, credentials and bucket.
        max_connections: requests in flight at most, each on its own thread.
    """

    def __init__(self, settings: StorageSettings, *, max_connections: int = 16) -> None:
        self._bucket = settings.bucket
        self._threads = ThreadPoolExecutor(max_connections, thread_name_prefix="s3")
        connections = urllib3.PoolManager(
            maxsize=max_connections,
            timeout=urllib3.Timeout(connect=3, read=30),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[502, 503]),
        )

        def client(endpoint: str, *, is_secure: bool) -> Minio:
            return Minio(
                endpoint,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                secure=is_secure,
                region=settings.region,
                http_client=connections,
            )

        self._client = client(settings.endpoint, is_secure=settings.is_secure)
        # A signature covers the host: what browsers open is signed for the host that they see.
        self._signer = (
            client(settings.public_endpoint, is_secure=settings.is_public_secure)
            if settings.public_endpoint
            else self._client
        )

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write one object whole, replacing what was there."""
        # The minio client's metadata type is wider than a dict of strings; dicts are invariant.
        headers: Any = metadata
        await self._call(
            key,
            lambda: self._client.put_object(
                self._bucket,
                key,
                io.BytesIO(content),
                len(content),
                content_type=content_type,
                metadata=headers,
            ),
        )

    async def get(self, key: str) -> bytes:
        """Read one object whole; raises `ObjectNotFoundError` if there is none."""
        return b"".join([chunk async for chunk in self.stream(key)])

    async def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """Read one object in chunks; raises `ObjectNotFoundError` if there is none.

        Args:
            key: the object.
            offset: first byte.
            length: bytes to read; 0: to the end.
        """
        response = await self._call(
            key,
            lambda: self._client.get_object(self._bucket, key, offset=offset, length=length),
        )
        try:
            while chunk := await self._call(key, lambda: response.read(_CHUNK_BYTES)):
                yield chunk
        finally:
            response.close()
            response.release_conn()

    async def head(self, key: str) -> ObjectInfo | None:
        """What the store knows of an object, or none if there is no such object."""
        try:
            found = await self._call(key, lambda: self._client.stat_object(self._bucket, key))
        except ObjectNotFoundError:
            return None
        headers = {name.lower(): str(value) for name, value in (found.metadata or {}).items()}
        return ObjectInfo(
            key=key,
            size_bytes=found.size or 0,
            etag=found.etag or "",
            content_type=found.content_type or "application/octet-stream",
            last_modified=found.last_modified or datetime.fromtimestamp(0, UTC),
            metadata={
                name.removeprefix(_METADATA_PREFIX): value
                for name, value in headers.items()
                if name.startswith(_METADATA_PREFIX)
            },
        )

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """Every object under a prefix, in key order; content type and metadata are not filled."""
        found = await self._call(
            prefix,
            lambda: list(self._client.list_objects(self._bucket, prefix=prefix, recursive=True)),
        )
        return [
            ObjectInfo(
                key=item.object_name or "",
                size_bytes=item.size or 0,
                etag=item.etag or "",
                content_type="",
                last_modified=item.last_modified or datetime.fromtimestamp(0, UTC),
            )
            for item in found
        ]

    async def delete(self, key: str) -> None:
        """Remove one object; a missing one is no error."""
        await self._call(key, lambda: self._client.remove_object(self._bucket, key))

    async def presign(self, key: str, *, expires_s: int) -> str:
        """A URL by which anybody, a browser too, reads an object until it expires."""
        # Signing asks nobody: the region is known.
        return self._signer.presigned_get_object(
            self._bucket, key, expires=timedelta(seconds=expires_s)
        )

    async def is_reachable(self) -> bool:
        """Whether the bucket answers; raises `StorageError` when the store does not."""
        return await self._call("", lambda: self._client.bucket_exists(self._bucket))

    def close(self) -> None:
        """Let the threads go; requests in flight end first."""
        self._threads.shutdown(wait=False)

    async def _call(self, key: str, work: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work)
        except S3Error as error:
            if error.code in _MISSING:
                raise ObjectNotFoundError(f"there is no object under {key!r}") from error
            raise StorageError(f"object storage refused {key!r}: {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StorageError(f"object storage did not answer for {key!r}") from error
