"""Schemas of tasks for the dashboard."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.recorded import Recorded
from api_gateway.request_fields import JsonObject
from shared.contracts.enums import ProviderType, TaskStatus, TaskType
from shared.contracts.service_requests import BilledUnits


class TaskListItem(Recorded):
    """One line of the task list."""

    id: UUID
    task_type: TaskType
    provider_type: ProviderType | None = None
    status: TaskStatus
    progress: float = 0.0
    origin_instance: str
    origin_zone: str | None = None
    origin_tenant_id: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = Field(
        default=None,
        description="Duration in milliseconds (computed from started_at to completed_at)",
    )
    has_error: bool = Field(default=False, description="Whether task has any errors")


class TaskListResponse(BaseModel):
    """Paginated task list response."""

    items: list[TaskListItem]
    total: int = Field(description="Total number of tasks matching filters")
    page: int = Field(description="Current page number (1-indexed)")
    page_size: int = Field(description="Number of items per page")
    pages: int = Field(description="Total number of pages")


class TaskDetailResponse(Recorded):
    """Detailed task view with full configuration."""

    id: UUID
    task_type: TaskType
    provider_type: ProviderType | None = None
    status: TaskStatus
    progress: float = 0.0
    origin_instance: str
    origin_zone: str | None = None
    origin_tenant_id: str | None = None
    origin_reference: str | None = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: float | None = Field(default=None, description="Duration in milliseconds")
    queue_name: str = Field(default="inference", description="Celery queue name")
    priority: int = Field(default=0, description="Task priority (higher = more priority)")
    celery_task_id: str | None = None
    service_task_id: str | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    config: JsonObject | None = None
    webhook_url: str | None = Field(default=None, description="Webhook URL for notifications")
    errors: list[str] | None = None
    retry_count: int = 0
    is_resumed: bool = Field(default=False, description="Whether task was resumed")
    resume_attempt_count: int = Field(default=0, description="Number of resume attempts")
    last_resume_attempt: datetime | None = Field(
        default=None, description="Timestamp of last resume attempt"
    )
    service_requests: list[JsonObject] | None = Field(
        default=None, description="Log of external service requests made during task processing"
    )
    billed: list[BilledUnits] = Field(
        default=[], description="Units that outside providers reported as billed, by attempt"
    )
    task_data: JsonObject = Field(
        default={},
        description="Task-type specific fields (prompt, width, height, result_image_path, etc.)",
    )


class MediaItem(BaseModel):
    """One input or output file of a task."""

    name: str = Field(description="Descriptive name (e.g., 'base_image', 'result_image')")
    path: str = Field(description="Relative path in storage")
    url: str = Field(description="Full URL for preview")
    media_type: str = Field(description="Type of media: 'image' or 'video'")


class TaskMediaResponse(BaseModel):
    """Input and output media for a task."""

    task_id: UUID
    inputs: list[MediaItem] = Field(default=[], description="Input media files")
    outputs: list[MediaItem] = Field(default=[], description="Output media files")


class AggregateStats(BaseModel):
    """Aggregate statistics for the monitoring dashboard."""

    total_tasks: int = Field(description="Total number of tasks")
    by_status: dict[str, int] = Field(
        default={},
        description="Task count by status (PENDING, EXECUTING, COMPLETED, FAILED, CANCELLED)",
    )
    by_provider: dict[str, int] = Field(default={}, description="Task count by provider type")
    by_task_type: dict[str, int] = Field(default={}, description="Task count by task type")
    tasks_last_hour: int = Field(default=0, description="Tasks created in the last hour")
    tasks_last_24h: int = Field(default=0, description="Tasks created in the last 24 hours")
