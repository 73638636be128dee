"""A real object store whose writes are refused, or noticed."""

from collections.abc import Callable, Mapping
from typing import Any

from shared.errors import StorageError
from shared.storage.object_store import ObjectStore


class DisturbedStore:
    """Delegation to another store, except for writes of some keys.

    Args:
        store: the real store.
        refused: numbers of writes that fail, by a part of the key.
        noticed: functions that are called after a write, by a part of the key.
    """

    def __init__(
        self,
        store: ObjectStore,
        refused: Mapping[str, float] | None = None,
        noticed: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        self._store = store
        self.refused = dict(refused or {})
        self._noticed = list((noticed or {}).items())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def notice(self, part: str, call: Callable[[], object]) -> None:
        """Call a function after each write of a key with that part."""
        self._noticed.append((part, call))

    async def put(self, key: str, *arguments: Any) -> None:
        """Write an object."""
        self._refuse(key)
        await self._store.put(key, *arguments)
        self._notice(key)

    async def put_new(self, key: str, *arguments: Any) -> bool:
        """Write an object unless it exists."""
        self._refuse(key)
        is_created = await self._store.put_new(key, *arguments)
        self._notice(key)
        return is_created

    async def put_file(self, key: str, *arguments: Any) -> None:
        """Write an object from a file."""
        self._refuse(key)
        await self._store.put_file(key, *arguments)
        self._notice(key)

    def _refuse(self, key: str) -> None:
        for part, times in self.refused.items():
            if part in key and times > 0:
                self.refused[part] -= 1
                raise StorageError(f"{key} cannot be written: no space left")

    def _notice(self, key: str) -> None:
        for part, call in self._noticed:
            if part in key:
                call()
