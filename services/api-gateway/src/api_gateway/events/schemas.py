"""Events about tasks, trainings and workflows, as webhooks and streams send them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.recorded import LENIENT_CONFIG
from api_gateway.request_fields import JsonObject
from shared.contracts.enums import (
    ErrorCategory,
    EventType,
    ProviderType,
    TaskStatus,
    WorkflowStatus,
)


class BaseEvent(BaseModel, frozen=True):
    """The fields of every event."""

    model_config = LENIENT_CONFIG

    event_type: EventType
    task_id: UUID
    status: str
    entity_id: UUID | None = None
    timestamp: datetime | None = None
    origin_instance: str | None = None
    origin_zone: str | None = None
    origin_version: str | None = None
    metadata: JsonObject | None = None


class _OfAStep(BaseEvent, frozen=True):
    """The fields of an event about a task that may be a step."""

    workflow_id: UUID | None = Field(
        default=None, description="Workflow of the task, if it is a step"
    )
    step_id: str | None = Field(
        default=None, description="ID of the step in its workflow, if the task is one"
    )


class TaskCreatedEvent(_OfAStep, frozen=True):
    """A task was created."""

    event_type: EventType = EventType.TASK_CREATED
    task_type: str
    created_at: datetime
    total_steps: int = 0


class _OfARun(_OfAStep, frozen=True):
    """The fields of an event about a task that may have run."""

    provider_type: ProviderType | None = Field(
        default=None, description="Provider of the current attempt, or of the last one"
    )
    fallback_used: bool = Field(default=False, description="Whether that is the fallback provider")


class TaskStatusEvent(_OfARun, frozen=True):
    """A task's status or progress changed."""

    event_type: EventType = EventType.TASK_STATUS_UPDATE
    status: TaskStatus
    task_type: str
    progress: float = Field(default=0.0, description="Task progress percentage")
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None
    error_category: ErrorCategory | None = None


class InferenceStatusEvent(_OfARun, frozen=True):
    """A generation that a backend tracks by its own IDs changed."""

    event_type: EventType = EventType.INFERENCE_STATUS_UPDATE
    backend_generation_id: UUID
    backend_prediction_id: UUID
    prompt_id: str | None = None
    result_image_path: str | None = None
    refined_image_path: str | None = None
    completed_at: datetime | None = None
    error_message: str | None = None


class PreprocessingStatusEvent(BaseEvent, frozen=True):
    """The preprocessing of a training's images progressed."""

    event_type: EventType = EventType.PREPROCESSING_STATUS_UPDATE
    progress: float = 0.0
    current_stage: str | None = None
    processed_files_count: int = 0
    total_files_count: int = 0
    processed_dataset_path: str | None = None
    completed_at: datetime | None = None
    error_message: str | None = None


class TrainingStatusEvent(BaseEvent, frozen=True):
    """A training progressed."""

    event_type: EventType = EventType.TRAINING_STATUS_UPDATE
    progress: float = 0.0
    current_step: int = 0
    total_steps: int = 0
    eta_seconds: int | None = None
    local_model_path: str | None = None
    completed_at: datetime | None = None
    error_message: str | None = None


class WorkflowStatusEvent(BaseEvent, frozen=True):
    """A workflow progressed; `task_id` repeats its ID, because every event has one."""

    event_type: EventType = EventType.WORKFLOW_STATUS_UPDATE
    workflow_id: UUID
    status: WorkflowStatus
    progress: float = 0.0
    current_step: str | None = None
    completed_steps: int = 0
    total_steps: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    error_message: str | None = None
