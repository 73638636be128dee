"""A real object store with failing methods."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from shared.errors import StorageError
from shared.storage.object_store import ObjectStore, OpenObject


class BrokenStore:
    """Delegation to another store, except for the failing methods.

    Args:
        store: the real store.
        broken: names of methods that raise; `chunks` fails reading before its first byte.
    """

    def __init__(self, store: ObjectStore, *broken: str) -> None:
        self._store = store
        self._broken = broken

    def __getattr__(self, name: str) -> Any:
        if name not in self._broken:
            return getattr(self._store, name)

        async def fail(*_: Any, **__: Any) -> None:
            raise StorageError(f"{name} is broken")

        return fail

    @asynccontextmanager
    async def open(
        self, key: str, *, offset: int = 0, length: int = 0
    ) -> AsyncIterator[OpenObject]:
        if "open" in self._broken:
            raise StorageError("open is broken")
        async with self._store.open(key, offset=offset, length=length) as opened:
            if "chunks" not in self._broken:
                yield opened
                return

            async def chunks() -> AsyncIterator[bytes]:
                raise StorageError("reading is broken")
                yield b""

            yield OpenObject(opened.info, chunks())
