"""Fields that responses about tasks of all types share."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api_gateway.recorded import Recorded
from api_gateway.request_fields import JsonObject
from shared.contracts.enums import ErrorCategory, ProviderType, TaskStatus
from shared.contracts.service_requests import BilledUnits


class TaskPublicBase(Recorded):
    """The public fields of every task's record."""

    priority: int = Field(description="Task priority")
    config: JsonObject | None = None
    origin_instance: str = Field(description="Task origin instance")
    origin_zone: str | None = Field(default=None, description="Task origin zone")
    origin_tenant_id: str | None = Field(default=None, description="Task origin tenant ID")
    origin_reference: str | None = Field(
        default=None, description="Optional reference ID or string from the origin system"
    )
    id: UUID
    created_at: datetime
    updated_at: datetime
    status: TaskStatus
    started_at: datetime | None = None
    completed_at: datetime | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    celery_task_id: str | None = None
    service_task_id: str | None = None
    provider_type: ProviderType | None = None
    active_provider_capabilities: list[str] | None = None
    fallback_provider_type: ProviderType | None = None
    fallback_provider_config: Any | None = None
    fallback_provider_capabilities: list[str] | None = None
    errors: list[str] | None = None
    warnings: list[str] | None = Field(
        default=None, description="Parts of the request that were ignored or have no effect"
    )
    waiting_for: str | None = Field(
        default=None, description="The reason why it has not begun; null once it has"
    )
    error_category: ErrorCategory | None = None
    retry_count: int = 0
    progress: float = 0.0
    provider_config: Any | None = None
    fallback_used: bool = Field(default=False, description="Whether the fallback provider ran")
    billed: list[BilledUnits] = Field(
        default=[], description="Units that outside providers reported as billed, by attempt"
    )
    is_deleted: bool = Field(default=False, description="Whether the task was cleaned up")
    deleted_at: datetime | None = None


class ImageTaskPublicBase(TaskPublicBase):
    """A task whose result is an image."""

    result_image_path: str | None = None
    result_image_paths: list[str] | None = Field(
        default=None, description="All result images, where several were asked for"
    )


class FalImageTaskPublicBase(ImageTaskPublicBase):
    """A task whose image may come from fal."""

    fal_app_id: str | None = Field(
        description="Get FAL app ID from provider config.", json_schema_extra={"readOnly": True}
    )
    fal_request_id: str | None = Field(
        description="Get FAL request ID from provider config.",
        json_schema_extra={"readOnly": True},
    )
