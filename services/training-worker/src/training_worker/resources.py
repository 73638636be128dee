"""Objects that all trainings of a process share."""

from dataclasses import dataclass
from pathlib import Path

from shared.progress import TrainingProgressSink
from shared.settings import ModelSettings, TrainingSettings
from shared.storage.object_store import ObjectStore
from training_worker.settings import TrainerSettings


@dataclass(frozen=True)
class Resources:
    """Objects that the trainings of a process share.

    Attributes:
        objects: the object store.
        progress: receives reports on trainings.
        settings: hardware and folders.
        trainings: the base models.
        model: the default base model.
        folder: for files of running attempts.
    """

    objects: ObjectStore
    progress: TrainingProgressSink
    settings: TrainerSettings
    trainings: TrainingSettings
    model: ModelSettings
    folder: Path
