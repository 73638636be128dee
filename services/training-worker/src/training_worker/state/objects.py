"""The object store as the training's threads use it, which have no event loop."""

import asyncio
import hashlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from shared.contracts.attempts import StoredFile
from shared.errors import ObjectNotFoundError
from shared.storage.object_store import ObjectStore

_T = TypeVar("_T")
_JSON = "application/json"
_BINARY = "application/octet-stream"


class Objects(Protocol):
    """Blocking access to objects. Every method raises `StorageError` if the store fails."""

    def get(self, key: str) -> bytes | None:
        """Return an object's content; None: there is none."""
        ...

    def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        """Write an object, replacing an existing one."""
        ...

    def write_json(self, key: str, content: str) -> None:
        """Write a JSON object, replacing an existing one."""
        ...

    def upload(self, key: str, path: Path) -> None:
        """Write an object from a file, replacing an existing one."""
        ...

    def download(self, key: str, path: Path) -> bool:
        """Read an object into a file; return False where there is none."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """Return all keys under a prefix, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; no error if it does not exist."""
        ...


class LoopObjects:
    """Implements `Objects` over a store whose event loop runs in another thread.

    Args:
        store: the object store.
        loop: its event loop; never that of the calling thread.
    """

    def __init__(self, store: ObjectStore, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    def get(self, key: str) -> bytes | None:
        try:
            return self._wait(self._store.get(key))
        except ObjectNotFoundError:
            return None

    def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        self._wait(self._store.put(key, content, content_type))
        return StoredFile(
            key=key,
            size_bytes=len(content),
            content_type=content_type,
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def write_json(self, key: str, content: str) -> None:
        self._wait(self._store.put(key, content.encode(), _JSON))

    def upload(self, key: str, path: Path) -> None:
        self._wait(self._store.put_file(key, path, _BINARY))

    def download(self, key: str, path: Path) -> bool:
        try:
            self._wait(self._store.get_file(key, path))
        except ObjectNotFoundError:
            return False
        return True

    def keys(self, prefix: str) -> list[str]:
        return sorted(info.key for info in self._wait(self._store.list(prefix)))

    def delete(self, key: str) -> None:
        self._wait(self._store.delete(key))

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
