"""Protocol of the object store."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """The metadata of an object."""

    key: str
    size_bytes: int
    etag: str
    content_type: str
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class OpenObject:
    """An object that is open for reading."""

    info: ObjectInfo
    """Metadata of the whole object, even if only a range is read."""
    chunks: AsyncIterator[bytes]


class ObjectStore(Protocol):
    """The objects of one bucket. Every method raises `StorageError` if the store fails."""

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write an object, replacing an existing one."""
        ...

    async def put_new(self, key: str, content: bytes, content_type: str) -> bool:
        """Write an object only if there is none with the key, atomically.

        Returns:
            True if this call created the object; false if it existed, and is unchanged.
        """
        ...

    async def put_from(
        self,
        key: str,
        source: BinaryIO,
        size_bytes: int,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        """Write an object from a file, starting at its position, without reading it into memory."""
        ...

    async def copy(self, source: str, target: str) -> None:
        """Copy an object with its type and metadata within the store, atomically.

        Raises `ObjectNotFoundError` if the source does not exist.
        """
        ...

    async def get(self, key: str) -> bytes:
        """Read an object; raises `ObjectNotFoundError` if it does not exist."""
        ...

    def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """Read an object in chunks; raises `ObjectNotFoundError` if it does not exist."""
        ...

    def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AbstractAsyncContextManager[OpenObject]:
        """Open an object for reading; raises `ObjectNotFoundError` if it does not exist."""
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """Return the metadata of an object; none if it does not exist."""
        ...

    async def list(self, prefix: str) -> list[ObjectInfo]:
        """Return all objects under a prefix, in key order, without content type and metadata."""
        ...

    async def delete(self, key: str) -> None:
        """Delete an object; no error if it does not exist."""
        ...

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Write an object from a file in parts, replacing an existing one."""
        ...

    async def get_file(self, key: str, path: Path) -> None:
        """Read an object into a file; raises `ObjectNotFoundError` if it does not exist."""
        ...

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        """Return a URL with which anyone can GET an object until it expires; makes no request."""
        ...
