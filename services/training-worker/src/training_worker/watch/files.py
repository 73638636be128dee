"""The object store as the training thread uses it, and the files that a training has stored."""

from typing import Protocol
from uuid import UUID

from shared.contracts.attempts import StoredFile
from shared.contracts.folders import TRAININGS_FOLDER


class Files(Protocol):
    """Objects, read and written on the calling thread. Each method may raise `StorageError`."""

    def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        """Write an object, replacing an existing one."""
        ...

    def get(self, key: str) -> bytes | None:
        """Read an object; None if it does not exist."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; no error if it does not exist."""
        ...


def training_key(training_id: UUID, name: str) -> str:
    """Return the key of a training's object, such as `trainings/<id>/log.txt`."""
    return f"{TRAININGS_FOLDER}/{training_id}/{name}"


class FileList:
    """Implements `Files` over another one, and lists what is stored, for results and reports."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._stored: dict[str, StoredFile] = {}
        self._unreported: dict[str, StoredFile] = {}

    @property
    def stored(self) -> list[StoredFile]:
        """All files that were written or added and not deleted, each in its last version."""
        return list(self._stored.values())

    def put(self, key: str, content: bytes, content_type: str) -> StoredFile:
        file = self._files.put(key, content, content_type)
        self.add(file)
        return file

    def get(self, key: str) -> bytes | None:
        return self._files.get(key)

    def delete(self, key: str) -> None:
        self._files.delete(key)
        self.forget(key)

    def add(self, file: StoredFile) -> None:
        """List a file that something else stored."""
        self._stored[file.key] = self._unreported[file.key] = file

    def forget(self, key: str) -> None:
        """Take a file off the list that something else deleted."""
        self._stored.pop(key, None)
        self._unreported.pop(key, None)

    def take_unreported(self, most: int) -> list[StoredFile]:
        """Return files that were written since the last call, the oldest first."""
        keys = list(self._unreported)[:most]
        found = [self._unreported.pop(key, None) for key in keys]
        return [file for file in found if file is not None]
