"""An `ObjectStore` in memory."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectInfo


class MemoryObjectStore:
    """Implements `ObjectStore`."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, ObjectInfo]] = {}

    async def put(
        self,
        key: str,
        content: bytes,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        info = ObjectInfo(
            key=key,
            size_bytes=len(content),
            etag=hashlib.md5(content).hexdigest(),
            content_type=content_type,
            last_modified=datetime.now(UTC),
            metadata={name.lower(): value for name, value in (metadata or {}).items()},
        )
        self.objects[key] = (content, info)

    async def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectNotFoundError(f"there is no object under {key!r}")
        return self.objects[key][0]

    async def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        content = await self.get(key)
        yield content[offset : offset + length if length else None]

    async def head(self, key: str) -> ObjectInfo | None:
        return self.objects[key][1] if key in self.objects else None

    async def list(self, prefix: str) -> list[ObjectInfo]:
        return [
            replace(info, content_type="", metadata={})
            for key, (_, info) in sorted(self.objects.items())
            if key.startswith(prefix)
        ]

    async def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    async def presign(self, key: str, *, expires_s: int) -> str:
        return f"memory://{key}?expires_s={expires_s}"
