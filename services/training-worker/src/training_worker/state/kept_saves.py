"""The callback that keeps weights on the way: every `save_every` steps, and the last ones."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from shared.contracts.attempts import StoredFile
from training_worker.loop.callbacks import Callback, StepResult, Trainer
from training_worker.state.objects import Objects
from training_worker.state.uploads import Uploads


class SavedFile(Protocol):
    """A LoRA file on the disk."""

    @property
    def sha256(self) -> str: ...

    @property
    def size_bytes(self) -> int: ...


WriteLora = Callable[[Path, Trainer], SavedFile]
"""Writes a training's averaged weights as a LoRA file."""


class FileList(Protocol):
    """The list of the files that clients can read."""

    def add(self, file: StoredFile) -> None: ...

    def forget(self, key: str) -> None: ...


_SUFFIX = ".safetensors"


class KeptSaves(Callback):
    """Saves the averaged weights alone, as a LoRA that can be used.

    Args:
        objects: the store.
        uploads: uploads them while the training goes on.
        training_id: of the training.
        folder: for files that are not uploaded yet.
        write: writes a file.
        files: of the training.
    """

    state_key = "saves"

    def __init__(
        self,
        objects: Objects,
        uploads: Uploads,
        training_id: UUID,
        folder: Path,
        *,
        write: WriteLora,
        files: FileList,
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._prefix = f"trainings/{training_id}/saves/"
        self._folder = folder
        self._write = write
        self._files = files
        self._kept: dict[str, StoredFile] = {}
        """Saves that are stored or wait for their upload; used by two threads."""
        self._lock = threading.Lock()

    def on_begin(self, trainer: Trainer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        values = trainer.config.values
        if result.step % values.save_every != 0 and result.step != values.steps:
            return
        path = self._folder / f"{result.step}{_SUFFIX}"
        written = self._write(path, trainer)
        file = StoredFile(
            key=f"{self._prefix}{path.name}",
            size_bytes=written.size_bytes,
            content_type="application/octet-stream",
            sha256=written.sha256,
        )
        with self._lock:
            self._kept[file.key] = file
        num_kept = values.max_step_saves_to_keep
        self._uploads.submit(
            f"save {result.step}", lambda: self._publish(path, file, num_kept), lambda: None
        )

    def state(self) -> list[dict[str, Any]]:
        """Return the saves, also those that wait: they are uploaded before this state is."""
        with self._lock:
            return [file.model_dump(mode="json") for file in self._kept.values()]

    def restore(self, state: list[dict[str, Any]]) -> None:
        for file in map(StoredFile.model_validate, state):
            self._kept[file.key] = file
            self._files.add(file)

    def _publish(self, path: Path, file: StoredFile, num_kept: int) -> None:
        if path.exists():  # a former try may have failed after the upload
            self._objects.upload(file.key, path)
            path.unlink()
        self._files.add(file)
        keys = sorted(self._objects.keys(self._prefix), key=_step_of)
        for key in keys[:-num_kept]:
            self._objects.delete(key)
            with self._lock:
                self._kept.pop(key, None)
            self._files.forget(key)


def _step_of(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(_SUFFIX))
