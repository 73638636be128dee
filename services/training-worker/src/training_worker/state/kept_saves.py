"""The callback that keeps weights: every `save_every` steps, the last ones and the best ones."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import structlog

from shared.contracts.attempts import StoredFile
from shared.contracts.error_text import one_line
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


_log = structlog.stdlib.get_logger(__name__)

_SUFFIX = ".safetensors"
_BEST = f"best{_SUFFIX}"


class KeptSaves(Callback):
    """Saves the averaged weights alone, as a LoRA that can be used.

    Args:
        objects: the store.
        uploads: uploads them while the training goes on.
        training_id: of the training.
        folder: for files that are not uploaded yet.
        write: writes a file.
        files: of the training.
        best_step: returns the step of the least held-out loss so far; None: there is none.
    """

    state_key = "saves"

    def __init__(  # noqa: PLR0913 -- the store, its list and what is saved
        self,
        objects: Objects,
        uploads: Uploads,
        training_id: UUID,
        folder: Path,
        *,
        write: WriteLora,
        files: FileList,
        best_step: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._prefix = f"trainings/{training_id}/saves/"
        self._folder = folder
        self._write = write
        self._files = files
        self._best_step = best_step
        self._kept: dict[str, StoredFile] = {}
        """Saves that are stored or wait for their upload; used by two threads."""
        self._lock = threading.Lock()

    def on_begin(self, trainer: Trainer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        values, step = trainer.config.values, result.step
        if self._best_step() == step:
            path = self._folder / f"best-{step}{_SUFFIX}"
            self._save(trainer, path, f"{self._prefix}{_BEST}", values.max_step_saves_to_keep)
        if step % values.save_every == 0 or step == values.steps:
            path = self._folder / f"{step}{_SUFFIX}"
            key = f"{self._prefix}{path.name}"
            self._save(trainer, path, key, values.max_step_saves_to_keep)

    def _save(self, trainer: Trainer, path: Path, key: str, num_kept: int) -> None:
        """Write a file and queue its upload, in place of one that waits under the same key.

        A full disk costs the save, not the training.
        """
        try:
            written = self._write(path, trainer)
        except OSError as error:
            _log.warning("save_not_written", step=trainer.step, error=one_line(error))
            return
        file = StoredFile(
            key=key,
            size_bytes=written.size_bytes,
            content_type="application/octet-stream",
            sha256=written.sha256,
        )
        with self._lock:
            self._kept[key] = file
        self._uploads.submit(
            f"save {key}",
            lambda: self._publish(path, file, num_kept),
            lambda: path.unlink(missing_ok=True),
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
        keys = [key for key in self._objects.keys(self._prefix) if not key.endswith(f"/{_BEST}")]
        keys.sort(key=_step_of)
        for key in keys[:-num_kept]:
            self._objects.delete(key)
            with self._lock:
                self._kept.pop(key, None)
            self._files.forget(key)


def _step_of(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(_SUFFIX))
