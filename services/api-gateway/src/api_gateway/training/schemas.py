"""Request and response schemas of trainings."""

from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from api_gateway.recorded import Recorded
from api_gateway.request_fields import (
    JsonObject,
    OriginInstance,
    OriginTenant,
    OriginZone,
    SamplePrompts,
    TrainingSources,
    WebhookUrl,
    refuse_unstorable,
)
from shared.contracts.enums import (
    CaptioningStrategy,
    EntityType,
    TaskPriority,
    TrainingStatus,
    TrainingType,
    TransformType,
)
from shared.contracts.fields import OptionalPrompt, Text, TriggerWord
from shared.contracts.request_model import RequestModel, inconsistent
from shared.contracts.training import DEFAULT_BASE_MODEL, TrainingMetrics

_INSTANCE = "Identifier for the instance that created this task (e.g., 'production', 'staging')"
_ZONE = "Environment identifier (e.g., 'eu', 'us')"
_VERSION = "Version of the backend that created this task"
_TENANT = "Optional tenant/organization identifier for multi-tenant setups"


def _known_transform(transform: JsonObject) -> JsonObject:
    known = [kind.value for kind in TransformType]
    if transform.get("type") not in known:
        raise ValueError(f"a transform has a type, one of {', '.join(known)}")
    return transform


Transform = Annotated[JsonObject, AfterValidator(_known_transform)]
Transforms = Annotated[list[Transform], Field(max_length=100)]


class TrainingTaskCreate(RequestModel):
    """Schema for creating new training tasks."""

    model_config = ConfigDict(
        allow_inf_nan=False,
        json_schema_extra={
            "example": {
                "training_type": "LORA",
                "entity_type": "SUBJECT",
                "trigger_word": "sh0ot1f1",
                "source_images": ["https://images.example.com/1.jpg"],
                "steps": 1000,
                "preprocessing_transforms": [{"type": "resize", "size": 1024}],
                "origin_instance": "production",
            }
        },
    )

    training_type: TrainingType = TrainingType.LORA
    entity_type: EntityType = EntityType.PRODUCT
    entity_id: UUID | None = None
    trigger_word: TriggerWord = Field(
        description="The word that stands for what is trained on; `[trigger]` in sample_prompts"
    )
    rank: Annotated[int, Field(ge=1, le=1024)] | None = 16
    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1000
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = 0.0001
    sample_prompts: SamplePrompts | None = Field(default=[])
    source_images: TrainingSources | None = Field(default=[])
    base_model_path: Text | None = DEFAULT_BASE_MODEL
    bypass_guidance_embedding: bool | None = False
    webhook_url: WebhookUrl | None = None
    origin_instance: OriginInstance | None = Field(default="unknown", description=_INSTANCE)
    origin_zone: OriginZone | None = Field(default=None, description=_ZONE)
    origin_version: str | None = Field(default=None, description=_VERSION)
    origin_tenant_id: OriginTenant | None = Field(default=None, description=_TENANT)
    preprocessing_transforms: Transforms | None = Field(
        default=None, description="List of image transformations to apply"
    )
    preprocessing_captioning_strategy: CaptioningStrategy | None = Field(
        default=CaptioningStrategy.TRIGGER_ONLY, description="Strategy for image captioning"
    )
    preprocessing_captioning_prompt: OptionalPrompt | None = Field(
        default=None, description="Custom prompt for captioning"
    )

    _storable = model_validator(mode="before")(refuse_unstorable)

    @field_validator(
        "rank",
        "steps",
        "learning_rate",
        "sample_prompts",
        "source_images",
        "base_model_path",
        "bypass_guidance_embedding",
        "origin_instance",
        "preprocessing_captioning_strategy",
        mode="before",
    )
    @classmethod
    def _null_is_the_default(cls, value: object, info: ValidationInfo) -> object:
        if value is not None or info.field_name is None:
            return value
        return cls.model_fields[info.field_name].get_default(call_default_factory=False)

    @model_validator(mode="after")
    def _custom_captions_have_a_prompt(self) -> Self:
        is_custom = self.preprocessing_captioning_strategy is CaptioningStrategy.CUSTOM_PROMPT
        if is_custom and not self.preprocessing_captioning_prompt:
            raise inconsistent(
                "preprocessing_captioning_strategy custom_prompt needs "
                "preprocessing_captioning_prompt",
                "preprocessing_captioning_strategy",
                "preprocessing_captioning_prompt",
            )
        return self


def _now() -> datetime:
    return datetime.now(UTC)


class TrainingTask(Recorded):
    """A training in its current state."""

    id: UUID = Field(default_factory=uuid4)
    created_at: datetime = Field(default_factory=_now)
    updated_at: datetime = Field(default_factory=_now)
    origin_instance: str = Field(default="unknown", description=_INSTANCE)
    origin_zone: str | None = Field(default=None, description=_ZONE)
    origin_version: str | None = Field(default=None, description=_VERSION)
    origin_tenant_id: str | None = Field(default=None, description=_TENANT)
    training_type: TrainingType = TrainingType.LORA
    entity_type: EntityType = EntityType.PRODUCT
    entity_id: UUID | None = None
    status: TrainingStatus = TrainingStatus.PENDING
    progress: float = 0.0
    current_step: int = 0
    total_steps: int = 1000
    eta_seconds: int | None = None
    trigger_word: str
    training_folder: str = ""
    rank: int = 16
    save_every: int = 2000
    max_step_saves_to_keep: int = 4
    batch_size: int = 1
    steps: int = 1000
    learning_rate: float = 0.0001
    gradient_accumulation: int = 1
    optimizer: str = "adamw8bit"
    bypass_guidance_embedding: bool = False
    base_model_path: str = DEFAULT_BASE_MODEL
    local_model_path: str | None = None
    sample_every: int = 250
    sample_steps: int = 25
    sample_prompts: list[str] = []
    started_at: datetime | None = None
    completed_at: datetime | None = None
    logs: str = ""
    metrics: TrainingMetrics | None = Field(
        default=None, description="Latest figures: losses, speed, saves, samples, alarms"
    )
    error_message: str | None = None
    warnings: list[str] | None = Field(
        default=None, description="Parts of the request that were ignored or have no effect"
    )
    waiting_for: str | None = Field(
        default=None, description="The reason why it does not proceed; null while it does"
    )
    webhook_url: str = ""
    celery_training_task_id: str | None = None
    celery_preprocessing_task_id: str | None = None
    celery_chain_task_id: str | None = None
    preprocessing_stage: str | None = Field(
        default=None, description="Current preprocessing stage (downloading, validating, etc.)"
    )
    processed_files_count: int | None = Field(
        default=None, description="Number of files processed during preprocessing"
    )
    total_files_count: int | None = Field(
        default=None, description="Total number of files to process"
    )
    preprocessing_started_at: datetime | None = Field(
        default=None, description="When preprocessing phase started"
    )
    preprocessing_completed_at: datetime | None = Field(
        default=None, description="When preprocessing phase completed"
    )
    source_images: list[str] = Field(
        default=[], description="Original image paths from source system"
    )
    processed_dataset_path: str | None = Field(
        default=None, description="Path to the processed dataset on compute server"
    )
    preprocessing_transforms: list[JsonObject] | None = Field(
        default=None, description="List of image transformations to apply"
    )
    preprocessing_captioning_strategy: str = Field(
        default="trigger_only", description="Strategy for image captioning"
    )
    preprocessing_captioning_prompt: str | None = Field(
        default=None, description="Custom prompt for captioning"
    )
    priority: TaskPriority = Field(
        default=TaskPriority.NORMAL, description="Task priority affecting queue position"
    )
    priority_changed_at: datetime | None = Field(
        default=None, description="Timestamp of last priority change"
    )
