"""The object store as the rest of the code sees it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """What the store knows of one object without reading it."""

    key: str
    size_bytes: int
    etag: str
    content_type: str
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class OpenObject:
    """An object that is being read: what the store says of it, and its bytes."""

    info: ObjectInfo
    """Of the whole object, also where only a part of it is read."""
    chunks: AsyncIterator[bytes]


class ObjectStore(Protocol):
    """Bytes under keys in one bucket. Every method raises `StorageError` when the store fails."""

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write one object whole, replacing what was there."""
        ...

    async def put_from(
        self,
        key: str,
        source: BinaryIO,
        size_bytes: int,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write one object from a file, from where the file stands; never whole in memory."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Copy an object with its type and metadata, within the store, whole or not at all.

        Raises `ObjectNotFoundError` if there is no source.
        """
        ...

    async def get(self, key: str) -> bytes:
        """Read one object whole; raises `ObjectNotFoundError` if there is none."""
        ...

    def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """Read one object in chunks; raises `ObjectNotFoundError` if there is none."""
        ...

    def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AbstractAsyncContextManager[OpenObject]:
        """Begin to read one object; raises `ObjectNotFoundError` if there is none."""
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """What the store knows of an object, or none if there is no such object."""
        ...

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """Every object under a prefix, in key order; content type and metadata are not filled."""
        ...

    async def delete(self, key: str) -> None:
        """Remove one object; a missing one is no error."""
        ...

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Write one object from a file, in parts, replacing what was there."""
        ...

    async def get_file(self, key: str, path: Path) -> None:
        """Read one object into a file; raises `ObjectNotFoundError` if there is none."""
        ...

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        """A URL by which anybody may GET an object for a while; asks nobody."""
        ...
