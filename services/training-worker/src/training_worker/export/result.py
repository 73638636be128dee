"""The result of a training: written, checked, and stored under its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import torch
from torch import Tensor

from shared.contracts.datasets import DatasetManifest
from shared.contracts.folders import LORAS_FOLDER
from shared.contracts.training import TrainedLora, TrainModel
from training_worker.export.lora_file import WrittenFile, write_lora
from training_worker.export.metadata import TrainedFrom, file_metadata
from training_worker.export.names import file_stem
from training_worker.export.verify import verify_lora
from training_worker.loop.callbacks import Trainer
from training_worker.loop.config import LoopConfig
from training_worker.state.moments import Moments
from training_worker.state.objects import Objects
from training_worker.state.uploads import Uploads

_STARTED, _FINISHED = "started", "finished"


@dataclass(frozen=True)
class Origin:
    """The training that a file comes from.

    Attributes:
        request: the activity's message.
        manifest: of its dataset.
        moments: its times.
    """

    request: TrainModel
    manifest: DatasetManifest
    moments: Moments


class ResultWriter:
    """Writes the averaged weights of a training as LoRA files.

    Args:
        origin: what the files' metadata states.
        objects: the store.
        folder: for the file until it is stored.
    """

    def __init__(self, origin: Origin, objects: Objects, folder: Path) -> None:
        self._origin = origin
        self._objects = objects
        self._folder = folder
        self._stem = file_stem(origin.request.trigger_word, origin.request.training_id)
        self._started_at = origin.moments.first(_STARTED)

    def write(self, path: Path, trainer: Trainer) -> WrittenFile:
        """Write a save on the way; its metadata ends with the training's start."""
        return self._write(path, trainer, trainer.averaged_weights(), self._started_at)

    def store(
        self, trainer: Trainer, uploads: Uploads, *, prompt: str, side_px: int
    ) -> TrainedLora:
        """Write the result, check it, and store it by its digest.

        A later attempt writes the same bytes, and so the same object.

        Args:
            trainer: after its last step.
            uploads: tries again where the store fails.
            prompt: of the pictures that the check compares.
            side_px: width and height of these pictures.

        Raises:
            ExportError: the file is not usable.
            StorageError: the store failed for too long.
        """
        path = self._folder / f"{self._stem}.safetensors"
        weights = trainer.averaged_weights()
        written = self._write(path, trainer, weights, self._origin.moments.first(_FINISHED))
        summary = verify_lora(
            path,
            trainer.model,
            weights,
            prompt=prompt,
            side_px=side_px,
            rank=trainer.config.values.rank,
        )
        key = f"{LORAS_FOLDER}/sha256/{written.sha256}"
        uploads.submit("result", lambda: self._objects.upload(key, path), lambda: None)
        uploads.drain()
        return TrainedLora(
            stem=self._stem,
            sha256=written.sha256,
            size_bytes=written.size_bytes,
            rank=summary.rank,
            base_model=summary.base_model,
            target_modules=summary.target_modules,
            file_metadata=summary.metadata,
        )

    def _write(
        self,
        path: Path,
        trainer: Trainer,
        weights: Mapping[str, Tensor],
        finished_at: datetime,
    ) -> WrittenFile:
        origin = self._trained_from(trainer, trainer.config, finished_at)
        return write_lora(path, weights, lambda digest: file_metadata(origin, digest))

    def _trained_from(
        self, trainer: Trainer, config: LoopConfig, finished_at: datetime
    ) -> TrainedFrom:
        request, manifest = self._origin.request, self._origin.manifest
        trained = [image for image in manifest.images if not image.is_held_out]
        return TrainedFrom(
            training_id=request.training_id,
            stem=self._stem,
            entity_type=request.entity_type,
            base_model=trainer.model.name,
            base_digest=trainer.model.digest,
            dataset_digest=manifest.digest,
            num_images=len(trained),
            resolution=max(max(image.bucket) for image in trained),
            config=config,
            optimizer_used=trainer.optimizer_used,
            mixed_precision="bf16" if trainer.model.dtype is torch.bfloat16 else "no",
            step=trainer.step,
            started_at=self._started_at,
            finished_at=finished_at,
        )
