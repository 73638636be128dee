"""Messages and activities of trainings: the run, preprocessing, training and the outcome."""

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
"""The folder of the LoRA store that trainings write to, by entity type."""

ENDED = frozenset({TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED})
"""The terminal states of a training."""


class Transform(Message):
    """One preprocessing step of every source picture; steps run in the order given."""

    type: TransformType
    parameters: dict[str, Any] = {}
    """Parameters of the transform, as in the request: `{"size": 1024}`."""


class Captioning(Message):
    """Captioning of a dataset's pictures."""

    strategy: CaptioningStrategy = CaptioningStrategy.TRIGGER_ONLY
    trigger_word: str
    prompt: str | None = None
    """Prompt for the captioning model; always set with the strategy custom_prompt."""


class PreprocessDataset(Message):
    """A request to build a training's dataset from its source pictures."""

    training_id: UUID
    source_images: list[str]
    """Object keys, and http(s) URLs that the worker fetches."""
    transforms: list[Transform] = []
    captioning: Captioning
    owner: Owner


class PreparedDataset(AttemptResult):
    """A prepared dataset. `files` pass through Temporal: list archives, not single pictures."""

    dataset_path: str
    """Key or prefix under `trainings/<id>/`."""
    processed_files_count: int = Field(ge=0)
    total_files_count: int = Field(ge=0)
    completed_at: datetime


class Hyperparameters(Message):
    """Hyperparameters of a training, by their REST names."""

    rank: int = 16
    """LoRA rank. Full trainings ignore it."""
    steps: int = 1000
    learning_rate: float = 0.0001
    batch_size: int = 1
    gradient_accumulation: int = 1
    optimizer: str = "adamw8bit"
    bypass_guidance_embedding: bool = False
    save_every: int = 2000
    """Steps between the checkpoints that are kept. Resume checkpoints are written in addition."""
    max_step_saves_to_keep: int = 4
    sample_every: int = 250
    sample_steps: int = 25
    sample_prompts: list[str] = []


class TrainModel(Message):
    """A request to train on a prepared dataset."""

    training_id: UUID
    entity_type: EntityType
    trigger_word: str
    base_model_path: str
    dataset_path: str
    folder: str
    """Folder of the LoRA store that the file is written to."""
    hyperparameters: Hyperparameters
    owner: Owner


class TrainedModel(AttemptResult):
    """A trained model. `files` are the model, its kept checkpoints and its samples."""

    local_model_path: str
    """Path of the trained file in the LoRA store, such as `product/sh0e.safetensors`."""
    current_step: int = Field(ge=0)
    """Total of steps trained, including those of resumed attempts."""


class DatasetActivities(ABC):
    """Activities of the `preprocessing` task queue: idempotent, with heartbeats and retries."""

    @activity.defn(name="preprocess_dataset")
    @abstractmethod
    async def preprocess_dataset(self, request: PreprocessDataset) -> PreparedDataset:
        """Fetch, transform and caption the pictures, and store the dataset."""


class TrainingActivities(ABC):
    """Activities of the `training` task queue. A retry resumes at the last checkpoint."""

    @activity.defn(name="train_lora")
    @abstractmethod
    async def train_lora(self, request: TrainModel) -> TrainedModel:
        """Train a LoRA, and store it."""

    @activity.defn(name="train_model")
    @abstractmethod
    async def train_model(self, request: TrainModel) -> TrainedModel:
        """Train all weights, and store them."""


class TrainingRun(Message):
    """A complete training, as the workflow run receives it."""

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
    """A prepared dataset to be written to the database."""

    training_id: UUID
    owner: Owner
    dataset: PreparedDataset


class TrainingOutcome(Message):
    """The outcome of a training; `finish_training` writes it to the database."""

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
        """Return a copy without untrusted data; a COMPLETED outcome becomes FAILED."""
        own: dict[str, Any] = {"local_model_path": None, "files": [], "error": clean_text(note)}
        if self.status == TrainingStatus.COMPLETED:
            own |= {"status": TrainingStatus.FAILED, "error_category": ErrorCategory.INTERNAL}
        return self.model_copy(update=own)


class TrainingRecordState(Message):
    """The state of a training in the database. The first recorded terminal state is final."""

    status: TrainingStatus
    local_model_path: str | None = None
    error: ErrorText | None = None
