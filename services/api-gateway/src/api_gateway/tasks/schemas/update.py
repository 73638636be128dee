"""Fields that changes of tasks of all types share; only the fields that are sent change."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from api_gateway.request_fields import (
    AcceptedTaskType,
    BilledList,
    Capabilities,
    ErrorTexts,
    JsonObject,
    OriginInstance,
    OriginReference,
    OriginTenant,
    OriginZone,
    Priority,
    ServiceRequests,
    refuse_unstorable,
)
from shared.contracts.enums import ErrorCategory, ProviderType, TaskStatus
from shared.contracts.fields import Percentage
from shared.contracts.request_model import RequestModel


class TaskPublicUpdateBase(RequestModel):
    """Changeable fields of a task of any type."""

    model_config = ConfigDict(allow_inf_nan=False)

    _storable = model_validator(mode="before")(refuse_unstorable)

    status: TaskStatus | None = None
    priority: Priority | None = None
    executor_type: str | None = None
    executor_instance: str | None = None
    errors: ErrorTexts | None = None
    config: JsonObject | None = Field(default=None, description="Flexible configuration storage")


class TaskUpdateBase(TaskPublicUpdateBase):
    """Every bookkeeping field of a task's record."""

    created_at: datetime | None = Field(default=None, description="Task creation timestamp")
    updated_at: datetime | None = Field(default=None, description="Task last update timestamp")
    task_type: AcceptedTaskType | None = Field(default=None, description="Task type")
    origin_instance: OriginInstance | None = Field(default=None, description="Task origin instance")
    origin_zone: OriginZone | None = Field(default=None, description="Task origin zone")
    origin_tenant_id: OriginTenant | None = Field(default=None, description="Task origin tenant ID")
    origin_reference: OriginReference | None = Field(
        default=None, description="Optional reference ID or string from the origin system"
    )
    started_at: datetime | None = Field(default=None, description="Task start timestamp")
    completed_at: datetime | None = Field(default=None, description="Task completion timestamp")
    celery_task_id: str | None = Field(default=None, description="Task Celery task ID")
    service_task_id: str | None = Field(default=None, description="Task service task ID")
    retry_count: int | None = Field(default=None, ge=0, description="Task retry count")
    progress: Percentage | None = Field(default=None, description="Task progress (0.0 to 100.0)")
    is_resumed: bool | None = Field(default=None, description="Whether task is being resumed")
    provider_type: ProviderType | None = Field(
        default=None, description="Provider type for task execution"
    )
    active_provider_capabilities: Capabilities | None = Field(
        default=None, description="List of active capabilities for this task"
    )
    queue_name: str | None = Field(default=None, description="Task queue name")
    fallback_provider_type: ProviderType | None = Field(
        default=None, description="Fallback provider type"
    )
    fallback_provider_config: Any | None = Field(
        default=None, description="Fallback provider-specific config"
    )
    fallback_provider_capabilities: Capabilities | None = Field(
        default=None, description="Fallback provider capabilities"
    )
    resume_attempt_count: int | None = Field(
        default=None, ge=0, description="Number of resume attempts"
    )
    last_resume_attempt: datetime | None = Field(
        default=None, description="Last resume attempt timestamp"
    )
    error_category: ErrorCategory | None = Field(
        default=None, description="Error category classification"
    )
    service_requests: ServiceRequests | None = Field(
        default=None, description="External service request log for observability"
    )
    billed: BilledList | None = Field(
        default=None, description="Units billed by outside providers; needs the scope `admin`"
    )
