"""An `ObjectStore` in memory."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectInfo, OpenObject


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

    async def put_new(self, key: str, content: bytes, content_type: str) -> bool:
        if key in self.objects:
            return False
        await self.put(key, content, content_type)
        return True

    async def get(self, key: str) -> bytes:
        if key not in self.objects:
            raise ObjectNotFoundError(f"there is no object with the key {key!r}")
        return self.objects[key][0]

    async def put_from(
        self,
        key: str,
        source: BinaryIO,
        size_bytes: int,
        content_type: str,
        metadata: dict[str, str] | None = None,
    ) -> None:
        await self.put(key, source.read(size_bytes), content_type, metadata)

    async def copy(self, source: str, target: str) -> None:
        content = await self.get(source)
        info = replace(self.objects[source][1], key=target, last_modified=datetime.now(UTC))
        self.objects[target] = (content, info)

    async def stream(self, key: str, *, offset: int = 0, length: int = 0) -> AsyncIterator[bytes]:
        async with self.open(key, offset=offset, length=length) as opened:
            async for chunk in opened.chunks:
                yield chunk

    @asynccontextmanager
    async def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AsyncIterator[OpenObject]:
        content = await self.get(key)

        async def chunks() -> AsyncIterator[bytes]:
            yield content[offset : offset + length if length else None]

        yield OpenObject(self.objects[key][1], chunks())

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

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        await self.put(key, path.read_bytes(), content_type)

    async def get_file(self, key: str, path: Path) -> None:
        path.write_bytes(await self.get(key))

    def presigned_url(self, key: str, *, expires_s: int) -> str:
        return f"memory://{key}?expires_s={expires_s}"
