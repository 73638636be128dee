"""The callback that keeps weights on the way: every `save_every` steps, and the last ones."""

from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

from torch import Tensor

from training_worker.loop.callbacks import Callback, Model, StepResult, Trainer
from training_worker.state.objects import Objects
from training_worker.state.uploads import Uploads

WriteLora = Callable[[Path, Model, Mapping[str, Tensor], Mapping[str, str]], object]
"""Writes a LoRA file: path, model, weights by their names in the model, metadata."""

_SUFFIX = ".safetensors"


class KeptSaves(Callback):
    """Saves the averaged weights alone, as a LoRA that can be used.

    Args:
        objects: the store.
        uploads: uploads them while the training goes on.
        training_id: of the training.
        folder: for files that are not uploaded yet.
        write: writes a file.
        metadata: returns a file's metadata.
    """

    def __init__(
        self,
        objects: Objects,
        uploads: Uploads,
        training_id: UUID,
        folder: Path,
        *,
        write: WriteLora,
        metadata: Callable[[Trainer], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._objects = objects
        self._uploads = uploads
        self._prefix = f"trainings/{training_id}/saves/"
        self._folder = folder
        self._write = write
        self._metadata = metadata

    def on_begin(self, trainer: Trainer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)

    def on_step(self, trainer: Trainer, result: StepResult) -> None:
        values = trainer.config.values
        if result.step % values.save_every != 0 and result.step != values.steps:
            return
        path = self._folder / f"{result.step}{_SUFFIX}"
        self._write(path, trainer.model, trainer.averaged_weights(), self._metadata(trainer))
        kept = values.max_step_saves_to_keep
        self._uploads.submit(f"save {result.step}", lambda: self._publish(path, kept), lambda: None)

    def _publish(self, path: Path, num_kept: int) -> None:
        if path.exists():  # a former try may have failed after the upload
            self._objects.upload(f"{self._prefix}{path.name}", path)
            path.unlink()
        keys = sorted(self._objects.keys(self._prefix), key=_step_of)
        for key in keys[:-num_kept]:
            self._objects.delete(key)


def _step_of(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(_SUFFIX))
