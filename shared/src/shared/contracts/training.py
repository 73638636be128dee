"""Messages and activities of trainings: the run, training, and the outcome."""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import Field
from temporalio import activity

from shared.contracts.attempts import AttemptResult, StoredFile
from shared.contracts.datasets import Captioning, PreparedDataset
from shared.contracts.enums import EntityType, ErrorCategory, TrainingStatus, TrainingType
from shared.contracts.message import Message
from shared.contracts.owners import Owner
from shared.contracts.transforms import Transform
from shared.contracts.untrusted import ErrorText, clean_text

DEFAULT_BASE_MODEL = "black-forest-labs/FLUX.1-dev"
"""The base model of a request that names none."""

LORA_FOLDERS: dict[EntityType, str] = {
    EntityType.SUBJECT: "identities",
    EntityType.PRODUCT: "product",
    EntityType.STYLE: "styles",
}
"""The folder of the LoRA store that trainings write to, by entity type."""

ENDED = frozenset({TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.CANCELLED})
"""The terminal states of a training."""


class OptimizerKind(StrEnum):
    """Optimizers of trainings."""

    ADAMW8BIT = "adamw8bit"
    """AdamW with moments in 8 bits, on CUDA; elsewhere torch's AdamW."""
    ADAMW = "adamw"
    PRODIGY = "prodigy"


class OperatorSettings(Message):
    """Hyperparameters that operators set, and requests cannot."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    """Source of all randomness of a training, and the first seed of its samples."""
    resolutions: list[int] = []
    """Training resolutions R in pixels: a bucket has at most R² pixels. Empty: the model's own."""
    held_out_share: float = Field(default=0.1, ge=0, le=0.5)
    """Share of the pictures, from ten pictures on, that is only measured. 0: none."""
    caption_dropout: float = Field(default=0.05, ge=0, le=1)
    """Probability that an item is trained with an empty caption."""
    ema_decay: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the averaged weights, which are the result. 0: no average."""
    warmup_steps: int | None = Field(default=None, ge=0)
    """Steps of the learning rate's linear warm-up. None: a tenth of the steps, at most 100."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    guidance_scale: float = Field(default=1.0, ge=0)
    """Guidance in training, for models with guidance embeddings; 1 keeps their distillation."""
    gradient_checkpointing: bool | None = None
    """Recompute activations in the backward pass: less memory, more time. None: on CUDA."""
    tensorboard: bool = False
    """Also write TensorBoard event files."""
    max_samples: int = Field(default=1000, ge=1, le=4000)
    """Sample pictures that are kept; the oldest but those of step 0 are deleted."""


class Hyperparameters(OperatorSettings):
    """Hyperparameters of a training, by their REST names."""

    rank: int = 16
    """LoRA rank; alpha is the same. Full trainings ignore it."""
    steps: int = 1000
    """Updates of the optimizer."""
    learning_rate: float = 0.0001
    batch_size: int = 1
    gradient_accumulation: int = 1
    optimizer: str = "adamw8bit"
    bypass_guidance_embedding: bool = False
    """Train without the guidance embedding. No effect on models that have none."""
    save_every: int = 2000
    """Steps between the saves that are kept. Resume states are written in addition."""
    max_step_saves_to_keep: int = 4
    sample_every: int = 250
    sample_steps: int = 25
    sample_prompts: list[str] = []
    """`[trigger]` stands for the trigger word. Empty: one prompt, the trigger word."""


class TrainModel(Message):
    """A request to train on a prepared dataset."""

    training_id: UUID
    entity_type: EntityType
    trigger_word: str
    base_model_path: str
    dataset_path: str
    """Key of the dataset's manifest."""
    folder: str
    """Folder of the LoRA store that the file is registered in."""
    hyperparameters: Hyperparameters
    owner: Owner
    log: list[ErrorText] = []
    """Lines of the training's log so far."""


class TrainedLora(Message):
    """A trained LoRA, stored as `loras/sha256/<digest>`, to be registered under a name."""

    stem: str
    """File name without suffix and version, safe for the LoRA store."""
    sha256: str
    size_bytes: int
    rank: int
    base_model: str | None
    target_modules: list[str]
    file_metadata: dict[str, str]
    """Metadata in the safetensors header, as far as it is short."""


class TrainingMetrics(Message):
    """Figures of a running or ended training, as its record and events show them."""

    loss: float | None = None
    """Mean of the last 50 steps' losses."""
    held_out_loss: float | None = None
    """Loss of held-out pictures at fixed noise, of the averaged weights."""
    best_step: int | None = None
    """Step of the least held-out loss."""
    learning_rate: float | None = None
    it_per_s: float | None = None
    """Steps a second: the median of the last 50."""
    device: str | None = None
    memory_bytes: int | None = None
    """GPU memory reserved, or resident memory without a GPU."""
    base_model: str | None = None
    """Name of the base model that is trained on."""
    optimizer_used: str | None = None
    last_checkpoint_step: int | None = None
    """Step of the newest stored resume state."""
    sample_paths: list[str] = Field(default=[], max_length=100)
    """The newest samples."""
    contact_sheet_path: str | None = None
    loss_curve_path: str | None = None
    log_path: str | None = None
    alarms: list[str] = []
    """Warnings about the training's course: diverged, overfit, not learning."""


class TrainedModel(AttemptResult):
    """A trained model. `files` are the model, its kept saves, its samples, sheets and log."""

    local_model_path: str | None = None
    """Path of the trained file in the LoRA store, such as `product/sh0e.safetensors`; None where
    `lora` is to be registered."""
    lora: TrainedLora | None = None
    current_step: int = Field(ge=0)
    """Total of steps trained, including those of resumed attempts."""
    metrics: TrainingMetrics = TrainingMetrics()
    logs: str = ""
    """The end of the log."""


class TrainingActivities(ABC):
    """Activities of the `training` task queue. A retry resumes at the last resume state."""

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
    """As in the request: paths and URLs; a picture that was sent along by its object key."""
    picture_objects: dict[str, str] = {}
    """Object keys of paths that differ from their key."""
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
    lora: TrainedLora | None = None
    """A LoRA to be registered; its path becomes the `local_model_path`."""
    folder: str | None = None
    """Folder of the LoRA store for `lora`."""
    current_step: int = 0
    files: list[StoredFile] = []
    metrics: TrainingMetrics | None = None
    logs: str | None = None
    warnings: list[ErrorText] = []
    error: ErrorText | None = None
    error_category: ErrorCategory | None = None
    started_at: datetime | None = None

    def without_untrusted(self, note: str) -> Self:
        """Return a copy without untrusted data; a COMPLETED outcome becomes FAILED."""
        own: dict[str, Any] = {
            "local_model_path": None,
            "lora": None,
            "files": [],
            "metrics": None,
            "logs": None,
            "warnings": [],
            "error": clean_text(note),
        }
        if self.status == TrainingStatus.COMPLETED:
            own |= {"status": TrainingStatus.FAILED, "error_category": ErrorCategory.INTERNAL}
        return self.model_copy(update=own)


class TrainingRecordState(Message):
    """The state of a training in the database. The first recorded terminal state is final."""

    status: TrainingStatus
    local_model_path: str | None = None
    error: ErrorText | None = None
