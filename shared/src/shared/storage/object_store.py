"""The object store as the rest of the code sees it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """What the store knows of one object without reading it."""

    key: str
    size_bytes: int
    etag: str
    content_type: str
    last_modified: datetime
    metadata: dict[str, str] = field(default_factory=dict[str, str])


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

    async def get(self, key: str) -> bytes:
        """Read one object whole; raises `ObjectNotFoundError` if there is none."""
        ...

    def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        """Read one object in chunks; raises `ObjectNotFoundError` if there is none."""
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

    async def presign(self, key: str, *, expires_s: int) -> str:
        """A URL by which anybody, a browser too, reads an object until it expires."""
        ...
