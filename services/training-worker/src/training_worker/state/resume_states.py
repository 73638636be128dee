"""Resume states in the object store, with a pointer object as their commit point."""

from pathlib import Path
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.contracts.error_text import one_line
from shared.errors import StorageError
from training_worker.state.objects import Objects
from training_worker.state.snapshot import Snapshot
from training_worker.state.state_file import (
    StateFile,
    file_digest,
    read_state,
    remove_partial_files,
)

_log = structlog.stdlib.get_logger(__name__)

_SUFFIX = ".safetensors"


class StoredState(BaseModel):
    """A state in the store."""

    model_config = ConfigDict(frozen=True)

    step: int
    key: str
    sha256: str
    size: int


class Pointer(StoredState):
    """The content of `latest.json`: the newest complete state, and the one before it."""

    previous: StoredState | None = None


class ResumeStates:
    """The last two states of one training. The pointer in the store is the truth.

    Args:
        objects: the store.
        training_id: of the training.
        folder: for files on this machine; may be empty or lost.
    """

    def __init__(self, objects: Objects, training_id: UUID, folder: Path) -> None:
        self._objects = objects
        self.folder = folder
        self.prefix = f"trainings/{training_id}/resume/"

    @property
    def _pointer_key(self) -> str:
        return f"{self.prefix}latest.json"

    def newest(self) -> Snapshot | None:
        """Return the newest state that is whole; None: the training begins at step 0.

        Raises:
            StorageError: the store failed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_partial_files(self.folder)
        pointer = self._pointer()
        for stored in (pointer, pointer.previous if pointer else None):
            if stored is not None and (snapshot := self._read(stored)):
                return snapshot
        if pointer is not None:
            _log.warning("no_resume_state_is_whole", step=pointer.step)
        return None

    def publish(self, state: StateFile) -> None:
        """Upload a state, commit it, and delete all but the last two, here and in the store.

        Raises:
            StorageError: the store failed; before the commit the former state stays the newest.
        """
        stored = StoredState(
            step=state.step,
            key=f"{self.prefix}{state.step}{_SUFFIX}",
            sha256=state.sha256,
            size=state.size,
        )
        former = self._pointer()
        previous = self._before(former, stored)
        self._objects.upload(stored.key, state.path)
        pointer = Pointer(**stored.model_dump(), previous=previous)
        self._objects.write_json(self._pointer_key, pointer.model_dump_json())
        self._delete_older(stored, previous)

    @staticmethod
    def _before(former: Pointer | None, stored: StoredState) -> StoredState | None:
        """Return the state before a new one.

        A former one of the same step is replaced. One of a later step is damaged: the attempt that
        writes the new one began before it.
        """
        if former is None:
            return None
        if former.step >= stored.step:
            return former.previous
        return StoredState(**former.model_dump(exclude={"previous"}))

    def _pointer(self) -> Pointer | None:
        content = self._objects.get(self._pointer_key)
        if content is None:
            return None
        try:
            return Pointer.model_validate_json(content)
        except ValidationError:
            _log.warning("resume_pointer_is_damaged", key=self._pointer_key)
            return None

    def _read(self, stored: StoredState) -> Snapshot | None:
        """Return a state; None: it is not whole, or of a build that wrote it otherwise."""
        path = self._fetched(stored)
        if path is None:
            return None
        try:
            return read_state(path)
        except StorageError as error:
            _log.warning("resume_state_is_unreadable", step=stored.step, error=one_line(error))
            return None

    def _fetched(self, stored: StoredState) -> Path | None:
        """Return a state's file on this machine, downloaded if need be; None: it is not whole."""
        path = self.folder / f"{stored.step}{_SUFFIX}"
        if self._is_whole(path, stored):
            return path
        partial = path.with_name(f"{path.name}.partial")
        if self._objects.download(stored.key, partial) and self._is_whole(partial, stored):
            return partial.replace(path)
        partial.unlink(missing_ok=True)
        _log.warning("resume_state_is_damaged", step=stored.step, key=stored.key)
        return None

    @staticmethod
    def _is_whole(path: Path, stored: StoredState) -> bool:
        if not path.is_file() or path.stat().st_size != stored.size:
            return False
        return file_digest(path) == stored.sha256

    def _delete_older(self, stored: StoredState, previous: StoredState | None) -> None:
        """Delete all states but two; newer files on this machine wait for their upload."""
        steps = {stored.step, *([previous.step] if previous else [])}
        for key in self._objects.keys(self.prefix):
            if key.endswith(_SUFFIX) and _step_of(key) not in steps:
                self._objects.delete(key)
        for path in self.folder.glob(f"*{_SUFFIX}"):
            if _step_of(path.name) < stored.step and _step_of(path.name) not in steps:
                path.unlink(missing_ok=True)


def _step_of(name: str) -> int:
    return int(name.rpartition("/")[2].removesuffix(_SUFFIX))
