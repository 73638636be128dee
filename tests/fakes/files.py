"""The object store of a training thread, in memory; it can be made to fail."""

import hashlib

from shared.contracts.attempts import StoredFile
from shared.errors import StorageError


class MemoryFiles:
    """Implements `Files`."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.num_failures = 0
        """The number of next writes that fail."""

    def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        if self.num_failures:
            self.num_failures -= 1
            raise StorageError("the store is full")
        self.objects[key] = content
        return StoredFile(
            key=key,
            size_bytes=len(content),
            content_type=content_type,
            sha256=hashlib.sha256(content).hexdigest(),
        )

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)
