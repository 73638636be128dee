"""S3 implementation of the object store: the minio client in a thread pool of its own."""

import asyncio
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.error import MinioException, S3Error

from shared.errors import ObjectNotFoundError, StorageError
from shared.settings import StorageSettings
from shared.storage.object_store import ObjectInfo, OpenObject

_T = TypeVar("_T")
_CHUNK_BYTES = 256 * 1024
_MISSING = frozenset({"NoSuchKey", "NoSuchObject", "NotFound"})
_EXISTS = "PreconditionFailed"
_METADATA_PREFIX = "x-amz-meta-"
_CREATOR = "created-by"
"""Metadata of an object that was created conditionally: the call that did it."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class _Client(Minio):
    """The minio client, with the write that its public methods lack."""

    def put_if_absent(self, bucket: str, key: str, content: bytes, headers: dict[str, str]) -> None:
        """Write an object unless there is one; raises `S3Error` `PreconditionFailed` then."""
        # The method that `put_object` calls; it is the only one that takes headers.
        self._put_object(bucket, key, content, {**headers, "If-None-Match": "*"})


class S3ObjectStore:
    """One bucket of an S3-compatible server. Implements `ObjectStore`.

    Args:
        settings: endpoint, credentials and bucket.
        max_connections: maximal number of concurrent requests, each on its own thread.
    """

    def __init__(self, settings: StorageSettings, *, max_connections: int = 16) -> None:
        self._bucket = settings.bucket
        self._threads = ThreadPoolExecutor(max_connections, thread_name_prefix="s3")
        pool = urllib3.PoolManager(
            maxsize=max_connections,
            timeout=urllib3.Timeout(connect=3, read=30),
            retries=urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[502, 503]),
        )

        def client(endpoint: str, *, is_secure: bool) -> _Client:
            return _Client(
                endpoint,
                access_key=settings.access_key.get_secret_value(),
                secret_key=settings.secret_key.get_secret_value(),
                secure=is_secure,
                region=settings.region,
                http_client=pool,
            )

        self._client = client(settings.endpoint, is_secure=settings.is_secure)
        public = urlsplit(settings.public_url)
        # Used only for signing: the host is part of the signature.
        self._public = (
            client(public.netloc, is_secure=public.scheme == "https")
            if public.netloc
            else self._client
        )

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write an object, replacing an existing one."""
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

    async def put_new(self, key: str, content: bytes, content_type: str) -> bool:
        """Write an object only if there is none with the key, atomically.

        Returns:
            True if this call created the object; false if it existed, and is unchanged.
        """
        creator = str(uuid4())
        headers = {"Content-Type": content_type, f"{_METADATA_PREFIX}{_CREATOR}": creator}
        return await self._call(key, lambda: self._create(key, content, headers, creator))

    def _create(self, key: str, content: bytes, headers: dict[str, str], creator: str) -> bool:
        try:
            self._client.put_if_absent(self._bucket, key, content, headers)
        except S3Error as error:
            if error.code != _EXISTS:
                raise
            # The pool repeats a request whose response was lost: the object may be this call's.
            there = self._client.stat_object(self._bucket, key)
            return _described(key, there.metadata or {}).metadata.get(_CREATOR) == creator
        return True

    async def put_from(
        self,
        key: str,
        source: BinaryIO,
        size_bytes: int,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write an object from a file, starting at its position, without reading it into memory."""
        headers: Any = metadata
        await self._call(
            key,
            lambda: self._client.put_object(
                self._bucket,
                key,
                source,
                size_bytes,
                content_type=content_type,
                metadata=headers,
                # One part in memory at a time.
                num_parallel_uploads=1,
            ),
        )

    async def copy(self, source: str, target: str) -> None:
        """Copy an object with its type and metadata within the store, atomically.

        Raises:
            ObjectNotFoundError: the source does not exist.
        """
        await self._call(
            source,
            lambda: self._client.copy_object(
                self._bucket, target, CopySource(self._bucket, source)
            ),
        )

    async def get(self, key: str) -> bytes:
        """Read an object; raises `ObjectNotFoundError` if it does not exist."""
        return b"".join([chunk async for chunk in self.stream(key)])

    async def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """Read an object in chunks; raises `ObjectNotFoundError` if it does not exist.

        Args:
            key: of the object.
            offset: first byte.
            length: bytes to read; 0: to the end.
        """
        async with self.open(key, offset=offset, length=length) as opened:
            async for chunk in opened.chunks:
                yield chunk

    @asynccontextmanager
    async def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AsyncGenerator[OpenObject]:
        """Open an object for reading; raises `ObjectNotFoundError` if it does not exist."""
        response = await self._call(
            key,
            lambda: self._client.get_object(self._bucket, key, offset=offset, length=length),
        )

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := await self._call(key, lambda: response.read(_CHUNK_BYTES)):
                yield chunk

        try:
            yield OpenObject(_described(key, response.headers), chunks())
        finally:
            response.close()
            response.release_conn()

    async def head(self, key: str) -> ObjectInfo | None:
        """Return the metadata of an object; none if it does not exist."""
        try:
            found = await self._call(key, lambda: self._client.stat_object(self._bucket, key))
        except ObjectNotFoundError:
            return None
        return replace(
            _described(key, found.metadata or {}),
            size_bytes=found.size or 0,
            etag=found.etag or "",
            last_modified=found.last_modified or _EPOCH,
        )

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """Return all objects under a prefix, in key order, without content type and metadata."""
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
                last_modified=item.last_modified or _EPOCH,
            )
            for item in found
        ]

    async def delete(self, key: str) -> None:
        """Delete an object; no error if it does not exist."""
        await self._call(key, lambda: self._client.remove_object(self._bucket, key))

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Write an object from a file in parts, replacing an existing one."""
        await self._call(
            key,
            lambda: self._client.fput_object(
                self._bucket, key, str(path), content_type=content_type
            ),
        )

    async def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file; raises `ObjectNotFoundError` if it does not exist."""
        await self._call(key, lambda: self._client.fget_object(self._bucket, key, str(path)))

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        """Return a URL with which anyone can GET an object until it expires; makes no request."""
        return self._public.presigned_get_object(
            self._bucket, key, expires=timedelta(seconds=expires_s)
        )

    async def is_reachable(self) -> bool:
        """Return true if the bucket exists; raises `StorageError` if the store does not respond."""
        return await self._call("", lambda: self._client.bucket_exists(self._bucket))

    def close(self) -> None:
        """Stop the threads once their requests have ended."""
        self._threads.shutdown(wait=False)

    async def _call(self, key: str, work: Callable[[], _T]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work)
        except S3Error as error:
            if error.code in _MISSING:
                raise ObjectNotFoundError(f"there is no object with the key {key!r}") from error
            raise StorageError(f"object storage refused {key!r}: {error.code}") from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            raise StorageError(f"object storage did not respond for {key!r}") from error


def _described(key: str, headers: Mapping[str, Any]) -> ObjectInfo:
    """Return the metadata in a response's headers; of the whole object, even for a range."""
    lower = {name.lower(): str(value) for name, value in headers.items()}
    whole = lower.get("content-range", "").rpartition("/")[2] or lower.get("content-length", "0")
    modified = lower.get("last-modified")
    return ObjectInfo(
        key=key,
        size_bytes=int(whole),
        etag=lower.get("etag", "").strip('"'),
        content_type=lower.get("content-type", "application/octet-stream"),
        last_modified=parsedate_to_datetime(modified) if modified else _EPOCH,
        metadata={
            name.removeprefix(_METADATA_PREFIX): value
            for name, value in lower.items()
            if name.startswith(_METADATA_PREFIX)
        },
    )
