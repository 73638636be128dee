"""What a training's run carries, and what the workers of its two stages can be asked to do."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptResult, StoredFile
from shared.contracts.enums import (
    CaptioningStrategy,
    EntityType,
    ErrorCategory,
    TrainingStatus,
    TrainingType,
    TransformType,
)
from shared.contracts.message import Message
from shared.contracts.runs import Owner
from shared.contracts.untrusted import ErrorText, clean_text

LORA_FOLDERS: dict[EntityType, str] = {
    EntityType.SUBJECT: "identities",
    EntityType.PRODUCT: "product",
    EntityType.STYLE: "styles",
}
"""The folder of the LoRA store that a training of each entity type writes into."""

ENDED = frozenset({TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED})
"""The states that a training never leaves."""


class Transform(Message):
    """One step that every source picture goes through, in the order given."""

    type: TransformType
    parameters: dict[str, Any] = {}
    """The transform's own, as the request spelled them: `{"size": 1024}`."""


class Captioning(Message):
    """How the pictures of a dataset get their captions."""

    strategy: CaptioningStrategy = CaptioningStrategy.TRIGGER_ONLY
    trigger_word: str
    prompt: str | None = None
    """What a captioner is asked; always there where the strategy is custom_prompt."""


class PreprocessDataset(Message):
    """Make a training's dataset of its source pictures."""

    training_id: UUID
    source_images: list[str]
    """Object keys, and http(s) URLs that are fetched by the worker."""
    transforms: list[Transform] = []
    captioning: Captioning
    owner: Owner


class PreparedDataset(AttemptResult):
    """Where a dataset lies. `files` travel through Temporal: archives, not single pictures."""

    dataset_path: str
    """Key or prefix under `trainings/<id>/`."""
    processed_files_count: int = Field(ge=0)
    total_files_count: int = Field(ge=0)
    completed_at: datetime


class Hyperparameters(Message):
    """Everything that shapes the training itself; names are the REST API's."""

    rank: int = 16
    """Of a LoRA; a full training has none and ignores it."""
    steps: int = 1000
    learning_rate: float = 0.0001
    batch_size: int = 1
    gradient_accumulation: int = 1
    optimizer: str = "adamw8bit"
    bypass_guidance_embedding: bool = False
    save_every: int = 2000
    """Steps between the checkpoints that are kept; resume checkpoints are written besides."""
    max_step_saves_to_keep: int = 4
    sample_every: int = 250
    sample_steps: int = 25
    sample_prompts: list[str] = []


class TrainModel(Message):
    """Train on a prepared dataset."""

    training_id: UUID
    entity_type: EntityType
    trigger_word: str
    base_model_path: str
    dataset_path: str
    folder: str
    """Folder of the LoRA store that the file goes to."""
    hyperparameters: Hyperparameters
    owner: Owner


class TrainedModel(AttemptResult):
    """What a training made. `files` are the model, its kept checkpoints and its samples."""

    local_model_path: str
    """Where the trained file lies in the LoRA store, such as `product/sh0e.safetensors`."""
    current_step: int = Field(ge=0)
    """Steps trained in all, resumed attempts included."""


class DatasetActivities(ABC):
    """Activities on the `preprocessing` task queue. Idempotent, heartbeating, retried natively."""

    @activity.defn(name="preprocess_dataset")
    @abstractmethod
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        """Fetch, transform and caption the pictures, and store the dataset."""


class TrainingActivities(ABC):
    """Activities on the `training` task queue; another attempt resumes at the last checkpoint."""

    @activity.defn(name="train_lora")
    @abstractmethod
    async def train_lora(self, request: TrainModel) -> TrainedModel:
        """Train a LoRA and store it."""

    @activity.defn(name="train_model")
    @abstractmethod
    async def train_model(self, request: TrainModel) -> TrainedModel:
        """Train all weights and store them."""


class TrainingRun(Message):
    """One training, complete: what Temporal carries of it."""

    training_id: UUID
    training_type: TrainingType
    entity_type: EntityType
    trigger_word: str
    base_model_path: str
    source_images: list[str]
    transforms: list[Transform] = []
    captioning: Captioning
    hyperparameters: Hyperparameters
    folder: str
    owner: Owner


class DatasetRecord(Message):
    """A prepared dataset on its way into the records."""

    training_id: UUID
    owner: Owner
    dataset: PreparedDataset


class TrainingOutcome(Message):
    """How a training ended; `finish_training` writes it into the records."""

    training_id: UUID
    status: TrainingStatus
    owner: Owner
    local_model_path: str | None = None
    current_step: int = 0
    files: list[StoredFile] = []
    error: ErrorText | None = None
    error_category: ErrorCategory | None = None
    started_at: datetime | None = None

    def without_untrusted(self, note: str) -> Self:
        """The same without what came from elsewhere; what had completed has no model then."""
        own: dict[str, Any] = {"local_model_path": None, "files": [], "error": clean_text(note)}
        if self.status == TrainingStatus.COMPLETED:
            own |= {"status": TrainingStatus.FAILED, "error_category": ErrorCategory.INTERNAL}
        return self.model_copy(update=own)


class TrainingRecordState(Message):
    """How a training stands in the records: an earlier end outlives a later one."""

    status: TrainingStatus
    local_model_path: str | None = None
    error: ErrorText | None = None
